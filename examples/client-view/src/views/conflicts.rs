//! A view: which writes lost to which.

use syncline::crdt::{Context, Ordered};
use syncline::format::Stamp;
use syncline::projection::{Keys, Moved};
use syncline::typed::{Meta, TypedProjection};
use syncline::{Unreadable, ViewId};

use super::{Line, Lines};
use crate::{Change, Field};

/// One row per entry that was ever edited: the writes that replace something. Entries that were only added have none, so that the view
/// stays small. [`lost`] reads from a row who lost to whom.
#[derive(Debug, Clone, Copy)]
pub struct Conflicts;

impl TypedProjection for Conflicts {
    type Event = Change;
    type State = Ordered<Lines>;

    fn view(&self) -> ViewId {
        ViewId::new("conflicts@1").expect("the name is well formed")
    }

    fn keys(&self, event: &Change, keys: &mut Keys) {
        if let Change::Set { entry, .. } | Change::Done { entry, .. } | Change::Deleted { entry, .. } = event {
            keys.push(entry.as_bytes());
        }
    }

    fn apply(&self, _: &[u8], row: &mut Ordered<Lines>, event: &Change, meta: Meta) -> Result<(), Unreadable> {
        row.insert(meta.stamp, Line::of(meta.dot.seq, event));
        Ok(())
    }

    fn moved(&self, event: &Change, stamps: &Moved) -> Option<Change> {
        event.moved(stamps)
    }
}

/// A write that lost to another, because neither writer knew of the other's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The write that lost.
    pub loser: (Stamp, Line),
    /// The write that won over it.
    pub winner: (Stamp, Line),
    /// Whether somebody who had seen both has written since.
    pub settled: bool,
}

/// The writes that lost, earliest first.
pub fn lost(row: &Ordered<Lines>) -> Vec<Lost> {
    let lines: Vec<_> = row.iter().collect();
    lines.iter().filter_map(|loser| lost_to(&lines, *loser)).collect()
}

/// The latest write that replaced the same value without knowing of `loser`, unless `loser` was itself replaced before it came to that.
fn lost_to(lines: &[(Stamp, &Line)], loser: (Stamp, &Line)) -> Option<Lost> {
    let rivals = lines.iter().filter(|line| are_rivals(&loser.1.change, &line.1.change));
    let winner = rivals.rev().find(|line| line.0 > loser.0 && !knew(line, loser.0))?;
    let replaced = |line: &&(Stamp, &Line)| {
        knew(line, loser.0)
            && are_same(&line.1.change, &loser.1.change)
            && !knew(line, winner.0)
            && !knew(winner, line.0)
    };
    if lines.iter().any(|line| replaced(&line)) || (loser.1.cut.is_none() && same_value(loser.1, winner.1)) {
        return None;
    }
    let settled = lines.iter().any(|line| knew(line, loser.0) && knew(line, winner.0));
    let owned = |(stamp, line): (Stamp, &Line)| (stamp, line.clone());
    Some(Lost { loser: owned(loser), winner: owned(*winner), settled })
}

/// Whether the writer of `line` had seen the write with this stamp.
fn knew((_, line): &(Stamp, &Line), stamp: Stamp) -> bool {
    line.change.over().is_some_and(|over: &Context| over.covers(stamp))
}

/// Whether both write the same value.
fn are_same(one: &Change, other: &Change) -> bool {
    match (one, other) {
        (Change::Set { field, .. }, Change::Set { field: other, .. }) => field == other,
        (Change::Done { .. }, Change::Done { .. }) | (Change::Deleted { .. }, Change::Deleted { .. }) => true,
        _ => false,
    }
}

/// Whether the later of both wins over the other: they write the same value, or one deletes what the other writes.
fn are_rivals(loser: &Change, winner: &Change) -> bool {
    are_same(loser, winner) || matches!(winner, Change::Deleted { deleted: true, .. })
}

fn same_value(one: &Line, other: &Line) -> bool {
    match (&one.change, &other.change) {
        (Change::Set { value, .. }, Change::Set { value: other, .. }) => value == other,
        (Change::Done { done, .. }, Change::Done { done: other, .. }) => done == other,
        (Change::Deleted { deleted, .. }, Change::Deleted { deleted: other, .. }) => deleted == other,
        _ => false,
    }
}

impl Lost {
    /// The text that both wrote, if it is one.
    pub fn field(&self) -> Option<Field> {
        match self.loser.1.change {
            Change::Set { field, .. } => Some(field),
            _ => None,
        }
    }
}
