//! Asks a server what it has: a client of MCP that lists everything, and trusts nothing.
//!
//! It speaks the protocol of sessions (2025-11-25 and before) and, where the server does not, that of 2026-07-28.
//! Time, bytes and pages are bounded, and no answer sends it elsewhere.

mod line;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Builder;

use crate::catalogue::{Entry, MOST_ENTRIES};
use crate::json::quoted;
use crate::message::lists::{Filter, Freshness, ListKind, Listing, NoTasks};
use crate::settings::Upstream;
use line::{Line, Said, Trouble};

/// The most pages of one list.
const MOST_PAGES: usize = 1_000;
/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(120);

/// What a server lists.
#[derive(Debug, Default)]
pub struct Survey {
    /// Tools.
    pub tools: Vec<Arc<Entry>>,
    /// Prompts.
    pub prompts: Vec<Arc<Entry>>,
    /// Resources.
    pub resources: Vec<Arc<Entry>>,
    /// Resource templates.
    pub templates: Vec<Arc<Entry>>,
}

/// What a server lists of these kinds to whom has this token.
///
/// # Errors
/// What people should read about it.
pub fn survey(upstream: &Upstream, token: Option<&str>, kinds: &[ListKind]) -> Result<Survey, String> {
    let about = |error: std::io::Error| format!("cannot start: {error}");
    let runtime = Builder::new_current_thread().enable_all().build().map_err(about)?;
    let work = async {
        let asked = Visit::begin(upstream, token).await?.all(kinds);
        tokio::time::timeout(LONGEST, asked).await.map_err(|_elapsed| {
            Trouble::Other(format!("the lists did not end within {} seconds", LONGEST.as_secs()))
        })?
    };
    let survey = runtime.block_on(work).map_err(|trouble| trouble.to_string());
    // A name that is being resolved must not hold up the end.
    runtime.shutdown_background();
    survey
}

/// A server that has been greeted.
struct Visit {
    line: Line,
    /// What the server said it can do: JSON of any kind. None where it was not asked.
    capabilities: Option<String>,
}

const HELLO: &str = "\"capabilities\":{},\"clientInfo\":{\"name\":\"toolgate\",\"version\":";

impl Visit {
    async fn begin(upstream: &Upstream, token: Option<&str>) -> Result<Self, Trouble> {
        let mut line = Line::new(upstream, token)?;
        let version = quoted(env!("CARGO_PKG_VERSION"));
        let hello = format!("{{\"protocolVersion\":\"2025-11-25\",{HELLO}{version}}}}}");
        match line.ask("initialize", &hello).await {
            Ok(Said::Result { result, .. }) => {
                let chosen = text_member(&result, "protocolVersion");
                line.in_session(chosen.as_deref().unwrap_or("2025-03-26"));
                line.tell("notifications/initialized").await?;
                Ok(Self { capabilities: raw_member(&result, "capabilities"), line })
            }
            // A server of 2026-07-28 alone knows no such method.
            Ok(Said::Error(_)) | Err(Trouble::Status(400 | 404 | 405 | 422)) => {
                line.without_session();
                Ok(Self { line, capabilities: None })
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn all(mut self, kinds: &[ListKind]) -> Result<Survey, Trouble> {
        let mut survey = Survey::default();
        for kind in kinds {
            let entries = self.list(*kind).await?;
            match kind {
                ListKind::Tools => survey.tools = entries,
                ListKind::Prompts => survey.prompts = entries,
                ListKind::Resources => survey.resources = entries,
                ListKind::ResourceTemplates => survey.templates = entries,
                ListKind::Tasks => {}
            }
        }
        self.line.end().await;
        Ok(survey)
    }

    async fn list(&mut self, kind: ListKind) -> Result<Vec<Arc<Entry>>, Trouble> {
        let (method, capability) = match kind {
            ListKind::Tools => ("tools/list", "tools"),
            ListKind::Prompts => ("prompts/list", "prompts"),
            ListKind::Resources => ("resources/list", "resources"),
            ListKind::ResourceTemplates => ("resources/templates/list", "resources"),
            ListKind::Tasks => return Ok(Vec::new()),
        };
        if self.capabilities.as_ref().is_some_and(|can| raw_member(can, capability).is_none()) {
            return Ok(Vec::new());
        }
        let (mut all, mut cursor, mut known) = (Vec::new(), None::<String>, HashSet::new());
        for page in 0..MOST_PAGES {
            let params = cursor.as_ref().map_or_else(|| "{}".into(), |at| format!("{{\"cursor\":{}}}", quoted(at)));
            let document = match self.line.ask(method, &params).await? {
                Said::Result { document, .. } => document,
                // Whoever has templates need not know that there are lists of them, and the other way round.
                Said::Error(-32601) if page == 0 => return Ok(all),
                Said::Error(code) => {
                    return Err(Trouble::Other(format!("`{method}` was answered with the error {code}")));
                }
            };
            let page = page_of(kind, &document).ok_or_else(|| {
                Trouble::Other(format!("the answer to `{method}` is no list that can be understood"))
            })?;
            all.extend(page.0);
            if all.len() > MOST_ENTRIES {
                return Err(Trouble::Other(format!("`{method}` has more than {MOST_ENTRIES} elements")));
            }
            let Some(next) = page.1 else { return Ok(all) };
            if !known.insert(next.clone()) {
                return Err(Trouble::Other(format!("the pages of `{method}` go round in a circle")));
            }
            cursor = Some(next);
        }
        Err(Trouble::Other(format!("`{method}` has more than {MOST_PAGES} pages")))
    }
}

/// The elements of a list in an answer, and the cursor of the next page. It is read as the gateway reads it.
fn page_of(kind: ListKind, document: &str) -> Option<(Vec<Arc<Entry>>, Option<String>)> {
    let found = Mutex::new(None);
    let heard = |listing: &Listing<'_>| {
        if listing.kind == kind
            && let Ok(mut found) = found.lock()
        {
            let page = Arc::from(listing.elements);
            *found = Entry::all_of(kind, &page, MOST_ENTRIES)
                .map(|entries| (entries, listing.next.as_ref().map(ToString::to_string)));
        }
    };
    let freshness = Freshness { ttl_cap_ms: u64::MAX, is_required: false };
    let filter = Filter { sees: &|_, _| true, freshness, heard: Some(&heard), pins: None, tasks: &NoTasks(true) };
    filter.message(document.as_bytes(), &mut Vec::new()).ok()?;
    found.into_inner().ok()?
}

fn raw_member(object: &str, name: &str) -> Option<String> {
    let members: std::collections::BTreeMap<String, &serde_json::value::RawValue> =
        serde_json::from_str(object).ok()?;
    members.get(name).map(|value| value.get().to_owned())
}

fn text_member(object: &str, name: &str) -> Option<String> {
    serde_json::from_str(&raw_member(object, name)?).ok()
}
