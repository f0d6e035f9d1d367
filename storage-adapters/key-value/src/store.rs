//! One space of a database as an event store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use syncline::store::check::check_cursor;
use syncline::store::page::PageBuilder;
use syncline::store::{
    Committed, EventStore, Limit, LogStatus, Page, Row, RowKey, RowRange, StoreError, StoredRun, WriteBatch,
};
use syncline::{Cursor, Heads, ReplicaId, Revision, Seq, ViewId};

use crate::backend::KeyValue;
use crate::database::Database;
use crate::space::Space;
use crate::{log, rows};

/// One space. [`Storage::open`](syncline::Storage::open) of [`KeyValueStorage`](crate::KeyValueStorage) gives it.
#[derive(Debug)]
pub(crate) struct KeyValueStore<K: KeyValue> {
    database: Arc<Database<K>>,
    space: Arc<Space>,
}

impl<K: KeyValue> KeyValueStore<K> {
    pub(crate) fn new(database: Arc<Database<K>>, space: Arc<Space>) -> Self {
        Self { database, space }
    }
}

#[async_trait]
impl<K: KeyValue> EventStore for KeyValueStore<K> {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        self.database.check()?;
        let state = self.space.state();
        Ok(state.status.with_heads(state.heads.clone()))
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let read = move |snapshot: &K::Snapshot<'_>, space: &Space, status: &crate::record::Status| {
            let status = status.with_heads(Heads::new());
            check_cursor(after, &status)?;
            let page = log::read(snapshot, &space.place, after.position, status.head, limit)?;
            Ok(page.finish_page(after, &status))
        };
        self.database.read_space(&self.space, read).await
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        let read = move |snapshot: &K::Snapshot<'_>, space: &Space, _: &_| {
            log::read_origin(snapshot, &space.place, origin, after.plus(1), limit).map(PageBuilder::finish)
        };
        self.database.read_space(&self.space, read).await
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys = keys.to_vec();
        let load = move |snapshot: &K::Snapshot<'_>, space: &Space, status: &_| {
            rows::load(snapshot, &space.place, status, &keys)
        };
        self.database.read_space(&self.space, load).await
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        let view = view.clone();
        let scan = move |snapshot: &K::Snapshot<'_>, space: &Space, status: &crate::record::Status| match status
            .views
            .get(&view)
        {
            Some(view) => rows::scan(snapshot, &space.place, *view, &range, limit),
            None => Ok(Vec::new()),
        };
        self.database.read_space(&self.space, scan).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        self.database.commit(&self.space, batch).await
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        loop {
            let listener = self.space.changed.listen();
            self.database.check()?;
            let revision = self.space.state().status.revision;
            if revision > since {
                return Ok(revision);
            }
            listener.await;
        }
    }
}
