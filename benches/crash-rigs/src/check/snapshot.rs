//! All that a store shows of one space.

use std::collections::BTreeMap;

use bytes::Bytes;
use syncline::store::{EventStore, Limit, LogStatus, RowRange, StoredRun};
use syncline::{Cursor, ReplicaId, Seq, StoreError, ViewId};

use crate::script;

/// One space, read to its end in every way that a store can be read.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What the log says of itself.
    pub status: LogStatus,
    /// The log in commit order.
    pub log: Vec<StoredRun>,
    /// The log once more, by origins.
    pub origins: BTreeMap<ReplicaId, Vec<StoredRun>>,
    /// The rows of the views.
    pub rows: BTreeMap<(ViewId, Bytes), Bytes>,
}

impl Snapshot {
    /// Reads a space in which nothing is being written.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn read(store: &dyn EventStore) -> Result<Self, StoreError> {
        let status = store.status().await?;
        let mut log = Vec::new();
        let mut next = Cursor { log: status.log, position: status.base };
        loop {
            let page = store.read(next, Limit::PAGE).await?;
            let is_last = page.is_last() || page.next == next;
            next = page.next;
            log.extend(page.runs);
            if is_last {
                break;
            }
        }
        let mut origins = BTreeMap::new();
        for (origin, head) in status.heads.iter() {
            let kept = log.iter().find(|stored: &&StoredRun| stored.run.origin() == origin);
            let after = kept.map_or(head.seq, |stored| Seq::new(stored.run.first().get() - 1));
            origins.insert(origin, Self::origin(store, origin, after).await?);
        }
        let mut rows = BTreeMap::new();
        for view in script::views() {
            Self::scan(store, &view, &mut rows).await?;
        }
        Ok(Self { status, log, origins, rows })
    }

    async fn origin(store: &dyn EventStore, origin: ReplicaId, trimmed: Seq) -> Result<Vec<StoredRun>, StoreError> {
        let mut runs: Vec<StoredRun> = Vec::new();
        loop {
            let after = runs.last().map_or(trimmed, |stored| stored.run.last());
            let more = store.read_origin(origin, after, Limit::PAGE).await?;
            if more.is_empty() {
                return Ok(runs);
            }
            runs.extend(more);
        }
    }

    async fn scan(
        store: &dyn EventStore,
        view: &ViewId,
        rows: &mut BTreeMap<(ViewId, Bytes), Bytes>,
    ) -> Result<(), StoreError> {
        let mut range = RowRange::all();
        loop {
            let more = store.scan(view, range.clone(), Limit::PAGE).await?;
            let Some(last) = more.last() else { return Ok(()) };
            range = range.after(last.key.clone());
            rows.extend(more.into_iter().map(|row| ((view.clone(), row.key), row.value)));
        }
    }
}
