//! Finding what a replica lacks.

use super::{ServiceError, gone};
use crate::heads::Heads;
use crate::id::{Cursor, Dot, Position, ReplicaId, Seq};
use crate::limits::PAGE_BYTES_MAX;
use crate::protocol::{Have, Pull, Pulled};
use crate::run::Run;
use crate::store::{EventStore, Limit, StoreError, StoredRun};

/// Log pages that one pull may pass over before it answers an empty page that moves the cursor on.
const PAGES_SKIPPED_MAX: usize = 64;

/// Answers one page of what the replica lacks, in log order.
pub(super) async fn pull(store: &dyn EventStore, pull: Pull) -> Result<Pulled, ServiceError> {
    let limit = Limit { bytes: pull.limit.bytes.min(PAGE_BYTES_MAX as u32), ..pull.limit };
    let (mut cursor, known) = match pull.have {
        Have::Cursor(cursor) => (cursor, Heads::new()),
        Have::Heads(heads) => (start(store, &heads).await?, heads),
    };
    let mut skipped = 0;
    loop {
        let page = store.read(cursor, limit).await.map_err(gone)?;
        let lacking = |stored: &StoredRun| lacking(&stored.run, pull.without, &known);
        let runs: Vec<Run> = page.runs.iter().filter_map(lacking).collect();
        skipped += 1;
        if page.is_last() {
            return Ok(last_page(store, runs, page.next).await?);
        }
        if !runs.is_empty() || skipped == PAGES_SKIPPED_MAX {
            return Ok(Pulled { runs, next: page.next, head: page.head, heads: None });
        }
        cursor = page.next;
    }
}

/// A page that reached the head, with heads to compare, unless the log has moved on since.
async fn last_page(store: &dyn EventStore, runs: Vec<Run>, next: Cursor) -> Result<Pulled, StoreError> {
    let status = store.status().await?;
    let heads = (status.head == next.position).then_some(status.heads);
    Ok(Pulled { runs, next, head: status.head, heads })
}

/// The place before the first bundle that a replica with these heads lacks.
async fn start(store: &dyn EventStore, have: &Heads) -> Result<Cursor, StoreError> {
    let status = store.status().await?;
    if have.is_empty() {
        return Ok(Cursor { log: status.log, position: status.base });
    }
    let mut first = status.head.plus(1);
    for (origin, head) in status.heads.iter() {
        let known = have.get(origin).seq;
        if known < head.seq {
            let next = store.read_origin(origin, known, Limit::items(1)).await?;
            let next = next.first().filter(|stored| stored.run.first() == known.plus(1));
            first = first.min(next.ok_or_else(|| short(origin, known.plus(1)))?.position);
        }
    }
    Ok(Cursor { log: status.log, position: Position::new(first.get() - 1) })
}

/// A log that has less of an origin than its head says cannot be answered from: the replica would take a part for the whole.
fn short(origin: ReplicaId, seq: Seq) -> StoreError {
    let (at, why) =
        (format!("bundle {}", Dot { origin, seq }), "its origin's head tells of it, and it is not found".into());
    StoreError::Corrupt { backend: "service", at, why }
}

/// What of a run the replica lacks.
fn lacking(run: &Run, without: Option<ReplicaId>, known: &Heads) -> Option<Run> {
    if without == Some(run.origin()) {
        return None;
    }
    run.since(known.get(run.origin()).seq.plus(1))
}
