//! Transactions that fail, which no other test can bring about.

use std::sync::Arc;

use rusqlite::Connection;
use syncline::store::{Retry, RowKey, RowWrite, WriteBatch};
use syncline::{Revision, SpaceId, StoreError, ViewId};
use tempfile::TempDir;

use crate::database::Database;
use crate::error::Result;
use crate::options::SqliteOptions;
use crate::space::Space;

struct Fixture {
    database: Database,
    space: Arc<Space>,
    dir: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::at(dir).await
    }

    async fn at(dir: TempDir) -> Self {
        let database = Database::open(&SqliteOptions::new(dir.path().join("a.sqlite"))).unwrap();
        let space = database.space(&SpaceId::new("notes").unwrap()).await.unwrap();
        Self { database, space, dir }
    }

    /// Says how many pages the file may have.
    async fn allow_pages(&self, count: i64) {
        let set = move |db: &Connection| Ok(db.pragma_update_and_check(None, "max_page_count", count, |_| Ok(()))?);
        self.database.write(set).await.unwrap();
    }

    async fn revision(&self) -> Revision {
        self.space.status_in_memory().unwrap().revision
    }
}

/// A row of so many bytes.
fn row(bytes: usize) -> WriteBatch {
    let key = RowKey::new(ViewId::new("todo@1").unwrap(), "key");
    WriteBatch { rows: vec![RowWrite { key, value: Some(vec![7; bytes].into()) }], ..WriteBatch::default() }
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_passes() {
    let fixture = Fixture::new().await;
    let commit = |bytes| fixture.database.commit(&fixture.space, row(bytes));
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
    let commit = |bytes| fixture.database.commit(&fixture.space, row(bytes));
    let (first, large, last) = futures_util::join!(commit(10), commit(1_000_000), commit(30));
    assert!(large.is_err());
    assert_eq!((first.unwrap().revision, last.unwrap().revision), (Revision::new(1), Revision::new(2)));
}

#[tokio::test]
async fn a_commit_that_sqlite_refuses_at_the_very_end_is_rolled_back() {
    let fixture = Fixture::new().await;
    let dangling = |db: &Connection| {
        let sql = "CREATE TABLE t (a REFERENCES account_users DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (9)";
        Ok(db.execute_batch(sql)?)
    };
    fixture.database.write(dangling).await.unwrap_err();
    let tables = |db: &Connection| {
        Ok(db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 't'", [], |row| row.get::<_, i64>(0))?)
    };
    assert_eq!(fixture.database.read(tables).await.unwrap(), 0);
    fixture.database.commit(&fixture.space, row(10)).await.unwrap();
}

#[tokio::test]
async fn a_panic_poisons_until_the_file_is_opened_anew() {
    let fixture = Fixture::new().await;
    fixture.database.commit(&fixture.space, row(10)).await.unwrap();
    let panics = |db: &Connection| -> Result<()> {
        db.execute("DELETE FROM rows", [])?;
        panic!("as the test wants")
    };
    let error = fixture.database.write(panics).await.unwrap_err();
    assert!(error.to_string().contains("as the test wants"), "{error}");
    let refused = fixture.database.commit(&fixture.space, row(20)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Poisoned { .. }));
    let refused = fixture.database.read(|_| Ok(())).await.unwrap_err();
    assert!(matches!(refused, StoreError::Poisoned { .. }));
    let Fixture { database, dir, .. } = fixture;
    drop(database);
    let fixture = Fixture::at(dir).await;
    let count = |db: &Connection| Ok(db.query_row("SELECT count(*) FROM rows", [], |row| row.get::<_, i64>(0))?);
    assert_eq!(fixture.database.read(count).await.unwrap(), 1);
}

#[tokio::test]
async fn a_poisoned_file_lets_nobody_wait_for_a_change() {
    let fixture = Fixture::new().await;
    let database = Arc::new(fixture.database);
    let store = crate::store::SqliteStore::new(database.clone(), fixture.space);
    let changed = syncline::EventStore::changed(&store, Revision::ZERO);
    let panics = database.write(|_| -> Result<()> { panic!("as the test wants") });
    let (changed, _) = futures_util::join!(changed, panics);
    assert!(matches!(changed, Err(StoreError::Poisoned { .. })));
    assert!(matches!(syncline::EventStore::status(&store).await, Err(StoreError::Poisoned { .. })));
}

#[tokio::test]
async fn a_read_that_panics_fails_alone() {
    let fixture = Fixture::new().await;
    for _ in 0..5 {
        let panics = |_: &Connection| -> Result<()> { panic!("as the test wants") };
        assert!(fixture.database.read(panics).await.is_err());
    }
    assert_eq!(fixture.database.read(|_| Ok(7)).await.unwrap(), 7);
}
