//! A space's runs, by position and by origin.

use std::ops::ControlFlow;

use bytes::Bytes;
use syncline::store::StoredRun;
use syncline::{Position, ReplicaId, Seq};
use syncline_embedded::EachRun;

use crate::backend::Snapshot;
use crate::changes::Changes;
use crate::error::{Result, damage};
use crate::keys::{self, Place};
use crate::read;
use crate::record::{decode_head, decode_run};

/// Shows the runs that end behind `after`, in order, until `each` breaks off.
pub(crate) fn runs(snapshot: &impl Snapshot, space: &Place, after: Position, each: &mut EachRun<'_>) -> Result<()> {
    let at = |key: &[u8]| run_at(space, keys::end_of(key));
    read::range(snapshot, &space.key.runs_behind(after), at, |key, value| {
        Ok(each(decode(space, keys::end_of(key), Bytes::copy_from_slice(value))?))
    })
}

/// Shows an origin's runs from the one that holds `first` on, until `each` breaks off.
pub(crate) fn runs_of(
    snapshot: &impl Snapshot,
    space: &Place,
    origin: ReplicaId,
    first: Seq,
    each: &mut EachRun<'_>,
) -> Result<()> {
    let at = |_: &[u8]| space.at(format_args!("the index of origin {origin}"));
    read::range(snapshot, &space.key.places_from(origin, first), at, |key, value| {
        let (last, end) = (keys::last_of(key), value.try_into().ok().map(u64::from_be_bytes).map(Position::new));
        let value = match end {
            Some(end) => read::get(snapshot, &space.key.run(end), || run_at(space, Some(end)))?,
            None => None,
        };
        let value = value.ok_or_else(|| damage(at(key), "it leads to no run"))?;
        let stored = decode(space, end, value)?;
        if stored.run.origin() != origin || Some(stored.run.last()) != last {
            return Err(damage(at(key), "it leads to another run"));
        }
        Ok(each(stored))
    })
}

/// The last bundle of an origin, as its head says.
pub(crate) fn head_of(snapshot: &impl Snapshot, space: &Place, origin: ReplicaId) -> Result<Seq> {
    let at = || space.at(format_args!("the head of origin {origin}"));
    let Some(value) = read::get(snapshot, &space.key.head(origin), at)? else { return Ok(Seq::ZERO) };
    let head = decode_head(&value).ok_or_else(|| damage(at(), "it is no head"))?;
    Ok(head.seq)
}

/// Puts a run, and where its origin's index finds it.
pub(crate) fn put(changes: &mut Changes, space: &Place, stored: &StoredRun) {
    let (end, run) = (stored.end(), &stored.run);
    changes.put(space.key.run(end), &[&stored.previous.to_bytes(), run.as_bytes()]);
    changes.put(space.key.place(run.origin(), run.last()), &[&end.get().to_be_bytes()]);
}

/// Removes the run of an origin that ends with bundle `last`, at `end`.
pub(crate) fn remove(changes: &mut Changes, space: &Place, end: Position, origin: ReplicaId, last: Seq) {
    changes.delete(space.key.run(end));
    changes.delete(space.key.place(origin, last));
}

/// Removes the runs that end behind `after` and up to `base`.
pub(crate) fn trim(
    snapshot: &impl Snapshot,
    changes: &mut Changes,
    space: &Place,
    after: Position,
    base: Position,
) -> Result<()> {
    runs(snapshot, space, after, &mut |stored| {
        if stored.end() > base {
            return ControlFlow::Break(());
        }
        remove(changes, space, stored.end(), stored.run.origin(), stored.run.last());
        ControlFlow::Continue(())
    })
}

/// Removes all runs, what finds them by their origins, and all heads.
pub(crate) fn clear(snapshot: &impl Snapshot, changes: &mut Changes, space: &Place) -> Result<()> {
    let at = |key: &[u8]| space.at(format_args!("key {:?}", Bytes::copy_from_slice(key)));
    read::range(snapshot, &space.key.log(), at, |key, _| {
        changes.delete(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })
}

fn decode(space: &Place, end: Option<Position>, value: Bytes) -> Result<StoredRun> {
    let decoded = end.ok_or_else(|| "its key is no position".into()).and_then(|end| decode_run(value, end));
    decoded.map_err(|why: String| damage(run_at(space, end), why))
}

fn run_at(space: &Place, end: Option<Position>) -> String {
    space.at(format_args!("the run that ends at position {}", end.unwrap_or_default()))
}
