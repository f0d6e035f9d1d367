//! The store under test, with the failures that no law expects turned into panics.

use std::sync::Arc;

use bytes::Bytes;
use syncline::id::Revision;
use syncline::store::{
    Committed, EventStore, Limit, LogStatus, Page, Row, RowFold, RowKey, RowRange, RowWrite, Storage, StoreError,
    WriteBatch,
};
use syncline::{Cursor, Position, ReplicaId, Seq, ViewId};

use crate::placed::{Placed, unpack};
use crate::{StoreHarness, space};

/// The space that laws use if they need one only.
pub const SPACE: &str = "conformance";

/// One space of a storage under test. Every method panics if the store fails.
#[derive(Debug, Clone)]
pub struct Subject(Arc<dyn EventStore>);

/// All that can be observed of a log and of some of its views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its status.
    pub status: LogStatus,
    /// Its bundles.
    pub log: Vec<Placed>,
    /// The rows of each view asked for.
    pub rows: Vec<(ViewId, Vec<Row>)>,
}

impl Subject {
    /// A new log in a new storage.
    pub async fn fresh(harness: &dyn StoreHarness) -> Self {
        Self::open(&*harness.fresh().await, SPACE).await
    }

    /// The log of this space.
    pub async fn open(storage: &dyn Storage, name: &str) -> Self {
        Self(storage.open(&space(name)).await.expect("the space opens"))
    }

    /// The store itself, for calls that may fail.
    pub fn store(&self) -> &dyn EventStore {
        &*self.0
    }

    /// Commits.
    pub async fn commit(&self, batch: WriteBatch) -> Committed {
        self.0.commit(batch).await.expect("the batch is sound")
    }

    /// Commits a batch with what a fold makes of stored rows; `None` if it declines.
    pub async fn commit_folded(
        &self,
        batch: WriteBatch,
        keys: &[RowKey],
        fold: impl FnOnce(Vec<Option<Bytes>>) -> Option<Vec<RowWrite>> + Send + 'static,
    ) -> Option<Committed> {
        self.0.commit_folded(batch, RowFold::new(keys.to_vec(), fold)).await.expect("the batch is sound")
    }

    /// Commits what must be refused, and gives the refusal.
    pub async fn refusal(&self, batch: WriteBatch) -> StoreError {
        self.0.commit(batch).await.expect_err("the batch must be refused")
    }

    /// The log's status.
    pub async fn status(&self) -> LogStatus {
        self.0.status().await.expect("the status reads")
    }

    /// The cursor to a place in this log.
    pub async fn cursor(&self, position: u64) -> Cursor {
        Cursor { log: self.status().await.log, position: Position::new(position) }
    }

    /// One page.
    pub async fn page(&self, after: u64, limit: Limit) -> Page {
        let after = self.cursor(after).await;
        self.0.read(after, limit).await.expect("the page reads")
    }

    /// The bundles of the next page, and whether it is the last. Moves the cursor on.
    pub async fn read_on(&self, cursor: &mut Cursor, limit: Limit) -> (Vec<Placed>, bool) {
        let page = self.0.read(*cursor, limit).await.expect("the page reads");
        let moves_on = page.next.log == cursor.log && page.next.position > cursor.position;
        assert!(moves_on || page.is_last(), "behind {cursor}, a page that is not the last moves on: {page:?}");
        *cursor = page.next;
        (unpack(&page.runs), page.is_last())
    }

    /// All bundles behind `after`, by pages of at most `limit`.
    pub async fn log_after(&self, after: u64, limit: Limit) -> Vec<Placed> {
        let mut cursor = self.cursor(after).await;
        let (mut all, mut is_last) = (Vec::new(), false);
        while !is_last {
            let (bundles, last) = self.read_on(&mut cursor, limit).await;
            all.extend(bundles);
            is_last = last;
        }
        all
    }

    /// All bundles that the log keeps.
    pub async fn log(&self) -> Vec<Placed> {
        self.log_after(self.status().await.base.get(), Limit::PAGE).await
    }

    /// One origin's bundles behind `after`, at most `limit`.
    pub async fn origin(&self, origin: ReplicaId, after: u64, limit: Limit) -> Vec<Placed> {
        unpack(&self.0.read_origin(origin, Seq::new(after), limit).await.expect("the origin reads"))
    }

    /// Rows by key, in the order asked.
    pub async fn load(&self, keys: &[RowKey]) -> Vec<Option<Bytes>> {
        self.0.load(keys).await.expect("the rows load")
    }

    /// One row.
    pub async fn row(&self, view: &ViewId, key: impl AsRef<[u8]>) -> Option<Bytes> {
        self.load(&[crate::row_key(view, key)]).await.remove(0)
    }

    /// The rows of one view within a range.
    pub async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Vec<Row> {
        self.0.scan(view, range, limit).await.expect("the rows scan")
    }

    /// All rows of one view as keys and values.
    pub async fn rows(&self, view: &ViewId) -> Vec<(Bytes, Bytes)> {
        let rows = self.scan(view, RowRange::all(), Limit::items(u32::MAX)).await;
        rows.into_iter().map(|row| (row.key, row.value)).collect()
    }

    /// Waits until the revision is larger than `since`.
    pub async fn changed(&self, since: Revision) -> Revision {
        self.0.changed(since).await.expect("the wait ends well")
    }

    /// Everything there is to see.
    pub async fn image(&self, views: &[ViewId]) -> Image {
        let mut rows = Vec::new();
        for view in views {
            rows.push((view.clone(), self.scan(view, RowRange::all(), Limit::items(u32::MAX)).await));
        }
        Image { status: self.status().await, log: self.log().await, rows }
    }
}
