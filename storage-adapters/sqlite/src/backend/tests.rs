//! Transactions that fail, which no other test can bring about.

use std::sync::Arc;

use rusqlite::Connection;
use syncline::id::Revision;
use syncline::store::draft::Outcome;
use syncline::store::{EventStore, Retry, RowKey, RowWrite, WriteBatch};
use syncline::{SpaceId, StoreError, ViewId};
use syncline_embedded::Database;
use tempfile::TempDir;

use super::Sqlite;
use crate::error::Result;
use crate::open::open;
use crate::options::SqliteOptions;

struct Fixture {
    database: Arc<Database<Sqlite>>,
    store: Arc<dyn EventStore>,
    dir: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap()).await
    }

    async fn at(dir: TempDir) -> Self {
        let database = Arc::new(open(&SqliteOptions::new(dir.path().join("a.sqlite"))).unwrap());
        let store = database.open(&SpaceId::new("notes").unwrap()).await.unwrap();
        Self { database, store, dir }
    }

    /// Commits a row of so many bytes.
    async fn commit(&self, bytes: usize) -> Outcome {
        self.store.commit(row(bytes)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        self.database.read(|session| ask(session.0)).await
    }

    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        self.database.write(|session, _| change(session.0)).await
    }

    /// Says how many pages the file may have.
    async fn allow_pages(&self, count: i64) {
        let set = move |db: &Connection| Ok(db.pragma_update_and_check(None, "max_page_count", count, |_| Ok(()))?);
        self.write(set).await.unwrap();
    }

    async fn revision(&self) -> Revision {
        self.store.status().await.unwrap().revision
    }
}

/// A row of so many bytes, at a key of its own: of a row that a group writes twice, only what was written last reaches the file.
fn row(bytes: usize) -> WriteBatch {
    let key = RowKey::new(ViewId::new("todo@1").unwrap(), bytes.to_string());
    WriteBatch { rows: vec![RowWrite { key, value: Some(vec![7; bytes].into()) }], ..WriteBatch::default() }
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_passes() {
    let fixture = Fixture::new().await;
    let commit = |bytes| fixture.commit(bytes);
    commit(10).await.unwrap();
    fixture.allow_pages(1).await;
    let error = commit(1_000_000).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Later, "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
    assert_eq!(fixture.revision().await, Revision::new(1));
    commit(20).await.unwrap();
    fixture.allow_pages(1_000_000).await;
    commit(1_000_000).await.unwrap();
    assert_eq!(fixture.revision().await, Revision::new(3));
}

#[tokio::test]
async fn a_commit_that_fills_the_disk_does_not_fail_those_that_fit() {
    let fixture = Fixture::new().await;
    fixture.allow_pages(1).await;
    let commit = |bytes| fixture.commit(bytes);
    let (first, large, last) = futures_util::join!(commit(10), commit(1_000_000), commit(30));
    assert!(large.is_err());
    assert_eq!((first.unwrap().revision, last.unwrap().revision), (Revision::new(1), Revision::new(2)));
}

#[tokio::test]
async fn a_commit_that_sqlite_refuses_at_the_very_end_is_rolled_back() {
    let fixture = Fixture::new().await;
    let dangling = |db: &Connection| {
        let sql = "CREATE TABLE t (a REFERENCES spaces DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (9)";
        Ok(db.execute_batch(sql)?)
    };
    fixture.write(dangling).await.unwrap_err();
    let tables = |db: &Connection| {
        Ok(db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 't'", [], |row| row.get::<_, i64>(0))?)
    };
    assert_eq!(fixture.read(tables).await.unwrap(), 0);
    fixture.commit(10).await.unwrap();
}

#[tokio::test]
async fn a_panic_poisons_until_the_file_is_opened_anew() {
    let fixture = Fixture::new().await;
    fixture.commit(10).await.unwrap();
    let panics = |db: &Connection| -> Result<()> {
        db.execute("DELETE FROM rows", [])?;
        panic!("as the test wants")
    };
    let error = fixture.write(panics).await.unwrap_err();
    assert!(error.to_string().contains("as the test wants"), "{error}");
    let refused = fixture.commit(20).await.unwrap_err();
    assert!(matches!(refused, StoreError::Poisoned { .. }));
    let refused = fixture.read(|_| Ok(())).await.unwrap_err();
    assert!(matches!(refused, StoreError::Poisoned { .. }));
    let Fixture { database, store, dir } = fixture;
    drop((database, store));
    let fixture = Fixture::at(dir).await;
    let count = |db: &Connection| Ok(db.query_row("SELECT count(*) FROM rows", [], |row| row.get::<_, i64>(0))?);
    assert_eq!(fixture.read(count).await.unwrap(), 1);
}

#[tokio::test]
async fn a_poisoned_file_lets_nobody_wait_for_a_change() {
    let fixture = Fixture::new().await;
    let changed = fixture.store.changed(Revision::ZERO);
    let panics = fixture.write(|_| -> Result<()> { panic!("as the test wants") });
    let (changed, _) = futures_util::join!(changed, panics);
    assert!(matches!(changed, Err(StoreError::Poisoned { .. })));
    assert!(matches!(fixture.store.status().await, Err(StoreError::Poisoned { .. })));
}

#[tokio::test]
async fn a_read_that_panics_fails_alone() {
    let fixture = Fixture::new().await;
    for _ in 0..5 {
        let panics = |_: &Connection| -> Result<()> { panic!("as the test wants") };
        assert!(fixture.read(panics).await.is_err());
    }
    assert_eq!(fixture.read(|_| Ok(7)).await.unwrap(), 7);
}
