//! What the tests share.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use syncline::store::{Storage, StoreError};
use syncline_conformance::Subject;
use syncline_postgres::{PostgresOptions, PostgresStorage};
use syncline_postgres_testing::{Scratch, Server};

/// A schema on the shared server.
pub(crate) fn scratch() -> Scratch {
    Server::shared().scratch()
}

/// How to open a schema. Its connections bear its name.
pub(crate) fn options(scratch: &Scratch) -> PostgresOptions {
    let url = format!("{}{}application_name={}", scratch.url(), mark(scratch.url()), scratch.schema());
    PostgresOptions::new(url).schema(scratch.schema())
}

/// What stands before one more option of a URL.
pub(crate) fn mark(url: &str) -> char {
    if url.contains('?') { '&' } else { '?' }
}

/// Opens a schema, as a process of its own would.
pub(crate) async fn open(scratch: &Scratch) -> PostgresStorage {
    options(scratch).open().await.unwrap()
}

/// The space `notes` of a storage.
pub(crate) async fn notes(storage: &PostgresStorage) -> Subject {
    Subject::open(storage as &dyn Storage, "notes").await
}

/// Another program that holds the head row of the space `notes`, as long as it lives.
pub(crate) struct Holder(PgConnection);

impl Holder {
    pub(crate) async fn of(scratch: &Scratch) -> Self {
        let mut connection = scratch.connect().await;
        connection.execute("BEGIN; SELECT FROM spaces WHERE name = 'notes' FOR UPDATE").await.unwrap();
        Self(connection)
    }

    /// Waits until somebody waits for the row, and gives the number of the server's process that does.
    pub(crate) async fn somebody_waits(&mut self, scratch: &Scratch) -> i32 {
        let select = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
        loop {
            // A transaction sees the activities as they were when it first looked.
            self.0.execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
            let found = sqlx::query_scalar(select).bind(scratch.schema()).fetch_optional(&mut self.0).await.unwrap();
            match found {
                Some(pid) => return pid,
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Lets the row go.
    pub(crate) async fn let_go(mut self) {
        self.0.execute("ROLLBACK").await.unwrap();
    }

    /// Ends one of the server's processes.
    pub(crate) async fn terminate(&mut self, pid: i32) {
        let ended = sqlx::query_scalar("SELECT pg_terminate_backend($1)").bind(pid).fetch_one(&mut self.0).await;
        assert!(ended.unwrap_or(false), "process {pid} is ended");
    }
}

/// Runs statements in a schema, as a person with a shell would.
pub(crate) async fn by_hand(scratch: &Scratch, sql: impl Into<String>) {
    scratch.connect().await.execute(AssertSqlSafe(sql.into())).await.unwrap();
}

/// Does something until it succeeds; its failures must be of the kind that passes.
pub(crate) async fn until_it_works<T>(mut act: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let mut last = None;
    let trying = async {
        loop {
            match act().await {
                Ok(done) => return done,
                Err(error) => {
                    assert_ne!(error.retry(), syncline::store::Retry::Never, "{error}");
                    last = Some(error);
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(60), trying).await;
    done.unwrap_or_else(|_| panic!("it does not work before long: {last:?}"))
}
