//! What becomes of a log's runs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::format::run::Run;
use crate::id::{Dot, Position, ReplicaId, Seq};
use crate::store::page::PageBuilder;
use crate::store::{Limit, StoredRun};

/// The runs that a change adds, and those of the log that it may change.
#[derive(Debug, Default)]
pub struct Runs {
    /// By origin and last seq.
    held: BTreeMap<(ReplicaId, Seq), Held>,
    /// Runs of the log that go, or are rewritten, by their last position.
    removed: BTreeMap<Position, Removed>,
}

#[derive(Debug)]
struct Held {
    stored: StoredRun,
    /// It is not in the log as it is here.
    is_new: bool,
}

#[derive(Debug)]
struct Removed {
    first: Position,
    last: Dot,
}

/// Whether a run holds a bundle.
pub(super) fn holds(run: &Run, dot: Dot) -> bool {
    run.origin() == dot.origin && (run.first()..=run.last()).contains(&dot.seq)
}

impl Runs {
    /// Runs of the log.
    pub(super) fn of(stored: Vec<StoredRun>) -> Self {
        let mut runs = Self::default();
        stored.into_iter().for_each(|stored| runs.hold(Held { stored, is_new: false }));
        runs
    }

    /// The runs to insert, in the order of their positions.
    pub fn inserted(&self) -> Vec<&StoredRun> {
        let mut runs: Vec<_> = self.held.values().filter(|held| held.is_new).map(|held| &held.stored).collect();
        runs.sort_by_key(|stored| stored.position);
        runs
    }

    /// The runs to remove before that: the last position of each, its origin and its last bundle.
    pub fn removed(&self) -> impl ExactSizeIterator<Item = (Position, Dot)> {
        self.removed.iter().map(|(end, removed)| (*end, removed.last))
    }

    /// The same as ranges of positions, for a store that deletes by range: all that a run of the log takes, and as few as possible.
    pub fn removed_ranges(&self) -> Vec<RangeInclusive<Position>> {
        let mut ranges: Vec<RangeInclusive<Position>> = Vec::new();
        for (end, Removed { first, .. }) in &self.removed {
            match ranges.last_mut().filter(|before| before.end().plus(1) == *first) {
                Some(before) => *before = *before.start()..=*end,
                None => ranges.push(*first..=*end),
            }
        }
        ranges
    }

    /// Joins the runs of an origin that lie behind position `after`, up to `end`. `stored` are those of them that are in the log.
    pub fn join(&mut self, origin: ReplicaId, after: Position, end: Position, stored: Vec<StoredRun>) {
        let within = |stored: &StoredRun| stored.position > after && stored.end() <= end;
        let mut loose = Vec::with_capacity(stored.len() + 1);
        for stored in stored.into_iter().filter(within) {
            // What is held or removed has been changed, or may be: it is joined as it is now.
            let place = (stored.run.origin(), stored.run.last());
            if !self.held.contains_key(&place) && !self.removed.contains_key(&stored.end()) {
                self.note_removed(&stored);
                loose.push(stored);
            }
        }
        let held = self.behind(origin, Seq::ZERO).filter(|stored| within(stored));
        let lasts: Vec<Seq> = held.map(|stored| stored.run.last()).collect();
        loose.extend(lasts.into_iter().filter_map(|last| self.remove(origin, last)));
        loose.sort_by_key(|stored| stored.position);
        let mut joined = PageBuilder::new(Limit::items(u32::MAX));
        for stored in loose {
            joined.push(stored);
        }
        joined.finish().into_iter().for_each(|stored| self.insert(stored));
    }

    /// Drops what lies at or below a base. Whole runs of the log go with all the others there, so they are not told one by one.
    pub(super) fn trim(&mut self, base: Position) {
        self.held.retain(|_, held| held.stored.end() > base);
        let cut = self.held.iter().find(|(_, held)| held.stored.position <= base).map(|(place, _)| *place);
        let cut = cut.and_then(|(origin, last)| self.remove(origin, last));
        if let Some(rest) = cut.and_then(|stored| stored.behind(base)) {
            self.insert(rest);
        }
    }

    /// The run that holds a bundle of the log.
    pub(super) fn find(&self, dot: Dot) -> Option<&StoredRun> {
        let found = self.held.range((dot.origin, dot.seq)..).next().map(|(_, held)| &held.stored);
        found.filter(|stored| holds(&stored.run, dot))
    }

    /// An origin's runs that reach beyond bundle `after`, in order.
    pub(super) fn behind(&self, origin: ReplicaId, after: Seq) -> impl Iterator<Item = &StoredRun> {
        let runs = self.held.range((origin, after.plus(1))..).take_while(move |((of, _), _)| *of == origin);
        runs.map(|(_, held)| &held.stored)
    }

    /// Removes the runs of an origin that reach beyond bundle `after`.
    pub(super) fn remove_behind(&mut self, origin: ReplicaId, after: Seq) {
        let lasts: Vec<Seq> = self.behind(origin, after).map(|stored| stored.run.last()).collect();
        for last in lasts {
            drop(self.remove(origin, last));
        }
    }

    /// Adds a run.
    pub(super) fn insert(&mut self, stored: StoredRun) {
        self.hold(Held { stored, is_new: true });
    }

    /// Makes bundles void, all of which are held. A run that this makes too long becomes several.
    pub(super) fn make_voids(&mut self, dots: &[Dot]) {
        let mut dots = dots.to_vec();
        dots.sort_unstable();
        let mut rest = &dots[..];
        while let Some(first) = rest.first() {
            let run = &self.find(*first).expect("the batch was checked").run;
            let (last, count) = (run.last(), rest.iter().take_while(|dot| holds(run, **dot)).count());
            let seqs: Vec<Seq> = rest[..count].iter().map(|dot| dot.seq).collect();
            let mut stored = self.remove(first.origin, last).expect("it was found");
            stored.run = stored.run.with_voids(&seqs, stored.previous);
            stored.pieces().into_iter().for_each(|piece| self.insert(piece));
            rest = &rest[count..];
        }
    }

    fn hold(&mut self, held: Held) {
        self.held.insert((held.stored.run.origin(), held.stored.run.last()), held);
    }

    fn remove(&mut self, origin: ReplicaId, last: Seq) -> Option<StoredRun> {
        let Held { stored, is_new } = self.held.remove(&(origin, last))?;
        if !is_new {
            self.note_removed(&stored);
        }
        Some(stored)
    }

    fn note_removed(&mut self, stored: &StoredRun) {
        let last = Dot { origin: stored.run.origin(), seq: stored.run.last() };
        self.removed.insert(stored.end(), Removed { first: stored.position, last });
    }
}
