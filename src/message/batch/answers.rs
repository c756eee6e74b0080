//! What answers a batch: messages one by one, or several in an array.

use std::collections::BTreeSet;

use crate::json::{JsonFlaw, Kind, Reader};
use crate::message::id::SameId;
use crate::message::lists::{Filter, Opaque, Passed, Tally};

/// Which arrays of messages an answer may hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Arrays {
    /// None: there are no batches.
    #[default]
    None,
    /// Any: a server may write several messages as one wherever there are batches at all.
    Any,
    /// The answers to a batch: they have the ids of its requests.
    Of(BTreeSet<SameId<'static>>),
}

impl Arrays {
    /// What `filter` makes of one document of an answer, each message in it judged by itself.
    ///
    /// # Errors
    /// [`Opaque`] if it is no message and no array of them, or answers what was not asked.
    pub fn filter(&self, filter: &Filter<'_>, document: &[u8], tallies: &mut Vec<Tally>) -> Result<Passed, Opaque> {
        if *self == Self::None {
            return filter.message(document, tallies);
        }
        if !document.trim_ascii_start().starts_with(b"[") {
            self.refuse_foreign(document)?;
            return filter.message(document, tallies);
        }
        let mut out = Splice { document, out: Vec::new(), end: 0, shown: 0, is_cut: false };
        let mut reader = Reader::new(document, DEPTH)?;
        reader.array(|element| {
            let start = element.position();
            let text = element.raw()?.as_bytes();
            self.refuse_foreign(text)?;
            out.element(start, element.position(), filter.message(text, tallies)?)
        })?;
        let end = reader.position();
        reader.end()?;
        out.finish(end)
    }

    /// An answer to something else than was asked is no answer: on its way to the wrong request it might not be
    /// recognised by who gets it.
    fn refuse_foreign(&self, message: &[u8]) -> Result<(), Opaque> {
        let Self::Of(ids) = self else { return Ok(()) };
        let (mut is_result, mut is_error, mut id) = (false, false, None);
        let mut reader = Reader::new(message, DEPTH)?;
        if reader.kind()? != Kind::Object {
            return Err(Opaque);
        }
        reader.object(|key, value| {
            let text = value.raw()?;
            match key {
                "result" => is_result = true,
                "error" => is_error = true,
                "id" => id = Some(text),
                _ => {}
            }
            Ok::<_, JsonFlaw>(())
        })?;
        let is_known = id.and_then(SameId::of).is_some_and(|id| ids.contains(&id));
        // JSON-RPC 2.0 §5: an error may be about something that had no id that could be read.
        let is_nobodys = is_error && matches!(id, None | Some("null"));
        if is_result && !is_known || is_error && !is_known && !is_nobodys { Err(Opaque) } else { Ok(()) }
    }
}

/// Answers are nested as deep as the upstream likes; this bounds our own stack.
const DEPTH: u16 = 512;

/// The array anew, with what is between its elements.
struct Splice<'d> {
    document: &'d [u8],
    out: Vec<u8>,
    /// Where the last element ended, whatever became of it.
    end: usize,
    shown: usize,
    is_cut: bool,
}

impl<'d> Splice<'d> {
    fn element(&mut self, start: usize, end: usize, passed: Passed) -> Result<(), Opaque> {
        let before = if self.shown == 0 { self.first_gap(start) } else { self.document.get(self.end..start) };
        let before = before.ok_or(Opaque)?;
        match passed {
            Passed::Nothing => self.is_cut = true,
            Passed::AsIs => {
                self.shown = self.shown.saturating_add(1);
                self.out.extend_from_slice(before);
                self.out.extend_from_slice(self.document.get(start..end).ok_or(Opaque)?);
            }
            Passed::Cut(bytes) => {
                self.is_cut = true;
                self.shown = self.shown.saturating_add(1);
                self.out.extend_from_slice(before);
                self.out.extend_from_slice(&bytes);
            }
        }
        self.end = end;
        Ok(())
    }

    /// Before the first that is shown stands the bracket, and no comma.
    fn first_gap(&self, start: usize) -> Option<&'d [u8]> {
        if self.end == 0 { self.document.get(..start) } else { Some(b"[") }
    }

    fn finish(mut self, end: usize) -> Result<Passed, Opaque> {
        match (self.end, self.shown, self.is_cut) {
            // JSON-RPC 2.0 §6: not even a server answers with an empty array.
            (0, _, _) => Err(Opaque),
            (_, 0, _) => Ok(Passed::Nothing),
            (_, _, false) => Ok(Passed::AsIs),
            (_, _, true) => {
                self.out.extend_from_slice(self.document.get(self.end..end).ok_or(Opaque)?);
                Ok(Passed::Cut(self.out))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::lists::{Freshness, ListKind, NoTasks};

    fn pass(arrays: &Arrays, document: &str) -> Result<String, Opaque> {
        let sees = |_: ListKind, name: &str| name.contains("pub");
        let freshness = Freshness { ttl_cap_ms: 60_000, is_required: false };
        let filter = Filter { sees: &sees, freshness, heard: None, pins: None, tasks: &NoTasks(true) };
        Ok(match arrays.filter(&filter, document.as_bytes(), &mut Vec::new())? {
            Passed::AsIs => "as is".to_owned(),
            Passed::Cut(bytes) => String::from_utf8(bytes).unwrap(),
            Passed::Nothing => "nothing".to_owned(),
        })
    }

    fn of(ids: &[&'static str]) -> Arrays {
        Arrays::Of(ids.iter().filter_map(|id| SameId::of(id)).collect())
    }

    const LIST: &str = r#"{"id":1,"result":{"tools":[{"name":"sec"},{"name":"pub"}]}}"#;
    const CUT: &str = r#"{"id":1,"result":{"tools":[{"name":"pub"}]}}"#;
    const NEWS: &str = r#"{"method":"notifications/resources/updated","params":{"uri":"x:sec"}}"#;
    const FINE: &str = r#"{"id":2,"result":{}}"#;

    #[test]
    fn each_message_of_an_array_is_judged_by_itself() {
        for arrays in [Arrays::Any, of(&["1", "2"])] {
            for (before, after) in [
                (format!("[ {LIST} , {FINE} ]"), format!("[ {CUT} , {FINE} ]")),
                (format!("[{FINE},{NEWS},{LIST}]\n"), format!("[{FINE},{CUT}]")),
                (format!("[ {NEWS},{FINE}]"), format!("[{FINE}]")),
                (format!("[{NEWS}]"), "nothing".to_owned()),
                (format!("[{FINE} , {FINE}]"), "as is".to_owned()),
                (LIST.to_owned(), CUT.to_owned()),
            ] {
                assert_eq!(pass(&arrays, &before), Ok(after), "{before}");
            }
        }
    }

    #[test]
    fn what_is_no_array_of_messages_is_not_passed_on() {
        let nested = format!("[[{LIST}]]");
        let double = format!("[{FINE}][{LIST}]");
        let half = format!("[{FINE}");
        for document in ["[]", "[1]", "[null]", &nested, &double, &half, "", "[", "\u{feff}[]"] {
            for arrays in [Arrays::Any, of(&["1", "2"])] {
                assert_eq!(pass(&arrays, document), Err(Opaque), "{document}");
            }
        }
        assert_eq!(pass(&Arrays::None, &format!("[{FINE}]")), Err(Opaque));
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        let two = of(&["2", "\"a\""]);
        assert_eq!(pass(&two, &format!("[{FINE}]")), Ok("as is".into()));
        assert_eq!(pass(&two, r#"[{"id":"\u0061","error":{}},{"method":"ping","id":9}]"#), Ok("as is".into()));
        assert_eq!(pass(&two, r#"{"id":null,"error":{}}"#), Ok("as is".into()));
        for foreign in [LIST, r#"{"result":{}}"#, r#"{"id":null,"result":{}}"#, r#"{"id":3,"error":{}}"#] {
            assert_eq!(pass(&two, foreign), Err(Opaque), "{foreign}");
            assert_eq!(pass(&two, &format!("[{FINE},{foreign}]")), Err(Opaque), "{foreign}");
        }
    }
}
