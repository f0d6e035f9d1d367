//! Where a log continues for somebody who has a part of it: the place before the first bundle that they lack.

use super::{EventStore, Limit, LogStatus, Page, StoreError, StoredRun};
use crate::format::heads::Heads;
use crate::id::{Cursor, Dot, Position, ReplicaId, Seq};

/// So many origins are looked up one by one, if no more are lacking. With more, reading in order is cheaper.
const LOOKUPS_MAX: usize = 64;
/// Bytes of runs that are read in search of the place.
const SEARCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The place before the first bundle, in log order, that a log with the heads `have` lacks; the end of the log if it lacks none. Only
/// bundles of origins that `wanted` picks count.
///
/// It reads a few runs, however much is lacking. If the place is not found by then, it returns an earlier one: a reader who continues from
/// there skips what they know.
///
/// # Errors
/// As [`EventStore::read_origin`]: [`StoreError::Trimmed`] if the log has trimmed a bundle that is lacking, since what it has left is no
/// answer.
pub(crate) async fn place_before_lacking(
    store: &dyn EventStore,
    status: &LogStatus,
    have: &Heads,
    wanted: impl Fn(ReplicaId) -> bool,
) -> Result<Cursor, StoreError> {
    let at = |position| Cursor { log: status.log, position };
    let differ = status.heads.differences(have);
    let lacking = || {
        let behind = differ.iter().filter(|differ| differ.theirs.seq < differ.ours.seq && wanted(differ.origin));
        behind.map(|differ| (differ.origin, differ.theirs.seq))
    };
    match lacking().take(LOOKUPS_MAX + 1).count() {
        0 => return Ok(at(status.head)),
        // Who has nothing begins at the beginning.
        _ if have.is_empty() && status.base == Position::ZERO => return Ok(at(status.base)),
        // A reader in order would not notice what has been trimmed.
        count if count <= LOOKUPS_MAX || status.base > Position::ZERO => {
            return Ok(at(before(look_up(store, lacking(), status.head.plus(1)).await?)));
        }
        _ => {}
    }
    let find = |stored: &StoredRun| first_lacking(stored, have).filter(|_| wanted(stored.run.origin()));
    match (search(store, at(status.base), find).await?, lacking().next()) {
        (Some(place), _) => Ok(place),
        (None, Some((origin, known))) => Err(short(origin, known)),
        (None, None) => Ok(at(status.head)),
    }
}

/// Looks each origin up, and answers the least place, or `end`.
async fn look_up(
    store: &dyn EventStore,
    lacking: impl Iterator<Item = (ReplicaId, Seq)>,
    end: Position,
) -> Result<Position, StoreError> {
    let mut first = end;
    for (origin, known) in lacking {
        let next = store.read_origin(origin, known, Limit::items(1)).await?;
        let next = next.first().filter(|stored| stored.run.first() == known.plus(1));
        first = first.min(next.ok_or_else(|| short(origin, known))?.position);
    }
    Ok(first)
}

/// Reads in order until `find` finds something, or enough has been read. `None` if the log ends without it.
async fn search(
    store: &dyn EventStore,
    mut cursor: Cursor,
    find: impl Fn(&StoredRun) -> Option<Position>,
) -> Result<Option<Cursor>, StoreError> {
    let mut bytes = 0;
    while bytes < SEARCH_BYTES_MAX {
        let page: Page = store.read(cursor, Limit::PAGE).await?;
        if let Some(position) = page.runs.iter().find_map(&find) {
            return Ok(Some(Cursor { position: before(position), ..cursor }));
        }
        bytes += page.runs.iter().map(|stored| stored.run.as_bytes().len()).sum::<usize>();
        cursor = page.next;
        if page.is_last() {
            return Ok(None);
        }
    }
    Ok(Some(cursor))
}

/// Where the first bundle of a run lies that is not known.
fn first_lacking(stored: &StoredRun, have: &Heads) -> Option<Position> {
    let known = have.get(stored.run.origin()).seq;
    (known < stored.run.last()).then(|| stored.position.plus(known.plus(1).since(stored.run.first())))
}

/// If a log has less of an origin than its head says, it gives no answer: the reader would take a part for the whole.
fn short(origin: ReplicaId, known: Seq) -> StoreError {
    let at = format!("bundle {}", Dot { origin, seq: known.plus(1) });
    StoreError::Corrupt { backend: "service", at, why: "its origin's head tells of it, and it is not found".into() }
}

fn before(position: Position) -> Position {
    Position::new(position.get() - 1)
}
