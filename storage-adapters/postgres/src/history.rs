//! Which history the server's data have, and what follows if it is not the one that they had.
//!
//! A standby that was promoted continues where it is, and so does a restored backup. What the server before it had acknowledged may be
//! missing. Other commits may take the same positions and the same revisions, and then nobody could tell the old log's end from the
//! new one's. So each log gets a new identity, as a restored log does: who has read further than the log goes now is told so, and
//! brings back what is missing. The revisions continue beyond any that the old server can have reached: what a process remembers of a
//! revision stays true, and who waits for a larger one is woken.
//!
//! The server tells by its own identity and by its timeline, which every promotion and every restore to a point in time raises.

use std::sync::{Mutex, PoisonError};

use sqlx::{AssertSqlSafe, Row};

use crate::connection::Connection;
use crate::error::{Fault, Result, code};
use crate::number::random;

/// So many commits an old server has never made which its successor lacks.
const REVISIONS: i64 = 1 << 40;

/// What the server shows of its history. A standby has none of its own.
pub(crate) const SHOWN: &str = "CASE WHEN pg_is_in_recovery() THEN 'standby'
    ELSE (SELECT system_identifier::text FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) END";

/// The history that the server had when somebody looked last.
#[derive(Debug)]
pub(crate) struct History(Mutex<String>);

impl History {
    /// Asks the server. `None` if it only speaks Postgres' language and has no such thing, or does not tell this user.
    ///
    /// # Errors
    /// Those of the way to the server.
    pub(crate) async fn ask(connection: &mut Connection) -> Result<Option<Self>> {
        match Self::look(connection).await {
            Ok(now) => Ok(Some(Self(Mutex::new(now)))),
            Err(Fault::Server(error)) if is_not_told(&error) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// What the server shows.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn look(connection: &mut Connection) -> Result<String> {
        let row = sqlx::raw_sql(AssertSqlSafe(format!("SELECT {SHOWN}"))).fetch_one(connection).await?;
        Ok(row.try_get(0)?)
    }

    pub(crate) fn is(&self, found: &str) -> bool {
        self.now() == found
    }

    fn now(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, now: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Notes the history with the logs, within the transaction that is open. If they had another one, they are restored logs from
    /// now on.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn note(&self, connection: &mut Connection) -> Result<()> {
        note(connection, &self.now()).await
    }
}

/// Whether there is no such function, or not for everybody, or not on this server.
fn is_not_told(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code.starts_with("42") || code.starts_with("0A"))
}

async fn note(connection: &mut Connection, now: &str) -> Result<()> {
    // Of processes that find out at the same time, one notes it and the others find it noted.
    let select = "SELECT history FROM syncline FOR UPDATE";
    let before: Option<String> = sqlx::query_scalar(select).fetch_one(&mut *connection).await?;
    if before.as_deref() == Some(now) {
        return Ok(());
    }
    if before.is_some() {
        let replace = "UPDATE spaces SET log = substring(sha256($1 || log) FROM 1 FOR 16), revision = revision + $2";
        sqlx::query(replace).bind(random()).bind(REVISIONS).execute(&mut *connection).await?;
    }
    sqlx::query("UPDATE syncline SET history = $1").bind(now).execute(&mut *connection).await?;
    Ok(())
}

/// Takes note of a history that was found over a connection on which nothing is under way.
///
/// # Errors
/// Those of the server. [`StoreError::Backend`](syncline::StoreError::Backend) if it takes no writes yet.
pub(crate) async fn adopt(connection: &mut Connection) -> Result<()> {
    let found = connection.start_adopting().await?;
    note(connection, &found).await?;
    connection.end().await?;
    if let Some(history) = connection.connector().history() {
        history.set(found);
    }
    Ok(())
}
