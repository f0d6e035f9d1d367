//! Reading runs, in the order of positions or of one origin. No answer has a hole.

use std::ops::ControlFlow;

use syncline::store::draft::{bases, concerned};
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
///
/// # Errors
/// If one is missing: [`StoreError::Trimmed`] if the log was trimmed, [`StoreError::Corrupt`] if it never was.
pub(crate) fn read_origin<B: Backend>(
    session: &B::Session<'_>,
    space: &Place<B::Key>,
    origin: ReplicaId,
    first: Seq,
    limit: Limit,
) -> Result<PageBuilder, B::Fault> {
    let (mut page, head) = (PageBuilder::new(limit), session.head_of(space, origin)?);
    let (mut next, mut is_open) = (first, first <= head);
    if is_open {
        session.runs_of(space, origin, first, &mut |stored| {
            let found = stored.run.first();
            // Only the first may begin earlier.
            if found > next || found < next && next > first {
                return ControlFlow::Break(());
            }
            next = stored.run.last().plus(1);
            is_open = page.push_from(stored, first) && next <= head;
            flow(is_open)
        })?;
    }
    let dot = Dot { origin, seq: next };
    match session.at(space)?.base {
        _ if !is_open => Ok(page),
        Position::ZERO => Err(missing::<B>(space.at(format_args!("bundle {dot}")))),
        base => Err(StoreError::Trimmed { dot, base }.into()),
    }
}

/// The runs of the log that these batches may change. The commit rule notices what is missing.
pub(crate) fn read_concerned<'a, B: Backend>(
    session: &B::Session<'_>,
    space: &Place<B::Key>,
    batches: impl IntoIterator<Item = &'a WriteBatch> + Clone,
) -> Result<Vec<StoredRun>, B::Fault> {
    let mut runs = Vec::new();
    for part in concerned(batches.clone()) {
        session.runs_of(space, part.origin, part.first, &mut |stored| {
            let more = stored.run.last() < part.last;
            runs.push(stored);
            flow(more)
        })?;
    }
    for base in bases(batches) {
        session.runs(space, base, &mut |stored| {
            runs.push(stored);
            flow(false)
        })?;
    }
    Ok(runs)
}

fn flow(more: bool) -> ControlFlow<()> {
    if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

fn missing<B: Backend>(at: String) -> B::Fault {
    StoreError::Corrupt { backend: B::BOUNDS.backend, at, why: "the bundle is not there".to_owned() }.into()
}
