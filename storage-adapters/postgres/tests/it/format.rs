//! Schemas that are not ours, or not yet.

use sqlx::Executor;
use syncline::store::{Retry, StoreError};
use syncline_conformance::{Author, appends};
use syncline_postgres_testing::Scratch;

use crate::fixture::{by_hand, mark, notes, open, options, scratch};

async fn refusal(scratch: &Scratch) -> StoreError {
    options(scratch).open().await.unwrap_err()
}

fn assert_unsupported(error: &StoreError, expected: &str) {
    match error {
        StoreError::UnsupportedFormat { found, newest: 3, what } => {
            assert!(found.contains(expected) && what.contains("test_"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_by_name_and_left_as_it_is() {
    let scratch = scratch();
    drop(open(&scratch).await);
    by_hand(&scratch, "UPDATE syncline SET format = 4").await;
    for _ in 0..2 {
        assert_unsupported(&refusal(&scratch).await, "4");
    }
    by_hand(&scratch, "UPDATE syncline SET format = 3").await;
    notes(&open(&scratch).await).await;
}

#[tokio::test]
async fn a_schema_of_an_earlier_format_is_brought_up_to_date_and_its_logs_stay_what_they_are() {
    let first =
        "ALTER TABLE spaces DROP COLUMN base; ALTER TABLE syncline DROP COLUMN history; UPDATE syncline SET format = 1";
    let second = "ALTER TABLE spaces DROP COLUMN base; UPDATE syncline SET format = 2";
    for earlier in [first, second] {
        assert_brought_up_to_date(earlier).await;
    }
}

async fn assert_brought_up_to_date(earlier: &str) {
    let scratch = scratch();
    let store = notes(&open(&scratch).await).await;
    store.commit(appends([Author::new(1).write(2)])).await;
    let before = store.store().status().await.unwrap();
    drop(store);
    by_hand(&scratch, earlier).await;
    for _ in 0..2 {
        assert_eq!(notes(&open(&scratch).await).await.store().status().await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused_and_left_as_it_is() {
    let scratch = scratch();
    let create = format!("CREATE SCHEMA {0}; CREATE TABLE {0}.articles (id integer)", scratch.schema());
    by_hand(&scratch, create).await;
    assert_unsupported(&refusal(&scratch).await, "articles");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = $1";
    let count: i64 =
        sqlx::query_scalar(tables).bind(scratch.schema()).fetch_one(&mut scratch.connect().await).await.unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_mark_that_is_not_ours_is_refused() {
    for mark in ["CREATE TABLE syncline (name text)", "CREATE TABLE syncline (format integer)"] {
        let scratch = scratch();
        by_hand(&scratch, format!("CREATE SCHEMA {}", scratch.schema())).await;
        by_hand(&scratch, mark).await;
        assert_unsupported(&refusal(&scratch).await, "unknown");
    }
}

#[tokio::test]
async fn an_empty_schema_that_exists_already_is_taken() {
    let scratch = scratch();
    by_hand(&scratch, format!("CREATE SCHEMA {}", scratch.schema())).await;
    notes(&open(&scratch).await).await;
}

#[tokio::test]
async fn two_schemas_of_one_database_share_nothing() {
    let (one, other) = (scratch(), scratch());
    let (one, other) = (open(&one).await, open(&other).await);
    assert_ne!(notes(&one).await.status().await.log, notes(&other).await.status().await.log);
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused_with_advice() {
    let scratch = scratch();
    drop(open(&scratch).await);
    let url = format!("{0}{1}options=-c%20default_transaction_read_only=on", scratch.url(), mark(scratch.url()));
    let error = syncline_postgres::PostgresOptions::new(url).schema(scratch.schema()).open().await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert!(error.to_string().contains("primary"), "{error}");
}

#[tokio::test]
async fn a_server_that_stops_taking_writes_says_so_with_each_commit() {
    let scratch = scratch();
    let storage = open(&scratch).await;
    let store = notes(&storage).await;
    let role = "DO $$ BEGIN EXECUTE format('CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        ''BEGIN RAISE ''''read-only'''' USING ERRCODE = ''''read_only_sql_transaction''''; END'''); END $$;
        CREATE TRIGGER standby BEFORE UPDATE ON spaces EXECUTE FUNCTION refuse()";
    scratch.connect().await.execute(role).await.unwrap();
    let error = store.refusal(syncline::store::WriteBatch::default()).await;
    assert!(error.retry() == Retry::Never && error.to_string().contains("primary"), "{error}");
    assert_eq!(store.status().await.revision.get(), 0);
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_told_with_advice() {
    let url = "postgres:///none?host=/nonexistent";
    let error = syncline_postgres::PostgresStorage::at(url).await.unwrap_err();
    assert!(error.retry() == Retry::Later && error.to_string().contains("server"), "{error}");
    let scratch = scratch();
    let url = format!("{0}{1}dbname=no_such_database", scratch.url(), mark(scratch.url()));
    let error = syncline_postgres::PostgresStorage::at(url).await.unwrap_err();
    assert!(error.retry() == Retry::Never && error.to_string().contains("create the database"), "{error}");
}

#[tokio::test]
async fn every_table_of_the_logs_can_be_partitioned_by_space() {
    let scratch = scratch();
    drop(open(&scratch).await);
    let mut connection = scratch.connect().await;
    for (table, space) in
        [("spaces", "name"), ("heads", "space"), ("runs", "space"), ("views", "space"), ("rows", "space")]
    {
        // Refused if a key or a unique index does not hold the column.
        let parted = format!("CREATE TABLE parted_{table} (LIKE {table} INCLUDING ALL) PARTITION BY HASH ({space})");
        connection.execute(sqlx::AssertSqlSafe(parted)).await.unwrap();
        let references =
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND $1::regclass IN (conrelid, confrelid)";
        let count: i64 = sqlx::query_scalar(references).bind(table).fetch_one(&mut connection).await.unwrap();
        assert_eq!(count, 0, "{table}");
    }
    let sequences = "SELECT count(*) FROM pg_sequences WHERE schemaname = $1";
    let count: i64 = sqlx::query_scalar(sequences).bind(scratch.schema()).fetch_one(&mut connection).await.unwrap();
    assert_eq!(count, 0);
}
