//! Lists that were cut the same way before.
//!
//! Most callers ask for the same few lists, and the server answers with the same bytes, but for the id of the request.
//! The answer is a document, or an event of a stream, of which the data alone is looked at here. What is made of it is a
//! function of these, and of nothing else that a caller could tell:
//!
//! * its bytes: compared, all of them but the id, where one plain id is as good as another; without one it is not kept;
//! * the policy and what the caller is granted under it, which together say whom [`Filter::sees`] shows what: compared;
//! * the page that was asked for, how long lists may be fresh, and whether there are batches: compared;
//! * the catalogue, which says whose interfaces are seen, and into which the answer is heard: it must be the very one
//!   in which hearing this answer changed nothing;
//! * what the caller is told of tasks: an answer that asks for it is not kept;
//! * what tools may say of themselves, what stands open, and which requests of a batch are answered: where there are
//!   such things, nothing is looked for and nothing kept ([`Key::of`]);
//! * what the stream said before: of that nothing counts but what was already listed, and behind it nothing is looked for.
//!
//! So callers with equal grants share what is kept, and nobody is told what would not be made for him, too.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::downstream::Passage;
use super::listed::{Listed, Page};
use crate::catalogue::Catalogue;
use crate::json::{JsonFlaw, Reader};
use crate::live::Snapshot;
use crate::message::batch::answers::Arrays;
use crate::message::lists::{Filter, Freshness, Opaque, Passed, Tally, TaskSeals};
use crate::policy::Grants;

/// The most answers that are kept.
const MOST: usize = 64;

/// The most bytes of them all.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The longest answer that is kept, in bytes.
const LONGEST: usize = 256 * 1024;

/// The longest cursor of a page that is kept, in bytes.
const LONGEST_CURSOR: usize = 1024;

/// What an answer that is kept takes besides its bytes, about.
const OVERHEAD: usize = 1024;

/// The most answers that are kept of those that differ in nothing but their bytes. Each of them is compared with what comes
/// next, and a server that says something else each time must not make that dear, nor push out what others ask for.
const MOST_ALIKE: usize = 4;

/// When there is no room, one in so many new answers takes the place of an old one. Else a few more lists than there is
/// room for would push each other out, and each would cost more than without a memory.
const SELDOM: usize = 8;

/// What is to be told in place of an answer: [`Passed`], in bytes that may be shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filtered {
    /// The answer as it was.
    AsIs,
    /// These bytes.
    Cut(Bytes),
    /// Nothing.
    Nothing,
}

impl From<Passed> for Filtered {
    fn from(passed: Passed) -> Self {
        match passed {
            Passed::AsIs => Self::AsIs,
            Passed::Cut(bytes) => Self::Cut(bytes.into()),
            Passed::Nothing => Self::Nothing,
        }
    }
}

/// What the answer depends on besides its bytes and the catalogue.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// The policy.
    pub snapshot: &'a Arc<Snapshot>,
    /// What the caller is granted under it.
    pub grants: &'a Arc<Grants>,
    /// What was asked for.
    pub page: &'a Page,
    /// How long it may be taken for fresh.
    pub freshness: Freshness,
    /// Whether there are batches.
    pub takes_arrays: bool,
}

impl<'a> Key<'a> {
    /// The key of an answer that `filter` is to cut for `passage`; none where it depends on more.
    #[must_use]
    pub fn of(passage: &'a Passage<'_>, filter: &Filter<'_>) -> Option<Self> {
        // Only a list that was asked for by itself has a page, and no list of tasks has.
        let page = passage.page.as_ref()?;
        let freshness = filter.freshness;
        let depends_on_more = !passage.is_list
            || passage.standing.is_some()
            || passage.pinned.is_some()
            || filter.pins.is_some()
            || matches!(passage.arrays, Arrays::Of(_))
            || !filter.tasks.expects_result();
        // Near the end of a token each millisecond makes another answer, of which none comes again.
        if depends_on_more || freshness.ttl_cap_ms != passage.config.limits.list_ttl_ms {
            return None;
        }
        let takes_arrays = passage.arrays == Arrays::Any;
        Some(Self { snapshot: &passage.snapshot, grants: &passage.grants, page, freshness, takes_arrays })
    }

    /// The same for equal keys.
    fn tag(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        Arc::as_ptr(self.snapshot).addr().hash(&mut hasher);
        self.grants.hash(&mut hasher);
        self.page.hash(&mut hasher);
        (self.freshness.ttl_cap_ms, self.freshness.is_required, self.takes_arrays).hash(&mut hasher);
        hasher.finish()
    }
}

/// What `long` makes of `body` with a filter, remembered where there is a key.
///
/// # Errors
/// [`Opaque`] where the answer cannot be understood. That is not remembered.
pub fn filtered(
    listed: &Listed,
    key: Option<&Key<'_>>,
    filter: &Filter<'_>,
    body: &[u8],
    tallies: &mut Vec<Tally>,
    long: impl FnOnce(&Filter<'_>, &mut Vec<Tally>) -> Result<Passed, Opaque>,
) -> Result<Filtered, Opaque> {
    let is_small = body.len() <= LONGEST && key.is_some_and(|key| key.page.cursor_length() <= LONGEST_CURSOR);
    // What was counted before is not of this answer.
    let Some(key) = key.filter(|_| is_small && tallies.is_empty()) else {
        return long(filter, tallies).map(Filtered::from);
    };
    let catalogue = listed.catalogue();
    let sought = Sought { tag: key.tag(), key: *key, catalogue: &catalogue, body };
    if let Some((told, counted)) = listed.memo().recall(&sought) {
        tallies.extend_from_slice(&counted.tallies);
        return Ok(told);
    }
    let tasks = Watched { tasks: filter.tasks, is_asked: Cell::new(false) };
    let told = Filtered::from(long(&Filter { tasks: &tasks, ..*filter }, tallies)?);
    // What lists nothing (a request of the server's in a stream, an error) is soon read again, and must take no list's place.
    let is_list = !tallies.is_empty();
    // In a catalogue that is still the same, hearing the answer changed nothing, and will change nothing. One that is not
    // never comes again, and neither would the answer be found.
    if is_list && !tasks.is_asked.get() && listed.is_current(&catalogue) {
        listed.memo().keep(&sought, &told, tallies);
    }
    Ok(told)
}

/// All that an answer is known again by.
struct Sought<'a> {
    tag: u64,
    key: Key<'a>,
    catalogue: &'a Arc<Catalogue>,
    body: &'a [u8],
}

/// Notes whether anything of a caller's tasks is asked for.
struct Watched<'a> {
    tasks: &'a dyn TaskSeals,
    is_asked: Cell<bool>,
}

impl Watched<'_> {
    fn asked(&self) -> &dyn TaskSeals {
        self.is_asked.set(true);
        self.tasks
    }
}

impl TaskSeals for Watched<'_> {
    fn made(&self, answer: &str, task: &str) -> Option<String> {
        self.asked().made(answer, task)
    }

    fn known(&self, task: &str) -> Option<String> {
        self.asked().known(task)
    }

    fn mention(&self, task: &str) -> Option<String> {
        self.asked().mention(task)
    }

    fn cursor(&self, cursor: &str) -> Option<String> {
        self.asked().cursor(cursor)
    }

    // Always the same for one request; where it is not `true` there is no key.
    fn expects_result(&self) -> bool {
        self.tasks.expects_result()
    }
}

/// A message, and where its id stands, which is a plain one.
struct Text {
    bytes: Bytes,
    id: Range<usize>,
}

impl Text {
    fn own_id(&self) -> &[u8] {
        self.bytes.get(self.id.clone()).unwrap_or_default()
    }

    /// The id in `other`, if it is the same message with this or another plain id.
    fn id_in<'b>(&self, other: &'b [u8]) -> Option<&'b [u8]> {
        let (before, behind) = (self.bytes.get(..self.id.start)?, self.bytes.get(self.id.end..)?);
        let id = other.strip_prefix(before)?.strip_suffix(behind)?;
        is_plain(id).then_some(id)
    }

    fn with_id(&self, id: &[u8]) -> Option<Bytes> {
        if id == self.own_id() {
            return Some(self.bytes.clone());
        }
        let (before, behind) = (self.bytes.get(..self.id.start)?, self.bytes.get(self.id.end..)?);
        Some([before, id, behind].concat().into())
    }
}

/// Whether this is a JSON value of a kind of which any may stand for any other: the reader passes it in the same way,
/// wherever it ends, and an id is nothing but carried along where no task is made.
fn is_plain(id: &[u8]) -> bool {
    match id {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        [b'"', text @ .., b'"'] => {
            text.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
        }
        _ => false,
    }
}

/// Where a message has its id, if it is a plain one.
fn place_of_id(message: &[u8]) -> Option<Range<usize>> {
    let mut place = None;
    let mut reader = Reader::new(message, DEPTH).ok()?;
    let read = reader.object(|key, value| {
        let at = value.skip()?;
        if key == "id" {
            place = Some(at);
        }
        Ok::<_, JsonFlaw>(())
    });
    read.and_then(|()| reader.end()).ok()?;
    place.filter(|place| message.get(place.clone()).is_some_and(is_plain))
}

/// As deep as answers are read.
const DEPTH: u16 = 512;

/// An answer and what was made of it.
struct Kept {
    tag: u64,
    /// INVARIANT: while these are held nothing else can be at their addresses. They hold no policy and no catalogue.
    snapshot: Weak<Snapshot>,
    catalogue: Weak<Catalogue>,
    grants: Arc<Grants>,
    page: Page,
    freshness: Freshness,
    takes_arrays: bool,
    answered: Text,
    /// None where it was passed on as it was.
    told: Option<Text>,
    tallies: Box<[Tally]>,
}

impl Kept {
    /// None where there is no plain id: with another one the answer would not be known again.
    fn new(sought: &Sought<'_>, told: &Filtered, tallies: &[Tally]) -> Option<Self> {
        let Sought { tag, key, catalogue, body } = *sought;
        // Not the answer's own memory: it may be a part of something larger.
        let text = |bytes: &[u8]| Some(Text { id: place_of_id(bytes)?, bytes: Bytes::copy_from_slice(bytes) });
        let answered = text(body)?;
        let told = match told {
            Filtered::AsIs => None,
            Filtered::Cut(bytes) => Some(text(bytes).filter(|told| told.own_id() == answered.own_id())?),
            Filtered::Nothing => return None,
        };
        Some(Self {
            tag,
            snapshot: Arc::downgrade(key.snapshot),
            catalogue: Arc::downgrade(catalogue),
            grants: Arc::clone(key.grants),
            page: key.page.clone(),
            freshness: key.freshness,
            takes_arrays: key.takes_arrays,
            answered,
            told,
            tallies: tallies.into(),
        })
    }

    /// Whether it differs from what is `sought` in its bytes at most.
    fn is_alike(&self, sought: &Sought<'_>) -> bool {
        let Sought { tag, key, catalogue, .. } = *sought;
        self.tag == tag
            && ptr::eq(self.snapshot.as_ptr(), Arc::as_ptr(key.snapshot))
            && ptr::eq(self.catalogue.as_ptr(), Arc::as_ptr(catalogue))
            && self.freshness == key.freshness
            && self.takes_arrays == key.takes_arrays
            && self.page == *key.page
            && self.grants == *key.grants
    }

    /// What was told in place of the answer that is `sought`, if it is this one.
    fn told(&self, sought: &Sought<'_>) -> Option<Filtered> {
        if !self.is_alike(sought) {
            return None;
        }
        let id = self.answered.id_in(sought.body)?;
        match &self.told {
            None => Some(Filtered::AsIs),
            Some(told) => told.with_id(id).map(Filtered::Cut),
        }
    }

    /// Whether the policy and the catalogue can still be in force for anybody.
    fn can_recur(&self) -> bool {
        self.snapshot.strong_count() > 0 && self.catalogue.strong_count() > 0
    }

    fn weight(&self) -> usize {
        let told = self.told.as_ref().map_or(0, |told| told.bytes.len());
        self.answered.bytes.len().saturating_add(told).saturating_add(OVERHEAD)
    }
}

/// By the tags of their keys, the oldest first.
type Table = Vec<(u64, Arc<Kept>)>;

/// The answers that are kept. Whoever looks for one waits for nobody, and neither does who keeps one.
#[derive(Default)]
pub struct Memo {
    table: ArcSwap<Table>,
    /// Answers for which there was no room.
    passed_over: AtomicUsize,
}

impl Memo {
    fn recall(&self, sought: &Sought<'_>) -> Option<(Filtered, Arc<Kept>)> {
        let table = self.table.load();
        let mut alike = table.iter().filter(|(tag, _)| *tag == sought.tag);
        alike.find_map(|(_, kept)| kept.told(sought).map(|told| (told, Arc::clone(kept))))
    }

    fn keep(&self, sought: &Sought<'_>, told: &Filtered, tallies: &[Tally]) {
        if !self.has_turn(sought) {
            return;
        }
        let Some(kept) = Kept::new(sought, told, tallies).map(Arc::new) else { return };
        self.table.rcu(|table| {
            let mut next: Table = table.iter().filter(|(_, kept)| kept.can_recur()).cloned().collect();
            // Others may have kept it at the same moment.
            if next.iter().any(|(_, kept)| kept.told(sought).is_some()) {
                return next;
            }
            let alike = next.iter().filter(|(_, kept)| kept.is_alike(sought)).count();
            if alike >= MOST_ALIKE
                && let Some(oldest) = next.iter().position(|(_, kept)| kept.is_alike(sought))
            {
                next.remove(oldest);
            }
            let mut weight = next.iter().map(|(_, kept)| kept.weight()).fold(kept.weight(), usize::saturating_add);
            let mut oldest = 0_usize;
            for (at, (_, old)) in next.iter().enumerate() {
                if weight <= MOST_BYTES && next.len().saturating_sub(at) < MOST {
                    break;
                }
                weight = weight.saturating_sub(old.weight());
                oldest = at.saturating_add(1);
            }
            next.drain(..oldest);
            next.push((kept.tag, Arc::clone(&kept)));
            next
        });
    }

    /// Whether a new answer is to be kept: there is room, or it is its turn to make some.
    fn has_turn(&self, sought: &Sought<'_>) -> bool {
        let table = self.table.load();
        let live = || table.iter().filter(|(_, kept)| kept.can_recur());
        let weight = live().map(|(_, kept)| kept.weight()).sum::<usize>();
        // What is told of it is hardly longer.
        let with_this = weight.saturating_add(sought.body.len().saturating_mul(2));
        let alike = live().filter(|(_, kept)| kept.is_alike(sought)).count();
        let has_room = live().count() < MOST && with_this <= MOST_BYTES && alike < MOST_ALIKE;
        has_room || self.passed_over.fetch_add(1, Ordering::Relaxed).is_multiple_of(SELDOM)
    }
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memo").field("kept", &self.table.load().len()).finish()
    }
}

#[cfg(test)]
mod tests;
