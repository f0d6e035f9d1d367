//! Telling a replica how far a log reaches, by digests of its heads.

use std::collections::BTreeSet;

use super::ServiceError;
use crate::format::heads::Heads;
use crate::id::Cursor;
use crate::limits::COMPARE_PARTS_MAX;
use crate::protocol::{Code, Compare, Compared, Problem};
use crate::store::{EventStore, Limit, LogStatus, StoreError};

/// How much of the log is read for the origins that have moved. A replica that is further behind compares subtrees.
const MOVED: Limit = Limit { items: 1_024, bytes: 256 * 1024 };

/// Answers with the digest of the heads, and with those heads and subtrees that are asked for.
pub(super) async fn compare(
    store: &dyn EventStore,
    status: &LogStatus,
    asked: Compare,
) -> Result<Compared, ServiceError> {
    if asked.parts.len() > COMPARE_PARTS_MAX {
        let detail = format!("{} subtrees exceed {COMPARE_PARTS_MAX}; ask several times", asked.parts.len());
        return Err(Problem::new(Code::TooLarge, detail).into());
    }
    let moved = match asked.since {
        Some(since) => moved(store, status, since).await?,
        None => Heads::new(),
    };
    Ok(Compared {
        head: Cursor { log: status.log, position: status.head },
        digest: status.heads.digest(),
        moved,
        parts: asked.parts.iter().map(|prefix| status.heads.part(prefix)).collect(),
    })
}

/// The heads of the origins that have bundles behind this place.
async fn moved(store: &dyn EventStore, status: &LogStatus, since: Cursor) -> Result<Heads, StoreError> {
    let is_behind = since.log == status.log && (status.base..status.head).contains(&since.position);
    if !is_behind {
        return Ok(Heads::new());
    }
    let page = match store.read(since, MOVED).await {
        Ok(page) if page.is_last() => page,
        // The replica compares subtrees then.
        Ok(_) | Err(StoreError::CursorGone { .. }) => return Ok(Heads::new()),
        Err(error) => return Err(error),
    };
    let origins: BTreeSet<_> = page.runs.iter().map(|stored| stored.run.origin()).collect();
    Ok(origins.into_iter().map(|origin| (origin, status.heads.get(origin))).collect())
}
