//! What the server last listed, as the answers pass by.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::memo::Memo;
use crate::catalogue::Catalogue;
use crate::message::lists::{ListKind, Listing};
use crate::message::{List, Message, text_of};

/// The catalogue of the moment.
#[derive(Debug, Default)]
pub struct Listed {
    /// INVARIANT: what was in force once never comes into force again; [`Listed::is_current`] rests on it.
    current: ArcSwap<Catalogue>,
    memo: Memo,
}

/// How often a page is tried again to be noted when others note theirs at the same moment.
const TRIES: usize = 4;

impl Listed {
    /// What is known now.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.current.load_full()
    }

    /// Whether this is still what is known, and was all the time since it was asked for.
    #[must_use]
    pub fn is_current(&self, catalogue: &Arc<Catalogue>) -> bool {
        Arc::ptr_eq(&self.current.load(), catalogue)
    }

    /// What was made of answers.
    #[must_use]
    pub const fn memo(&self) -> &Memo {
        &self.memo
    }

    /// Notes what the server answered when it was asked for `page`. What is known already costs a comparison.
    pub fn hear(&self, page: &Page, listing: &Listing<'_>) {
        if page.kind != listing.kind {
            return;
        }
        for _ in 0..TRIES {
            let seen = self.current.load_full();
            let Some(next) = seen.with(page.cursor.as_deref(), listing) else { return };
            let was = self.current.compare_and_swap(&seen, Arc::new(next));
            if Arc::ptr_eq(&was, &seen) {
                return;
            }
        }
    }
}

/// Which page of which list a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Page {
    kind: ListKind,
    cursor: Option<String>,
}

impl Page {
    /// The page that `message` asks for with this `list`; `None` where its cursor is no text.
    #[must_use]
    pub fn asked(list: List, message: &Message<'_>) -> Option<Self> {
        let kind = match list {
            List::Tools => ListKind::Tools,
            List::Prompts => ListKind::Prompts,
            List::Resources => ListKind::Resources,
            List::ResourceTemplates => ListKind::ResourceTemplates,
            // Every caller has tasks of his own.
            List::Tasks => return None,
        };
        let cursor = match message.cursor {
            None | Some("null") => None,
            Some(written) => Some(text_of(written)?),
        };
        Some(Self { kind, cursor })
    }

    #[cfg(test)]
    pub(super) fn of(kind: ListKind, cursor: Option<&str>) -> Self {
        Self { kind, cursor: cursor.map(Into::into) }
    }

    /// The bytes of its cursor.
    #[must_use]
    pub fn cursor_length(&self) -> usize {
        self.cursor.as_ref().map_or(0, String::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::agreement::Mirror;
    use crate::message::{Ask, recognise};

    fn asked(params: &str) -> Option<Page> {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{params}}}"#);
        let message = recognise(&Mirror::default(), body.as_bytes(), 8).unwrap();
        let Ask::List(list) = message.ask else { panic!("no list") };
        Page::asked(list, &message)
    }

    #[test]
    fn a_page_is_known_by_its_cursor() {
        let page = |cursor: Option<&str>| Some(Page { kind: ListKind::Tools, cursor: cursor.map(Into::into) });
        assert_eq!(asked("{}"), page(None));
        assert_eq!(asked(r#"{"cursor":null}"#), page(None));
        assert_eq!(asked(r#"{"cursor":""}"#), page(Some("")));
        assert_eq!(asked(r#"{"cursor":"\u0061"}"#), page(Some("a")));
        for odd in ["1", "{}", "[]", "true", r#""\ud800""#] {
            assert_eq!(asked(&format!(r#"{{"cursor":{odd}}}"#)), None, "{odd}");
        }
    }

    #[test]
    fn only_the_list_that_was_asked_for_is_noted() {
        let listed = Listed::default();
        let page = asked("{}").unwrap();
        for kind in ListKind::ALL {
            listed.hear(&page, &Listing { kind, elements: r#"[{"name":"a","uri":"b"}]"#, next: None });
        }
        let catalogue = listed.catalogue();
        assert!(catalogue.tool("a").is_some() && catalogue.is_complete(ListKind::Tools));
        assert_eq!(catalogue.entries(ListKind::Resources).count(), 0);
        assert_eq!(catalogue.entries(ListKind::Prompts).count(), 0);
    }
}
