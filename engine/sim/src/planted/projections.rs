//! Projections that break a law each.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use syncline::format::Stamp;
use syncline::projection::{Keys, Reads};
use syncline::{Event, EventRef, Projection, Unreadable, ViewId};

use crate::rng::Rng;
use crate::workload::{Cell, Cells, SET, printable, read};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The last event to arrive wins.
    ArrivalWins,
    /// If two events have one time, the last to arrive wins.
    TiesByArrival,
    /// A delete leaves nothing behind, so that an older write that comes late brings the value back.
    ForgetsDeletes,
    /// The row says when it was folded.
    ReadsClock,
    /// The row is a hash map, whose order is another in every process.
    HashOrder,
    /// A row that is full keeps what came first.
    FirstComeStays,
    /// It panics at an event that it did not expect.
    Panics,
    /// It puts an event aside if what the event builds on has not arrived.
    AsideByArrival,
    /// None: it puts some events aside, always the same, as an old version does with events of a newer one.
    OldVersion,
    /// None: the version that can read them. But its view has the id of the old one's.
    NewVersion,
    /// It counts an event only if it is later than all that it has counted.
    SkipsLate,
    /// The last event to arrive wins, and nearly every event has a row of its own.
    NeverMeets,
}

/// A row of any of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    last: Option<Stamp>,
    value: Option<[u8; 4]>,
    noise: u64,
    seen: HashMap<u64, u64>,
}

/// The part of the noise that counts events, and how many there may be.
const COUNT: u64 = 0xff;
const FULL: u64 = 6;

/// What stands for a delete.
const DELETED: [u8; 4] = *b"gone";

/// The last value per key, wrong in one way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wrong(pub(crate) Flaw);

/// What these projections fold: values, some of which stand for a delete.
pub(crate) fn writes(flaw: Flaw) -> impl Fn(&mut Rng) -> Vec<Event> {
    let deletes_per_mille = if flaw == Flaw::NeverMeets { 0 } else { 300 };
    move |rng| {
        let mut payload = vec![b'a' + rng.below(4) as u8];
        payload.extend_from_slice(&if rng.chance(deletes_per_mille) { DELETED } else { printable(rng.bits()) });
        vec![Event::new(SET, payload)]
    }
}

impl Projection for Wrong {
    type State = Row;

    fn view(&self) -> ViewId {
        ViewId::new("wrong@1").expect("the name is well formed")
    }

    fn reads(&self) -> Reads {
        Reads::types([SET])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        if let Some((key, _)) = read(event.payload) {
            keys.push(if self.0 == Flaw::NeverMeets { event.payload } else { key });
        }
    }

    fn apply(&self, _: &[u8], row: &mut Row, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let (_, value) = read(event.payload).ok_or_else(|| Unreadable::new("it is no value"))?;
        let unread = match self.0 {
            Flaw::AsideByArrival => value[0] < b'c' && row.last.is_none(),
            Flaw::OldVersion => value[0] < b'c',
            _ => false,
        };
        if unread {
            return Err(Unreadable::new("it is of a newer version"));
        }
        let deletes = value == DELETED;
        let newer = row.last.is_none_or(|last| event.stamp > last);
        let wins = match self.0 {
            Flaw::ArrivalWins | Flaw::NeverMeets => true,
            Flaw::TiesByArrival => row.last.is_none_or(|last| event.stamp.time >= last.time),
            _ => newer,
        };
        if wins {
            (row.last, row.value) = (Some(event.stamp), (!deletes).then_some(value));
        }
        match self.0 {
            Flaw::ForgetsDeletes if deletes && wins => *row = Row::default(),
            Flaw::ReadsClock => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                row.noise = now.map_or(0, |now| now.as_nanos() as u64);
            }
            Flaw::SkipsLate if newer => row.noise += 1,
            Flaw::HashOrder => drop(row.seen.insert(event.stamp.time.0, event.dot.seq.get())),
            Flaw::FirstComeStays if row.noise & COUNT < FULL => {
                row.noise = (row.noise ^ (event.stamp.time.0 << 8)) + 1;
            }
            Flaw::Panics => assert!(value[0] != b'7', "no value was expected to begin with 7"),
            _ => {}
        }
        Ok(())
    }
}

/// The lab's own view, which folds of every bundle only the first event: pure, alike everywhere, and wrong.
#[derive(Debug, Clone)]
pub(crate) struct FirstEvents(pub(crate) Cells);

impl Projection for FirstEvents {
    type State = Cell;

    fn view(&self) -> ViewId {
        self.0.view()
    }

    fn reads(&self) -> Reads {
        self.0.reads()
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        if event.stamp.index == 0 {
            self.0.keys(event, keys);
        }
    }

    fn apply(&self, key: &[u8], row: &mut Cell, event: &EventRef<'_>) -> Result<(), Unreadable> {
        self.0.apply(key, row, event)
    }
}
