//! One space of a database.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use syncline::id::Revision;
use syncline::store::{
    Committed, EventStore, Limit, LogStatus, Page, Row, RowFold, RowKey, RowRange, StoreError, StoredRun, WriteBatch,
};
use syncline::{Cursor, ReplicaId, Seq, ViewId};

use crate::database::Database;
use crate::log::{AtRevision, ReadOrigin, ReadPage, Status};
use crate::rows::{Load, Scan};
use crate::space::Space;
use crate::writer;

/// A handle to one space.
pub(crate) struct PostgresStore {
    database: Arc<Database>,
    space: Arc<Space>,
}

impl PostgresStore {
    pub(crate) fn new(database: Arc<Database>, space: Arc<Space>) -> Self {
        Self { database, space }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("space", &self.space.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventStore for PostgresStore {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        self.database.ask(Status(self.space.name.clone())).await
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        self.database.ask(ReadPage { space: self.space.name.clone(), after, limit }).await
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        self.database.ask(ReadOrigin { space: self.space.name.clone(), origin, after, limit }).await
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (_, rows) = self.database.ask(Load { space: self.space.name.clone(), keys: keys.to_vec() }).await?;
        Ok(rows)
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.database.ask(Scan { space: self.space.name.clone(), view: view.clone(), range, limit }).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        writer::commit(&self.database, &self.space, batch).await
    }

    /// The rows and their revision come with one statement, so no other asks for the revision.
    async fn commit_folded(&self, mut batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        let (found, stored) =
            self.database.ask(Load { space: self.space.name.clone(), keys: fold.keys.clone() }).await?;
        if let Some(expected) = batch.expected.filter(|expected| *expected != found) {
            return Err(StoreError::Conflict { expected, found });
        }
        let Some(rows) = fold.make(stored) else { return Ok(None) };
        batch.rows.extend(rows);
        self.commit(WriteBatch { expected: Some(found), ..batch }).await.map(Some)
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        let mut listener = self.space.listen();
        self.database.listener.start(&self.database.runtime);
        let revision = self.database.ask(AtRevision(self.space.name.clone())).await?;
        if revision > since {
            return Ok(revision);
        }
        loop {
            listener.await;
            listener = self.space.listen();
            let heard = self.space.heard();
            if heard > since {
                return Ok(heard);
            }
        }
    }
}
