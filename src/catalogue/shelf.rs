//! The elements of one kind, page by page.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Entry, MOST_BYTES, MOST_ENTRIES};
use crate::message::lists::Listing;

/// One page of a list.
#[derive(Debug)]
struct Page {
    /// What it was asked for with; none for the first.
    cursor: Option<Box<str>>,
    /// What the one behind it is to be asked for with; none for the last.
    next: Option<Box<str>>,
    text: Arc<str>,
    entries: Vec<Arc<Entry>>,
}

/// What is known of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf {
    /// The listing under way or seen last. INVARIANT: the first page has no cursor, and each page behind it the one
    /// that the page before it gave.
    chain: Vec<Arc<Page>>,
    /// The last whole listing, while the one under way has not confirmed it.
    before: Vec<Arc<Page>>,
    /// By name; `None` where the listing has the name twice and different words for it.
    index: HashMap<Box<str>, Option<Arc<Entry>>>,
    /// The names of elements by the interfaces that they name.
    interfaces: HashMap<Box<str>, Vec<Box<str>>>,
    /// Every name that was ever listed.
    ever: Arc<HashSet<Box<str>>>,
    /// There was more than can be held.
    is_beyond: bool,
}

/// Names that are remembered though they are not listed any more.
const MOST_EVER: usize = 4 * MOST_ENTRIES;

impl Shelf {
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.index.values().flatten().map(AsRef::as_ref)
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.index.get(name)?.as_deref()
    }

    pub(super) fn tools_of_interface(&self, uri: &str) -> impl Iterator<Item = &str> {
        self.interfaces.get(uri).into_iter().flatten().map(AsRef::as_ref)
    }

    pub(super) fn tools_with_interface(&self) -> impl Iterator<Item = &str> {
        self.interfaces.values().flatten().map(AsRef::as_ref)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.chain.last().is_some_and(|page| page.next.is_none())
    }

    pub(super) fn ever_listed(&self) -> Option<impl Iterator<Item = &str>> {
        // A listing that is seen anew does not take away what the last whole one told.
        let is_known = !self.is_beyond && (self.is_complete() || !self.before.is_empty());
        is_known.then(|| self.ever.iter().map(AsRef::as_ref))
    }

    /// The shelf after this page, if it tells anything new.
    pub(super) fn with(&self, cursor: Option<&str>, listing: &Listing<'_>) -> Option<Self> {
        // A page that no page leads to could be of any listing, old or made up.
        let at = match self.chain.iter().position(|page| page.cursor.as_deref() == cursor) {
            Some(at) => at,
            None if cursor.is_none() || self.leads_to(cursor) => self.chain.len(),
            None => return None,
        };
        let next = listing.next.as_deref();
        let known = self.chain.get(at);
        if known.is_some_and(|page| *page.text == *listing.elements && page.next.as_deref() == next) {
            return None;
        }
        let entries = (listing.elements.len() <= MOST_BYTES).then(|| {
            let text = Arc::from(listing.elements);
            Entry::all_of(listing.kind, &text, MOST_ENTRIES).map(|entries| (text, entries))
        });
        let Some(Some((text, entries))) = entries else { return self.beyond() };
        let page = Page { cursor: cursor.map(Box::from), next: next.map(Box::from), text, entries };
        let mut shelf = self.clone();
        shelf.put(at, page);
        if shelf.is_too_large() { self.beyond() } else { Some(shelf) }
    }

    fn leads_to(&self, cursor: Option<&str>) -> bool {
        self.chain.last().is_some_and(|page| page.next.as_deref() == cursor)
    }

    fn put(&mut self, at: usize, page: Page) {
        let is_other_way = self.chain.get(at).is_some_and(|known| known.next != page.next);
        if is_other_way && self.is_complete() {
            self.before = self.chain.clone();
        }
        if is_other_way {
            self.chain.truncate(at);
        }
        if self.ever.len() <= MOST_EVER {
            let new = page.entries.iter().filter(|entry| !self.ever.contains(entry.name()));
            let new: Vec<Box<str>> = new.map(|entry| entry.name().into()).collect();
            if !new.is_empty() {
                Arc::make_mut(&mut self.ever).extend(new);
            }
        }
        self.is_beyond = self.ever.len() > MOST_EVER;
        let page = Arc::new(page);
        match self.chain.get_mut(at) {
            Some(known) => *known = page,
            None => self.chain.push(page),
        }
        if self.is_complete() {
            self.before.clear();
        }
        self.index = self.indexed();
        self.interfaces = self.by_interface();
    }

    /// Of what is listed twice with different words, all of them count.
    fn by_interface(&self) -> HashMap<Box<str>, Vec<Box<str>>> {
        let mut named: HashMap<Box<str>, Vec<Box<str>>> = HashMap::new();
        let entries = self.chain.iter().chain(&self.before).flat_map(|page| &page.entries);
        for (entry, uri) in entries.flat_map(|entry| entry.interfaces().map(move |uri| (entry, uri))) {
            named.entry(uri.into()).or_default().push(entry.name().into());
        }
        named
    }

    fn indexed(&self) -> HashMap<Box<str>, Option<Arc<Entry>>> {
        let mut index: HashMap<Box<str>, Option<Arc<Entry>>> = HashMap::new();
        for entry in self.chain.iter().flat_map(|page| &page.entries) {
            let known = index.entry(entry.name().into()).or_insert_with(|| Some(Arc::clone(entry)));
            if known.as_ref().is_some_and(|known| known.digest() != entry.digest()) {
                *known = None;
            }
        }
        for entry in self.before.iter().flat_map(|page| &page.entries) {
            index.entry(entry.name().into()).or_insert_with(|| Some(Arc::clone(entry)));
        }
        index
    }

    fn is_too_large(&self) -> bool {
        let pages = || self.chain.iter().chain(&self.before);
        let bytes: usize = pages().map(|page| page.text.len()).sum();
        let entries: usize = self.chain.iter().map(|page| page.entries.len()).sum();
        // A page costs something even when nothing is on it.
        bytes > MOST_BYTES || entries > MOST_ENTRIES || self.chain.len() > MOST_ENTRIES / 10
    }

    /// What is left when there is more than can be held: nothing, and nothing can be told from it.
    fn beyond(&self) -> Option<Self> {
        let is_news = !self.is_beyond || !self.chain.is_empty();
        is_news.then(|| Self { is_beyond: true, ever: Arc::clone(&self.ever), ..Self::default() })
    }
}
