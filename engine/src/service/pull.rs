//! Finding what a replica lacks.

use super::{ServiceError, gone};
use crate::format::heads::Heads;
use crate::format::run::Run;
use crate::id::{Cursor, ReplicaId};
use crate::limits::{HEADS_MAX, PAGE_BYTES_MAX};
use crate::protocol::{Code, Have, Problem, Pull, Pulled, Reply, Tail};
use crate::store::lacking::place_before_lacking;
use crate::store::{EventStore, Limit, StoreError, StoredRun};

/// Log pages that one pull may skip before it answers an empty page that moves the cursor forward.
const PAGES_SKIPPED_MAX: usize = 64;
/// Bytes of runs that one pull may skip.
const BYTES_SKIPPED_MAX: usize = 16 * 1024 * 1024;

/// Answers one page of what the replica lacks, in log order, as it wants to be told of the end.
pub(super) async fn pull(store: &dyn EventStore, pull: Pull) -> Result<Reply, ServiceError> {
    let wants_tail = matches!(pull.have, Have::Tail(_));
    let Pulled { runs, next, head, heads } = page(store, pull).await?;
    if !wants_tail {
        return Ok(Reply::Pull(Pulled { runs, next, head, heads: heads.map(|heads| heads.page(None)) }));
    }
    Ok(Reply::Tail(Tail { runs, next, head, digest: heads.map(|heads| heads.digest()) }))
}

/// The page, with all heads if it is the last.
async fn page(store: &dyn EventStore, pull: Pull) -> Result<Pulled, ServiceError> {
    let limit = Limit { bytes: pull.limit.bytes.min(PAGE_BYTES_MAX as u32), ..pull.limit };
    let (mut cursor, known) = match pull.have {
        Have::Cursor(cursor) | Have::Tail(cursor) => (cursor, Heads::new()),
        Have::Heads(heads) if heads.len() > HEADS_MAX => return Err(too_many(&heads).into()),
        Have::Heads(heads) => {
            let status = store.status().await?;
            let wanted = |origin| pull.without != Some(origin);
            (place_before_lacking(store, &status, &heads, wanted).await.map_err(gone)?, heads)
        }
    };
    let (mut pages, mut bytes) = (0, 0);
    loop {
        let page = store.read(cursor, limit).await.map_err(gone)?;
        let lacking = |stored: &StoredRun| lacking(&stored.run, pull.without, &known);
        let runs: Vec<Run> = page.runs.iter().filter_map(lacking).collect();
        pages += 1;
        bytes += page.runs.iter().map(|stored| stored.run.as_bytes().len()).sum::<usize>();
        if page.is_last() {
            return Ok(last_page(store, runs, page.next).await?);
        }
        if !runs.is_empty() || pages == PAGES_SKIPPED_MAX || bytes >= BYTES_SKIPPED_MAX {
            return Ok(Pulled { runs, next: page.next, head: page.head, heads: None });
        }
        cursor = page.next;
    }
}

fn too_many(heads: &Heads) -> Problem {
    let detail = format!("heads of {} origins exceed {HEADS_MAX}; pull from the log's start", heads.len());
    Problem::new(Code::TooLarge, detail)
}

/// A page that reached the head, with heads to compare, unless the log has moved on since.
async fn last_page(store: &dyn EventStore, runs: Vec<Run>, next: Cursor) -> Result<Pulled, StoreError> {
    let status = store.status().await?;
    let heads = (status.head == next.position).then_some(status.heads);
    Ok(Pulled { runs, next, head: status.head, heads })
}

/// What of a run the replica lacks.
fn lacking(run: &Run, without: Option<ReplicaId>, known: &Heads) -> Option<Run> {
    if without == Some(run.origin()) {
        return None;
    }
    run.since(known.get(run.origin()).seq.plus(1))
}
