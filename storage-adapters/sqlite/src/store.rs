//! One space of a SQLite file as an event store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;
use syncline::store::check::check_cursor;
use syncline::store::{
    Committed, EventStore, Limit, LogStatus, Page, Row, RowKey, RowRange, StoreError, StoredRun, WriteBatch,
};
use syncline::{Cursor, Position, ReplicaId, Revision, Seq, ViewId};

use crate::database::Database;
use crate::error::Result as Read;
use crate::number::{SpaceKey, from_integer};
use crate::space::Space;
use crate::{log, rows};

/// One space. [`Storage::open`](syncline::Storage::open) of [`SqliteStorage`](crate::SqliteStorage) gives it.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    database: Arc<Database>,
    space: Arc<Space>,
}

impl SqliteStore {
    pub(crate) fn new(database: Arc<Database>, space: Arc<Space>) -> Self {
        Self { database, space }
    }
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        self.database.check()?;
        if let Some(status) = self.space.status_in_memory() {
            return Ok(status);
        }
        let space = self.space.clone();
        self.database.read(move |db| space.status_in_file(db)).await
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let space = self.space.clone();
        let read = move |db: &Connection| {
            let status = LogStatus { head: read_head(db, space.key)?, ..LogStatus::fresh(space.log) };
            check_cursor(after, &status)?;
            let page = log::read(db, (&space.name, space.key), after.position, status.head, limit)?;
            Ok(page.finish_page(after, &status))
        };
        self.database.read(read).await
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        let space = self.space.clone();
        let read = move |db: &Connection| {
            let known = space.state().head_ids.get(&origin).copied();
            // A commit may be in the file before it is known here.
            let head_id = known.map_or_else(|| log::head_id(db, space.key, origin), |id| Ok(Some(id)))?;
            let Some(head_id) = head_id else { return Ok(Vec::new()) };
            let origin = log::Origin { space: &space.name, origin, head_id };
            Ok(log::read_origin(db, origin, after.plus(1), limit)?.finish())
        };
        self.database.read(read).await
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let (space, keys) = (self.space.key, keys.to_vec());
        self.database.read(move |db| rows::load(db, space, &keys)).await
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        let (space, view) = (self.space.key, view.clone());
        let read = move |db: &Connection| match rows::view_id(db, space, &view)? {
            Some(view) => rows::scan(db, view, &range, limit),
            None => Ok(Vec::new()),
        };
        self.database.read(read).await
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

fn read_head(db: &Connection, space: SpaceKey) -> Read<Position> {
    let mut select = db.prepare_cached("SELECT head FROM spaces WHERE id = ?1")?;
    let head = select.query_row([space.0], |row| row.get(0))?;
    Ok(Position::new(from_integer("head", head)?))
}
