//! One space of a database as an event store.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use syncline::id::Revision;
use syncline::store::check::check_cursor;
use syncline::store::page::{PageBuilder, RowPageBuilder};
use syncline::store::{
    Committed, EventStore, Limit, LogStatus, Page, Row, RowFold, RowKey, RowRange, StoreError, StoredRun, WriteBatch,
};
use syncline::{Cursor, ReplicaId, Seq, ViewId};

use crate::backend::{At, Backend, Session};
use crate::database::Database;
use crate::log;
use crate::space::Space;

/// One space. [`Database::open`] gives it.
#[derive(Debug)]
pub(crate) struct EmbeddedStore<B: Backend> {
    database: Arc<Database<B>>,
    space: Arc<Space<B::Key>>,
}

impl<B: Backend> EmbeddedStore<B> {
    pub(crate) fn new(database: Arc<Database<B>>, space: Arc<Space<B::Key>>) -> Self {
        Self { database, space }
    }
}

#[async_trait]
impl<B: Backend> EventStore for EmbeddedStore<B> {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        self.database.check()?;
        Ok(self.space.state().status.clone())
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let read = move |session: &B::Session<'_>, space: &_| {
            let At { log, head, base, .. } = session.at(space)?;
            let status = LogStatus { head, base, ..LogStatus::fresh(log) };
            check_cursor(after, &status)?;
            Ok(log::read::<B>(session, space, after.position, status.head, limit)?.finish_page(after, &status))
        };
        self.database.read_space(&self.space, read).await
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        let read = move |session: &B::Session<'_>, space: &_| {
            log::read_origin::<B>(session, space, origin, after.plus(1), limit).map(PageBuilder::finish)
        };
        self.database.read_space(&self.space, read).await
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys = keys.to_vec();
        self.database.read_space(&self.space, move |session, space| session.load(space, &keys)).await
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let view = view.clone();
        let scan = move |session: &B::Session<'_>, space: &_| {
            let mut page = RowPageBuilder::new(limit);
            session.rows(space, &view, &range, &mut |key, value| {
                if page.push_copy(key, value) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            Ok(page.finish())
        };
        self.database.read_space(&self.space, scan).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        self.database.commit(&self.space, batch).await
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        self.database.commit_folded(&self.space, batch, fold).await
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
