//! Scopes: their names as small numbers, the hierarchy, and what a caller is granted.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::document::{Entry, Node, Value};
use super::fields::{Fields, text_of};
use super::flaw::{Findings, Place, Quoted};
use super::shape::SCOPE;
use crate::caller::Scopes;

/// The number of a scope within one policy.
pub(super) type ScopeId = usize;

/// Up to this many scopes of a list are looked through one by one.
const FEW: usize = 16;

/// The most scopes in one list: what is needed must fit into one challenge.
pub(super) const LONGEST_LIST: usize = 256;

/// The scopes a policy names, and which of them imply which.
#[derive(Debug, Default)]
pub(super) struct ScopeTable {
    names: Vec<Box<str>>,
    ids: HashMap<Box<str>, ScopeId>,
    /// What each scope implies directly; a scope beyond the end implies nothing. INVARIANT: without cycles.
    implied: Vec<Vec<ScopeId>>,
    /// Tells the grants of this policy from those of others.
    policy: Arc<()>,
}

/// What a caller may be asked for under one policy: scopes granted or implied. Means nothing to any other policy.
#[derive(Clone)]
pub struct Grants {
    bits: Box<[u64]>,
    policy: Arc<()>,
}

impl Grants {
    fn holds(&self, id: ScopeId) -> bool {
        self.bits.get(id >> 6).is_some_and(|word| word & bit(id) != 0)
    }

    /// The work of making them, in steps: one for each word, and one for each scope.
    pub(super) fn weight(&self) -> u64 {
        self.bits.iter().map(|word| u64::from(word.count_ones()).saturating_add(1)).sum()
    }

    fn add(&mut self, id: ScopeId) {
        if let Some(word) = self.bits.get_mut(id >> 6) {
            *word |= bit(id);
        }
    }
}

impl PartialEq for Grants {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.policy, &other.policy) && self.bits == other.bits
    }
}

impl Eq for Grants {}

impl Hash for Grants {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits.hash(state);
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Grants").field(&self.bits).finish()
    }
}

fn bit(id: ScopeId) -> u64 {
    u32::try_from(id & 63).map_or(0, |shift| 1_u64.wrapping_shl(shift))
}

impl ScopeTable {
    /// The number of a scope; a new one for a new name.
    pub(super) fn number(&mut self, name: &str) -> ScopeId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.names.len();
        self.names.push(name.into());
        self.ids.insert(name.into(), id);
        id
    }

    pub(super) fn name(&self, id: ScopeId) -> &str {
        self.names.get(id).map_or("", AsRef::as_ref)
    }

    /// The number of a scope that the policy names.
    pub(super) fn id(&self, name: &str) -> Option<ScopeId> {
        self.ids.get(name).copied()
    }

    /// The names of all scopes, by number.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// What a token with these scopes is granted: they, and all they imply. Scopes the policy does not name are
    /// dropped.
    pub(super) fn grants(&self, scopes: &Scopes) -> Grants {
        let words = self.names.len().div_ceil(64);
        let mut grants = Grants { bits: vec![0; words].into(), policy: Arc::clone(&self.policy) };
        let mut open: Vec<ScopeId> = scopes.iter().filter_map(|name| self.ids.get(name)).copied().collect();
        while let Some(id) = open.pop() {
            if !grants.holds(id) {
                grants.add(id);
                open.extend(self.implied.get(id).into_iter().flatten());
            }
        }
        grants
    }

    /// The names of these scopes, and of all that imply one of them.
    pub(super) fn suppliers_of(&self, scopes: Vec<ScopeId>) -> HashSet<&str> {
        let mut implied_by: Vec<Vec<ScopeId>> = vec![Vec::new(); self.names.len()];
        for (from, implied) in self.implied.iter().enumerate() {
            for to in implied {
                if let Some(by) = implied_by.get_mut(*to) {
                    by.push(from);
                }
            }
        }
        let mut found = HashSet::new();
        let mut open = scopes;
        while let Some(id) = open.pop() {
            if found.insert(self.name(id)) {
                open.extend(implied_by.get(id).into_iter().flatten());
            }
        }
        found
    }

    /// Whether these grants were made by this very policy.
    pub(super) fn has_made(&self, grants: &Grants) -> bool {
        Arc::ptr_eq(&self.policy, &grants.policy)
    }

    /// Whether `grants`, made by this very policy, hold the scope.
    pub(super) fn is_granted(&self, grants: &Grants, id: ScopeId) -> bool {
        self.has_made(grants) && grants.holds(id)
    }

    /// Reads the section `scopes`: `name: {implies: [name, …]}`.
    pub(super) fn read_hierarchy(&mut self, section: &[Entry], findings: &mut Findings) {
        let mut edges: Vec<Edge> = Vec::new();
        for entry in section {
            let scope = check_token(&entry.key, entry.place, findings).then(|| self.number(&entry.key));
            let Some(fields) = Fields::of_shape(entry, &SCOPE, findings) else { continue };
            let Some(implies) = fields.value("implies") else { continue };
            for (to, place) in self.read_list(implies, "implies", findings) {
                edges.extend(scope.map(|from| Edge { from, to, place }));
            }
        }
        self.implied = vec![Vec::new(); self.names.len()];
        for edge in &edges {
            if let Some(implied) = self.implied.get_mut(edge.from) {
                implied.push(edge.to);
            }
        }
        self.refuse_cycles(&edges, findings);
    }

    /// Reads a list of scope names: no name twice.
    pub(super) fn read_list(&mut self, entry: &Entry, key: &str, findings: &mut Findings) -> Vec<(ScopeId, Place)> {
        match &entry.node.value {
            Value::List(items) => self.read_items(items, findings),
            Value::Broken => Vec::new(),
            Value::Scalar { text, .. } if !entry.node.is_absent() => {
                let list: Vec<&str> = text.split_ascii_whitespace().collect();
                let hint = format!("write `{key}: [{}]`", list.join(", "));
                findings.add_with_hint(entry.value_place(), format!("`{key}` must be a list"), hint);
                Vec::new()
            }
            Value::Scalar { .. } | Value::Map(_) => {
                let message = format!("`{key}` must be a list of scopes, not {}", entry.node.shape());
                findings.add_with_hint(entry.value_place(), message, format!("write `{key}: [a:scope]`"));
                Vec::new()
            }
        }
    }

    /// Reads the items of such a list.
    pub(super) fn read_items(&mut self, items: &[Node], findings: &mut Findings) -> Vec<(ScopeId, Place)> {
        if let Some(excess) = items.get(LONGEST_LIST) {
            findings.add(excess.place, format!("more than {LONGEST_LIST} scopes in one list"));
            return Vec::new();
        }
        let mut list: Vec<(ScopeId, Place)> = Vec::with_capacity(items.len());
        // Most lists are so short that looking through them is the cheapest.
        let mut seen = (items.len() > FEW).then(|| HashSet::with_capacity(items.len()));
        for item in items {
            let Some(name) = text_of(item, "a scope", findings) else { continue };
            if !check_token(name, item.place, findings) {
                continue;
            }
            let id = self.number(name);
            let is_new = match &mut seen {
                Some(seen) => seen.insert(id),
                None => list.iter().all(|(other, _)| *other != id),
            };
            if is_new {
                list.push((id, item.place));
            } else {
                findings.add(item.place, format!("the scope {} is listed twice", Quoted(name)));
            }
        }
        list
    }

    /// A flaw for each edge that closes a cycle, up to a number that nobody wants to read.
    fn refuse_cycles(&self, edges: &[Edge], findings: &mut Findings) {
        const MOST_TOLD: usize = 20;
        let told_out = findings.count().saturating_add(MOST_TOLD);
        let places: HashMap<(ScopeId, ScopeId), Place> = edges.iter().map(|e| ((e.from, e.to), e.place)).collect();
        let mut finished = vec![false; self.names.len()];
        let mut on_path = vec![false; self.names.len()];
        for start in 0..self.names.len() {
            let mut path: Vec<(ScopeId, usize)> = vec![(start, 0)];
            while let Some((scope, turn)) = path.last_mut().filter(|_| findings.count() < told_out) {
                let from = *scope;
                let next = match finished.get(from) {
                    Some(false) => self.implied.get(from).and_then(|implied| implied.get(*turn)).copied(),
                    _ => None,
                };
                *turn = turn.saturating_add(1);
                set(&mut on_path, from, next.is_some());
                match next {
                    Some(to) if on_path.get(to) == Some(&true) => {
                        let names = path.iter().map(|(id, _)| *id).skip_while(|id| *id != to).chain([to]);
                        let names: Vec<&str> = names.map(|id| self.name(id)).collect();
                        let place = places.get(&(from, to)).copied().unwrap_or(Place::START);
                        let cycle = names.join(" → ");
                        findings.add(place, format!("scopes imply each other in a circle: {}", Quoted(&cycle)));
                    }
                    Some(to) => path.push((to, 0)),
                    None => {
                        set(&mut finished, from, true);
                        path.pop();
                    }
                }
            }
        }
    }
}

/// `from` implies `to`, as written at `place`.
struct Edge {
    from: ScopeId,
    to: ScopeId,
    place: Place,
}

fn set(marks: &mut [bool], id: ScopeId, mark: bool) {
    if let Some(slot) = marks.get_mut(id) {
        *slot = mark;
    }
}

/// Whether `name` is a scope token (RFC 6749 §3.3: `%x21 / %x23-5B / %x5D-7E`, at least one); if not, a flaw.
fn check_token(name: &str, place: Place, findings: &mut Findings) -> bool {
    let wrong = |byte: u8| !matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    if name.is_empty() {
        findings.add(place, "a scope cannot be empty");
    } else if name.len() > super::LONGEST_NAME {
        findings.add(place, format!("the scope {} is longer than {} bytes", Quoted(name), super::LONGEST_NAME));
    } else if name.split_ascii_whitespace().nth(1).is_some() {
        let message = format!("{} is more than one scope", Quoted(name));
        findings.add_with_hint(place, message, "write each scope as an item of its own");
    } else if name.bytes().any(wrong) {
        let message = format!("{} is not a scope", Quoted(name));
        let hint = "a scope is ASCII without spaces, quotes and backslashes (RFC 6749, section 3.3)";
        findings.add_with_hint(place, message, hint);
    } else {
        return true;
    }
    false
}
