//! Reading runs, in the order of positions or of one origin. No answer has a hole.

use std::ops::ControlFlow;

use syncline::store::draft::concerned;
use syncline::store::page::PageBuilder;
use syncline::store::{Limit, StoreError, StoredRun, WriteBatch};
use syncline::{Dot, Position, ReplicaId, Seq};

use crate::backend::{Backend, Place, Session};

/// Fills a page with the runs behind `after`, as far as `head`.
pub(crate) fn read<B: Backend>(
    session: &B::Session<'_>,
    space: &Place<B::Key>,
    after: Position,
    head: Position,
    limit: Limit,
) -> Result<PageBuilder, B::Fault> {
    let mut page = PageBuilder::new(limit);
    walk::<B>(session, space, after, head, |stored| page.push_after(stored, after))?;
    Ok(page)
}

/// Shows the runs behind `after` in order, the first whole, until `each` has enough or `head` is reached.
///
/// # Errors
/// [`StoreError::Corrupt`] if one is missing.
pub(crate) fn walk<B: Backend>(
    session: &B::Session<'_>,
    space: &Place<B::Key>,
    after: Position,
    head: Position,
    mut each: impl FnMut(StoredRun) -> bool,
) -> Result<(), B::Fault> {
    let (mut end, mut is_open) = (after, after < head);
    if is_open {
        session.runs(space, after, &mut |stored| {
            if stored.position > end.plus(1) {
                return ControlFlow::Break(());
            }
            end = stored.end();
            is_open = each(stored) && end < head;
            flow(is_open)
        })?;
    }
    if is_open { Err(missing::<B>(space.at(format_args!("position {}", end.plus(1))))) } else { Ok(()) }
}

/// Fills a page with the runs of an origin from `first` on, as far as its head says.
pub(crate) fn read_origin<B: Backend>(
    session: &B::Session<'_>,
    space: &Place<B::Key>,
    origin: ReplicaId,
    first: Seq,
    limit: Limit,
) -> Result<PageBuilder, B::Fault> {
    let mut page = PageBuilder::new(limit);
    let head = session.head_of(space, origin)?;
    if head < first {
        return Ok(page);
    }
    let mut is_open = true;
    let next = walk_origin::<B>(session, space, Dot { origin, seq: first }, |stored| {
        let last = stored.run.last();
        is_open = page.push_from(stored, first) && last < head;
        is_open
    })?;
    if is_open { Err(missing_bundle::<B>(space, Dot { origin, seq: next })) } else { Ok(page) }
}

/// The runs of the log that these batches may change.
pub(crate) fn read_concerned<'a, B: Backend>(
    session: &B::Session<'_>,
    space: &Place<B::Key>,
    batches: impl IntoIterator<Item = &'a WriteBatch> + Clone,
) -> Result<Vec<StoredRun>, B::Fault> {
    let mut runs = Vec::new();
    for part in concerned(batches) {
        walk_origin::<B>(session, space, Dot { origin: part.origin, seq: part.first }, |stored| {
            let more = stored.run.last() < part.last;
            runs.push(stored);
            more
        })?;
    }
    Ok(runs)
}

/// Shows an origin's runs from the one that holds bundle `from` on, until `each` has enough. Returns which bundle comes next.
///
/// # Errors
/// [`StoreError::Corrupt`] if one is missing before another.
fn walk_origin<B: Backend>(
    session: &B::Session<'_>,
    space: &Place<B::Key>,
    from: Dot,
    mut each: impl FnMut(StoredRun) -> bool,
) -> Result<Seq, B::Fault> {
    let (mut next, mut is_first, mut has_hole) = (from.seq, true, false);
    session.runs_of(space, from.origin, from.seq, &mut |stored| {
        let first = stored.run.first();
        has_hole = if is_first { first > next } else { first != next };
        if has_hole {
            return ControlFlow::Break(());
        }
        (next, is_first) = (stored.run.last().plus(1), false);
        flow(each(stored))
    })?;
    if has_hole { Err(missing_bundle::<B>(space, Dot { seq: next, ..from })) } else { Ok(next) }
}

fn flow(more: bool) -> ControlFlow<()> {
    if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

fn missing_bundle<B: Backend>(space: &Place<B::Key>, dot: Dot) -> B::Fault {
    missing::<B>(space.at(format_args!("bundle {dot}")))
}

fn missing<B: Backend>(at: String) -> B::Fault {
    StoreError::Corrupt { backend: B::BOUNDS.backend, at, why: "the bundle is not there".to_owned() }.into()
}
