//! Tokens that are taken back before they expire.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::bearer::{Bearer, TokenDigest};
use crate::caller::Caller;
use crate::policy::document::{self, Entry, Node, Sort, Value};
use crate::policy::fields::{Fields, text_of};
use crate::policy::flaw::{Findings, Flaws, Quoted};

const SORT: Sort = Sort { name: "revocation list", blank: "a list that revokes nothing is written `{}`" };

const SUBJECT: &str = "sub";
const TOKEN_ID: &str = "jti";
const CLIENT_ID: &str = "client_id";
const SESSION_ID: &str = "sid";
const TOKEN: &str = "token_sha256";
const KEYS: [&str; 5] = [SUBJECT, TOKEN_ID, CLIENT_ID, SESSION_ID, TOKEN];

/// What is revoked. The default revokes nothing.
///
/// ```yaml
/// sub: [mallory, {issuer: https://idp.example.com, sub: bob}]
/// jti: [2f1e…]
/// client_id: [a-lost-agent]
/// sid: [08a5…]
/// token_sha256: [ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0]   # or 64 hexadecimal digits
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revocations {
    subjects: Names<Box<str>>,
    token_ids: Names<Box<str>>,
    client_ids: Names<Box<str>>,
    session_ids: Names<Box<str>>,
    tokens: Names<TokenDigest>,
}

/// Names that are revoked whoever issued them, and names that are revoked for one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names<T: Hash + Eq> {
    anywhere: HashSet<T>,
    of_issuer: HashMap<Box<str>, HashSet<T>>,
}

impl<T: Hash + Eq> Default for Names<T> {
    fn default() -> Self {
        Self { anywhere: HashSet::new(), of_issuer: HashMap::new() }
    }
}

impl<T: Hash + Eq> Names<T> {
    fn contains<Q: Hash + Eq + ?Sized>(&self, issuer: &str, name: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.anywhere.contains(name) || self.of_issuer.get(issuer).is_some_and(|names| names.contains(name))
    }

    fn insert(&mut self, issuer: Option<&str>, name: T) {
        match issuer {
            None => self.anywhere.insert(name),
            Some(issuer) => self.of_issuer.entry(issuer.into()).or_default().insert(name),
        };
    }

    fn len(&self) -> usize {
        self.of_issuer.values().map(HashSet::len).fold(self.anywhere.len(), usize::saturating_add)
    }
}

impl Revocations {
    /// Reads the list `text`, in YAML or JSON, which messages call `file`.
    ///
    /// # Errors
    /// Every flaw of it, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Flaws> {
        let mut findings = Findings::new(file);
        let mut list = Self::default();
        if let Some(root) = document::read(text, SORT, &mut findings) {
            list.read(&root, &mut findings);
        }
        findings.or_flaws(list)
    }

    /// Whether this caller's token, its subject, its client or its session is revoked.
    #[must_use]
    pub fn revokes(&self, caller: &Caller, token: &Bearer<'_>) -> bool {
        let issuer = &*caller.issuer;
        let has =
            |names: &Names<Box<str>>, name: Option<&str>| name.is_some_and(|name| names.contains(issuer, name));
        has(&self.subjects, Some(&caller.subject))
            || has(&self.token_ids, caller.token_id.as_deref())
            || has(&self.client_ids, caller.client_id.as_deref())
            || has(&self.session_ids, caller.session_id.as_deref())
            || (self.tokens.len() > 0 && self.revokes_text(issuer, token))
    }

    /// Whether the text of this token is revoked, or the other one that it may have.
    fn revokes_text(&self, issuer: &str, token: &Bearer<'_>) -> bool {
        let digests = [Some(token.digest()), token.twin_digest()];
        digests.into_iter().flatten().any(|digest| self.tokens.contains(issuer, &digest))
    }

    /// How many entries the list has, each counted once.
    #[must_use]
    pub fn len(&self) -> usize {
        let names = [&self.subjects, &self.token_ids, &self.client_ids, &self.session_ids];
        names.into_iter().map(Names::len).fold(self.tokens.len(), usize::saturating_add)
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&mut self, root: &Node, findings: &mut Findings) {
        let Value::Map(entries) = &root.value else {
            if !matches!(root.value, Value::Broken) {
                let message = format!("a {} must be a mapping, not {}", SORT.name, root.shape());
                findings.add_with_hint(root.place, message, SORT.blank);
            }
            return;
        };
        let fields = Fields::of_entries(entries, SORT.name, &KEYS, findings);
        let names = [
            (SUBJECT, &mut self.subjects),
            (TOKEN_ID, &mut self.token_ids),
            (CLIENT_ID, &mut self.client_ids),
            (SESSION_ID, &mut self.session_ids),
        ];
        for (key, names) in names {
            for_each(fields.value(key), findings, |issuer, text, _, _| names.insert(issuer, text.into()));
        }
        for_each(fields.value(TOKEN), findings, |issuer, text, node, findings| match digest(text) {
            Some(digest) => self.tokens.insert(issuer, digest),
            None => {
                let message = format!("{} is no SHA-256 of a token", Quoted(text));
                findings.add_with_hint(
                    node.place,
                    message,
                    "write 64 hexadecimal digits, or 43 characters of base64url",
                );
            }
        });
    }
}

/// Calls `take` with issuer, text and place of each element of the list `entry`.
fn for_each<'n>(
    entry: Option<&'n Entry>,
    findings: &mut Findings,
    mut take: impl FnMut(Option<&'n str>, &'n str, &'n Node, &mut Findings),
) {
    let Some(entry) = entry else { return };
    let Value::List(items) = &entry.node.value else {
        if !matches!(entry.node.value, Value::Broken) {
            let message = format!("`{}` must be a list, not {}", entry.key, entry.node.shape());
            findings.add_with_hint(entry.value_place(), message, format!("write `{}: [one, another]`", entry.key));
        }
        return;
    };
    for item in items {
        if let Some((issuer, node)) = scoped(item, &entry.key, findings)
            && let Some(text) = name(node, &entry.key, findings)
        {
            take(issuer, text, node, findings);
        }
    }
}

/// Issuer and name of an element: a name alone is revoked whoever issued it.
fn scoped<'n>(item: &'n Node, key: &str, findings: &mut Findings) -> Option<(Option<&'n str>, &'n Node)> {
    let Value::Map(entries) = &item.value else { return Some((None, item)) };
    let fields = Fields::of_entries(entries, "revocation", &["issuer", key], findings);
    let (Some(issuer), Some(of)) = (fields.value("issuer"), fields.value(key)) else {
        let hint = format!("write `{{issuer: https://idp.example.com, {key}: …}}`, or the text alone");
        findings.add_with_hint(item.place, format!("a revocation must have `issuer` and `{key}`"), hint);
        return None;
    };
    Some((Some(name(&issuer.node, "issuer", findings)?), &of.node))
}

fn name<'n>(node: &'n Node, key: &str, findings: &mut Findings) -> Option<&'n str> {
    let text = text_of(node, &format!("`{key}`"), findings)?;
    if text.is_empty() || text != text.trim() {
        findings.add(node.place, format!("{} is no `{key}`: it is empty, or has space around it", Quoted(text)));
        return None;
    }
    Some(text)
}

/// A SHA-256 in hexadecimal digits of either case, or in base64url with or without its padding.
fn digest(text: &str) -> Option<TokenDigest> {
    let octets = if text.len() == 64 {
        let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
        digits.map(|pair| hex_byte(pair?)).collect::<Option<Vec<u8>>>()?
    } else {
        URL_SAFE_NO_PAD.decode(text.strip_suffix('=').unwrap_or(text)).ok()?
    };
    octets.try_into().ok().map(TokenDigest)
}

fn hex_byte(pair: &str) -> Option<u8> {
    // `from_str_radix` alone would take a sign.
    if pair.bytes().all(|digit| digit.is_ascii_hexdigit()) { u8::from_str_radix(pair, 16).ok() } else { None }
}

#[cfg(test)]
mod tests;
