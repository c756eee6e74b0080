//! What the server last listed: the names of everything, and what each element says of itself.
//!
//! It is learned from answers on their way out, so it knows what callers asked for and nothing more, and the server
//! may have changed since. Nothing here is ever a reason to allow.
//!
//! A [`Catalogue`] is a value: [`Catalogue::with`] makes the next one from a page of a list. Pages are followed from
//! the first, each by the cursor that the page before it gave. What is no longer listed goes away when a listing was
//! seen from its first page to its last.

mod entry;
mod shelf;

use std::sync::Arc;

use crate::message::lists::{ListKind, Listing};
pub use entry::Entry;
use shelf::Shelf;

/// The most elements of one kind that are known.
pub const MOST_ENTRIES: usize = 10_000;

/// The most bytes of lists of one kind that are held.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What the server last listed, by kind. Tasks are not in it: they are their callers'.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    tools: Arc<Shelf>,
    prompts: Arc<Shelf>,
    resources: Arc<Shelf>,
    templates: Arc<Shelf>,
}

impl Catalogue {
    /// The catalogue after the answer to a request with this `cursor` (`params.cursor`, decoded); `None` where the
    /// answer tells nothing new. An answer of the same bytes as the last time is not parsed again.
    #[must_use]
    pub fn with(&self, cursor: Option<&str>, listing: &Listing<'_>) -> Option<Self> {
        let shelf = self.shelf(listing.kind)?.with(cursor, listing)?;
        let mut next = self.clone();
        *next.shelf_mut(listing.kind)? = Arc::new(shelf);
        Some(next)
    }

    /// What is listed of this kind, in no order. Of what is listed twice with different words nothing is told.
    pub fn entries(&self, kind: ListKind) -> impl Iterator<Item = &Entry> {
        self.shelf(kind).into_iter().flat_map(|shelf| shelf.entries())
    }

    /// The tool with this name, if it is listed, and not twice with different words.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Entry> {
        self.tools.entry(name)
    }

    /// The names of the tools that name the resource `uri` as their interface (MCP Apps), in any way that a host
    /// understands.
    pub fn tools_of_interface(&self, uri: &str) -> impl Iterator<Item = &str> {
        self.tools.tools_of_interface(uri)
    }

    /// The names of all tools that have an interface.
    pub fn tools_with_interface(&self) -> impl Iterator<Item = &str> {
        self.tools.tools_with_interface()
    }

    /// Whether a listing of this kind was seen from its first page to its last, and is still whole.
    #[must_use]
    pub fn is_complete(&self, kind: ListKind) -> bool {
        self.shelf(kind).is_some_and(|shelf| shelf.is_complete())
    }

    /// Every name of this kind that was ever listed, in no order; `None` while no listing was seen as a whole, or
    /// where there are too many names to remember.
    pub fn ever_listed(&self, kind: ListKind) -> Option<impl Iterator<Item = &str>> {
        self.shelf(kind)?.ever_listed()
    }

    const fn shelf(&self, kind: ListKind) -> Option<&Arc<Shelf>> {
        match kind {
            ListKind::Tools => Some(&self.tools),
            ListKind::Prompts => Some(&self.prompts),
            ListKind::Resources => Some(&self.resources),
            ListKind::ResourceTemplates => Some(&self.templates),
            ListKind::Tasks => None,
        }
    }

    const fn shelf_mut(&mut self, kind: ListKind) -> Option<&mut Arc<Shelf>> {
        match kind {
            ListKind::Tools => Some(&mut self.tools),
            ListKind::Prompts => Some(&mut self.prompts),
            ListKind::Resources => Some(&mut self.resources),
            ListKind::ResourceTemplates => Some(&mut self.templates),
            ListKind::Tasks => None,
        }
    }
}

#[cfg(test)]
mod tests;
