//! The server's history over a connection: asked for, noted with the logs, and adopted if it has changed.

use sqlx::{AssertSqlSafe, Row};

use super::Connection;
use crate::connector::Way;
use crate::error::{Fault, Result, code};
use crate::history::{History, SHOWN};
use crate::number::random;
use crate::work::Work;

/// So many commits an old server has never made which its successor lacks.
const REVISIONS: i64 = 1 << 40;

impl Connection {
    /// The history that the server has now. `None` if it only speaks Postgres' language and has no such thing, or does not tell this
    /// user.
    ///
    /// # Errors
    /// Those of the way to the server.
    pub(crate) async fn history(&mut self) -> Result<Option<History>> {
        match self.look().await {
            Ok(now) => Ok(Some(History::new(now))),
            Err(Fault::Server(error)) if is_not_told(&error) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Notes a history with the logs, within the transaction that is open. If they had another one, they are restored logs from now
    /// on.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn note(&mut self, now: &str) -> Result<()> {
        // Of processes that find out at the same time, one notes it and the others find it noted.
        let select = "SELECT history FROM syncline FOR UPDATE";
        let before: Option<String> = sqlx::query_scalar(select).fetch_one(&mut *self).await?;
        if before.as_deref() == Some(now) {
            return Ok(());
        }
        if before.is_some() {
            let replace =
                "UPDATE spaces SET log = substring(sha256($1 || log) FROM 1 FOR 16), revision = revision + $2";
            sqlx::query(replace).bind(random()).bind(REVISIONS).execute(&mut *self).await?;
        }
        sqlx::query("UPDATE syncline SET history = $1").bind(now).execute(self).await?;
        Ok(())
    }

    /// Takes note of a history that was found over this connection, on which nothing is under way.
    ///
    /// # Errors
    /// Those of the server. [`StoreError::Backend`](syncline::StoreError::Backend) if it takes no writes yet.
    pub(super) async fn adopt(&mut self) -> Result<()> {
        match self.connector.way() {
            Way::Straight => self.begin(Work::Transaction).await?,
            Way::Pooled => drop(self.set_up(Some(Work::Transaction)).await?), // that it is another one is known
        }
        let found = self.look().await?;
        self.note(&found).await?;
        self.end().await?;
        if let Some(history) = self.connector.history() {
            history.set(found);
        }
        Ok(())
    }

    /// What the server shows.
    async fn look(&mut self) -> Result<String> {
        let row = sqlx::raw_sql(AssertSqlSafe(format!("SELECT {SHOWN}"))).fetch_one(self).await?;
        Ok(row.try_get(0)?)
    }
}

/// Whether there is no such function, or not for everybody, or not on this server.
fn is_not_told(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code.starts_with("42") || code.starts_with("0A"))
}
