//! Folding bundles into rows: find the touched rows, load each once, fold, write each once, in key order.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Aside, Cause, Fold, Keys, Moved, Reads};
use crate::format::event::{Event, EventRef, EventType};
use crate::format::run::{Bundle, Run};
use crate::format::time::Stamp;
use crate::id::{Dot, InvalidId};
use crate::store::{RowKey, RowWrite, ViewId};
use crate::typed::Memo;

/// Payload bytes that are kept decoded from planning to folding: 4 MiB. A decoded form may take many times its payload, so of a larger
/// batch the rest is decoded again for each row.
const DECODED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The projections of one replica, in the order of their views.
#[derive(Debug, Clone, Default)]
pub struct Projections(Vec<Maintained>);

/// One projection, and what it has said of itself when it was added.
#[derive(Debug, Clone)]
struct Maintained {
    view: ViewId,
    reads: Arc<Reads>,
    fold: Arc<dyn Fold>,
}

impl Projections {
    /// No projection: a relay.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a projection.
    ///
    /// # Errors
    /// [`InvalidId`] if its view is taken or reserved for the engine, or there are 65,535 others.
    pub fn add(&mut self, projection: Arc<dyn Fold>) -> Result<(), InvalidId> {
        let view = projection.view();
        if view.is_reserved() {
            return Err(InvalidId::new("view of a projection", view.as_str(), "`syncline.` is the engine's own"));
        }
        if self.0.len() == usize::from(u16::MAX) {
            return Err(InvalidId::new(
                "view of a projection",
                view.as_str(),
                "a replica has at most 65,535 projections",
            ));
        }
        match self.0.binary_search_by(|known| known.view.cmp(&view)) {
            Ok(_) => Err(InvalidId::new("view of a projection", view.as_str(), "another projection has it already")),
            Err(index) => {
                let reads = Arc::new(projection.reads());
                self.0.insert(index, Maintained { view, reads, fold: projection });
                Ok(())
            }
        }
    }

    /// The views, in order.
    pub fn views(&self) -> impl Iterator<Item = &ViewId> {
        self.0.iter().map(|projection| &projection.view)
    }

    /// The projections whose views satisfy `keep`.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&ViewId) -> bool) -> Self {
        Self(self.0.iter().filter(|projection| keep(&projection.view)).cloned().collect())
    }

    /// What an own event becomes when own events get other stamps: the first projection that knows decides.
    pub fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Event> {
        let reads = |projection: &&Maintained| projection.reads.knows(&event.event_type());
        self.0.iter().filter(reads).find_map(|projection| projection.fold.moved(event, stamps))
    }

    /// Whether the view is folded from events of this type.
    pub(crate) fn reads(&self, view: &ViewId, event_type: &EventType) -> bool {
        self.0.iter().any(|projection| projection.view == *view && projection.reads.knows(event_type))
    }

    /// Finds the rows that the events of `runs` touch.
    pub fn plan<'a>(&self, runs: impl IntoIterator<Item = &'a Run>) -> Plan {
        self.plan_some(runs, |_| true, |_, _| true)
    }

    /// Finds those of the rows that the events of `runs` touch which `wanted` wants, by the events that `keep` keeps.
    pub fn plan_some<'a>(
        &self,
        runs: impl IntoIterator<Item = &'a Run>,
        keep: impl Fn(&EventRef<'_>) -> bool,
        wanted: impl Fn(&ViewId, &[u8]) -> bool,
    ) -> Plan {
        let mut plan = Plan { projections: self.0.clone(), ..Plan::default() };
        if !self.0.is_empty() {
            for run in runs {
                run.bundles().for_each(|bundle| plan.add_all(run, &bundle, &keep));
            }
            plan.group(wanted);
        }
        plan
    }
}

/// Which events go into which rows. It shares the memory of the runs.
#[derive(Debug, Default)]
pub struct Plan {
    projections: Vec<Maintained>,
    events: Vec<Planned>,
    /// The types of the events. Neighbours share one.
    types: Vec<EventType>,
    /// By event, what was decoded of it, so that it is decoded once. Ends with the last one that was.
    memos: Vec<Memo>,
    /// Payload bytes of the events that were decoded.
    decoded: usize,
    /// All keys, one after the other.
    arena: Vec<u8>,
    touches: Vec<Touch>,
    aside: Vec<Aside>,
    keys: Keys,
}

/// One event.
#[derive(Debug)]
struct Planned {
    dot: Dot,
    stamp: Stamp,
    /// Which of the types.
    event_type: u32,
    payload: Bytes,
}

/// One event that touches one row.
#[derive(Debug, Clone, Copy)]
struct Touch {
    event: u32,
    /// At most 1,024 bytes from there on. The keys of all events of a page may be more than 4 GiB together.
    key_start: usize,
    projection: u16,
    key_bytes: u16,
}

impl Touch {
    fn key(self, arena: &[u8]) -> &[u8] {
        &arena[self.key_range()]
    }

    fn key_range(self) -> std::ops::Range<usize> {
        self.key_start..self.key_start + usize::from(self.key_bytes)
    }
}

/// The outcome of a fold.
#[derive(Debug, Default)]
pub struct Folded {
    /// The touched rows, in the order of view and key.
    pub rows: Vec<RowWrite>,
    /// The events that were put aside.
    pub aside: Vec<Aside>,
    /// Views with a stored row that cannot be read back, and why. No event can cause that: the store is damaged, or the state has another
    /// layout under the same view. The rows stay as they are, and the events that touch them are among those put aside; fold the view
    /// again.
    pub damaged: BTreeMap<ViewId, String>,
    /// Of the rows that have become larger the largest, and how many bytes it has.
    pub grown: Option<(RowKey, usize)>,
}

impl Plan {
    fn add_all(&mut self, run: &Run, bundle: &Bundle<'_>, keep: impl Fn(&EventRef<'_>) -> bool) {
        for event in bundle.events() {
            match event {
                Ok(event) if !keep(&event) => {}
                Ok(event) => self.add(run, event),
                Err(error) => {
                    let cause = Cause::Malformed(error.to_string());
                    self.aside.push(Aside { view: None, dot: bundle.dot, index: 0, event_type: None, cause });
                }
            }
        }
    }

    fn add(&mut self, run: &Run, event: EventRef<'_>) {
        let number = self.events.len() as u32;
        let memo = Memo::default();
        let room = self.decoded < DECODED_BYTES_MAX;
        let mut keys = std::mem::take(&mut self.keys);
        for (projection, Maintained { view, reads, fold }) in self.projections.iter().enumerate() {
            keys.clear();
            reads.keys(&**fold, &EventRef { memo: room.then_some(&memo), ..event }, &mut keys);
            if let Some(cause) = keys.refused() {
                self.aside.push(aside(view, &event, cause.clone()));
                continue;
            }
            for key in keys.iter() {
                let key_start = self.arena.len();
                self.arena.extend_from_slice(key);
                let key_bytes = u16::try_from(key.len()).expect("a key is bounded");
                self.touches.push(Touch { event: number, key_start, projection: projection as u16, key_bytes });
            }
        }
        self.keys = keys;
        if !self.types.last().is_some_and(|last| event.is(last)) {
            self.types.push(event.event_type());
        }
        let event_type = self.types.len() as u32 - 1;
        let payload = run.as_bytes().slice_ref(event.payload);
        self.events.push(Planned { dot: event.dot, stamp: event.stamp, event_type, payload });
        if !memo.is_empty() {
            self.decoded += event.payload.len();
            self.memos.resize_with(number as usize, Memo::default);
            self.memos.push(memo);
        }
    }

    /// Brings the touches of one wanted row together, rows in the order of view and key, events as they came.
    fn group(&mut self, wanted: impl Fn(&ViewId, &[u8]) -> bool) {
        let arena = &self.arena;
        let place = |touch: &Touch| (touch.projection, touch.key(arena));
        self.touches.retain(|touch| wanted(&self.projections[touch.projection as usize].view, place(touch).1));
        self.touches.sort_by(|a, b| place(a).cmp(&place(b)).then(a.event.cmp(&b.event)));
        self.touches.dedup_by(|b, a| b.event == a.event && place(a) == place(b));
    }

    /// The event with what was decoded of it.
    fn event(&self, touch: &Touch) -> EventRef<'_> {
        let memo = self.memos.get(touch.event as usize).filter(|memo| !memo.is_empty());
        let Planned { dot, stamp, event_type, payload } = &self.events[touch.event as usize];
        EventRef { memo, ..EventRef::new(*dot, *stamp, &self.types[*event_type as usize], payload) }
    }

    fn key(&self, touch: &Touch) -> &[u8] {
        touch.key(&self.arena)
    }

    fn groups(&self) -> impl Iterator<Item = &[Touch]> {
        self.touches.chunk_by(|a, b| a.projection == b.projection && self.key(a) == self.key(b))
    }

    /// The touched rows, in the order of view and key: what to load.
    pub fn rows(&self) -> Vec<RowKey> {
        // One copy of the arena serves every key.
        let arena = Bytes::copy_from_slice(&self.arena);
        let key = |touches: &[Touch]| {
            let view = self.projections[touches[0].projection as usize].view.clone();
            RowKey { view, key: arena.slice(touches[0].key_range()) }
        };
        self.groups().map(key).collect()
    }

    /// Folds the events into the loaded rows, which `loaded` gives in the order of `rows`.
    pub fn fold(mut self, rows: Vec<RowKey>, loaded: Vec<Option<Bytes>>) -> Folded {
        let mut folded = Folded { rows: Vec::with_capacity(rows.len()), ..Folded::default() };
        folded.aside = std::mem::take(&mut self.aside);
        let mut events = Vec::new();
        for ((touches, key), old) in self.groups().zip(rows).zip(loaded) {
            let Maintained { view, fold, .. } = &self.projections[touches[0].projection as usize];
            events.clear();
            events.extend(touches.iter().map(|touch| self.event(touch)));
            let mut put_aside = |event: &EventRef<'_>, cause| folded.aside.push(aside(view, event, cause));
            match fold.fold(&key.key, old.as_deref(), &events, &mut put_aside) {
                Ok(new) if new == old => {}
                Ok(new) => {
                    folded.grown = larger(folded.grown, &key, old.as_ref(), new.as_ref());
                    folded.rows.push(RowWrite { key, value: new });
                }
                Err(damaged) => {
                    events.iter().for_each(|event| put_aside(event, Cause::Row(damaged.reason.clone())));
                    folded.damaged.insert(view.clone(), damaged.reason);
                }
            }
        }
        folded
    }
}

fn aside(view: &ViewId, event: &EventRef<'_>, cause: Cause) -> Aside {
    let (view, event_type) = (Some(view.clone()), Some(event.event_type()));
    Aside { view, dot: event.dot, index: event.stamp.index, event_type, cause }
}

/// The largest of the rows that have become larger, with one more row looked at.
fn larger(
    largest: Option<(RowKey, usize)>,
    key: &RowKey,
    old: Option<&Bytes>,
    new: Option<&Bytes>,
) -> Option<(RowKey, usize)> {
    let (old, new) = (old.map_or(0, Bytes::len), new.map_or(0, Bytes::len));
    let known = largest.as_ref().map_or(0, |(_, bytes)| *bytes);
    if new > known.max(old) { Some((key.clone(), new)) } else { largest }
}
