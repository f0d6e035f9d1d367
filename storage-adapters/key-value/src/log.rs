//! A space's runs, by position and by origin.

use std::ops::ControlFlow;

use bytes::Bytes;
use syncline::store::page::PageBuilder;
use syncline::store::{Limit, StoredRun};
use syncline::{Dot, Head, Position, ReplicaId, Seq};

use crate::backend::Snapshot;
use crate::changes::Pending;
use crate::error::{Fault, Result, damage};
use crate::keys;
use crate::read;
use crate::record::{decode_head, decode_run};
use crate::space::Place;

/// Fills a page with the runs behind `after`, as far as `head`.
pub(crate) fn read(
    snapshot: &impl Snapshot,
    space: &Place,
    after: Position,
    head: Position,
    limit: Limit,
) -> Result<PageBuilder> {
    let mut page = PageBuilder::new(limit);
    walk(snapshot, space, after, head, |stored| page.push_after(stored, after))?;
    Ok(page)
}

/// Shows the runs behind `after` in order, the first whole, until `each` has enough or `head` is reached.
pub(crate) fn walk(
    snapshot: &impl Snapshot,
    space: &Place,
    after: Position,
    head: Position,
    mut each: impl FnMut(StoredRun) -> bool,
) -> Result<()> {
    let (mut end, mut open) = (after, after < head);
    if open {
        let at = |key: &[u8]| run_at(space, keys::end_of(key));
        read::range(snapshot, &space.key.runs_behind(after), at, |key, value| {
            let stored = decode(space, keys::end_of(key), Bytes::copy_from_slice(value))?;
            if stored.position > end.plus(1) {
                return Err(missing(space, end));
            }
            end = stored.end();
            open = each(stored) && end < head;
            Ok(flow(open))
        })?;
    }
    if open { Err(missing(space, end)) } else { Ok(()) }
}

/// Fills a page with the runs of an origin from `first` on.
pub(crate) fn read_origin(
    snapshot: &impl Snapshot,
    space: &Place,
    origin: ReplicaId,
    first: Seq,
    limit: Limit,
) -> Result<PageBuilder> {
    let mut page = PageBuilder::new(limit);
    let Some(head) = read_head(snapshot, space, origin)?.filter(|head| head.seq >= first) else { return Ok(page) };
    let (mut next, mut open) = (first, true);
    each_run(snapshot, space, origin, first, |stored| {
        if stored.run.first() > next {
            return Err(missing_bundle(space, Dot { origin, seq: next }));
        }
        next = stored.run.last().plus(1);
        open = page.push_from(stored, first) && next <= head.seq;
        Ok(flow(open))
    })?;
    if open {
        return Err(missing_bundle(space, Dot { origin, seq: next }));
    }
    Ok(page)
}

/// The run that holds a bundle that must be there.
pub(crate) fn find(snapshot: &impl Snapshot, space: &Place, dot: Dot) -> Result<StoredRun> {
    let mut found = None;
    each_run(snapshot, space, dot.origin, dot.seq, |stored| {
        found = Some(stored).filter(|stored| stored.run.first() <= dot.seq);
        Ok(ControlFlow::Break(()))
    })?;
    found.ok_or_else(|| missing_bundle(space, dot))
}

/// All runs of an origin that reach beyond bundle `after`.
pub(crate) fn tail(snapshot: &impl Snapshot, space: &Place, origin: ReplicaId, after: Seq) -> Result<Vec<StoredRun>> {
    let mut tail = Vec::new();
    each_run(snapshot, space, origin, after.plus(1), |stored| {
        tail.push(stored);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(tail)
}

/// Puts a run, and where its origin's index finds it.
pub(crate) fn put<S>(pending: &mut Pending<S>, space: &Place, stored: StoredRun) {
    for stored in stored.pieces() {
        let (end, run) = (stored.end(), &stored.run);
        pending.put(space.key.run(end), &[&stored.previous.to_bytes(), run.as_bytes()]);
        pending.put(space.key.place(run.origin(), run.last()), &[&end.get().to_be_bytes()]);
    }
}

/// Removes a run, as it is stored.
pub(crate) fn remove<S>(pending: &mut Pending<S>, space: &Place, stored: &StoredRun) {
    pending.delete(space.key.run(stored.end()));
    pending.delete(space.key.place(stored.run.origin(), stored.run.last()));
}

/// Shows an origin's runs from the one that holds `seq` on.
fn each_run(
    snapshot: &impl Snapshot,
    space: &Place,
    origin: ReplicaId,
    seq: Seq,
    mut each: impl FnMut(StoredRun) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let at = |_: &[u8]| space.at(format_args!("the index of origin {origin}"));
    read::range(snapshot, &space.key.places_from(origin, seq), at, |key, value| {
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
        each(stored)
    })
}

fn read_head(snapshot: &impl Snapshot, space: &Place, origin: ReplicaId) -> Result<Option<Head>> {
    let at = || space.at(format_args!("the head of origin {origin}"));
    let Some(value) = read::get(snapshot, &space.key.head(origin), at)? else { return Ok(None) };
    let head = decode_head(&value).ok_or_else(|| damage(at(), "it is no head"))?;
    Ok(Some(head))
}

fn decode(space: &Place, end: Option<Position>, value: Bytes) -> Result<StoredRun> {
    let decoded = end.ok_or_else(|| "its key is no position".into()).and_then(|end| decode_run(value, end));
    decoded.map_err(|why: String| damage(run_at(space, end), why))
}

fn flow(more: bool) -> ControlFlow<()> {
    if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

fn run_at(space: &Place, end: Option<Position>) -> String {
    space.at(format_args!("the run that ends at position {}", end.unwrap_or_default()))
}

fn missing(space: &Place, after: Position) -> Fault {
    damage(space.at(format_args!("position {}", after.plus(1))), "the bundle is not there")
}

fn missing_bundle(space: &Place, dot: Dot) -> Fault {
    damage(space.at(format_args!("bundle {dot}")), "it is not there")
}
