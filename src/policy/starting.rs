//! A policy to start from: what a server lists, all of it refused.

use std::sync::Arc;

use serde_json::Value;

use super::Kind;
use super::draft::{Asks, Draft, DraftRule, DraftTest};
use crate::catalogue::Entry;

/// What a server lists of one kind.
pub type Listed<'e> = (Kind, bool, &'e [Arc<Entry>]);

/// What a server says of a tool that helps to decide who may call it (MCP, `ToolAnnotations`). It need not be true.
const HINTS: [&str; 4] = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];

/// The policy that refuses all that is `listed`: the kind, whether they are templates, and the elements.
#[must_use]
pub fn starting(server: &str, listed: &[Listed<'_>]) -> Draft {
    let header = [
        &format!("What {server} lists, written by `toolgate policy init`."),
        "",
        "Everything is refused. Give each thing the scopes that a caller's token must have, in place of",
        "`{deny: true}`: `{scopes: [files:read]}` needs all of its scopes, `{scopes: []}` only a valid token.",
        "A thing whose rule is removed is refused as well. Templates are comments, since `deny` on a template would",
        "win over the rules of all resources that it stands for.",
        "",
        "Comments beginning with `says` are the server's own words, which nobody has checked.",
        "",
    ];
    let mut draft = Draft { header: header.map(ToOwned::to_owned).into(), ..Draft::default() };
    for (kind, is_template, entries) in listed {
        for entry in *entries {
            let mut notes = Vec::new();
            notes.extend(entry.annotations().and_then(hints));
            notes.extend(entry.description().and_then(first_line).map(|line| format!("says: {line}")));
            draft.rules.push(DraftRule {
                kind: *kind,
                name: entry.name().to_owned(),
                is_pattern: false,
                notes,
                asks: if *is_template { Asks::Undecided } else { Asks::Nobody },
                when: None,
            });
        }
    }
    if let Some(first) = draft.rules.iter().find(|rule| rule.asks == Asks::Nobody) {
        draft.tests.push(DraftTest {
            name: "nobody may have this yet".to_owned(),
            subject: "alice".to_owned(),
            scopes: vec!["some:scope".to_owned()],
            call: (first.kind, first.name.clone()),
            is_allowed: false,
        });
    }
    draft
}

fn hints(annotations: &str) -> Option<String> {
    let annotations: Value = serde_json::from_str(annotations).ok()?;
    let said = HINTS.iter().filter_map(|hint| Some(format!("{hint}: {}", annotations.get(*hint)?.as_bool()?)));
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| format!("says {}", said.join(", ")))
}

fn first_line(description: &str) -> Option<&str> {
    description.lines().map(str::trim).find(|line| !line.is_empty())
}
