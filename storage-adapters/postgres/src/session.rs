//! What the server and its sessions promise.

use sqlx::Row;
use syncline::store::{Durability, Retry};

use crate::connection::Connection;
use crate::connector::Way;
use crate::error::{Fault, backend};
use crate::history::History;
use crate::options::PostgresOptions;
use crate::work::Work;

/// Proves that a transaction stays in one session, and gives the server's history.
///
/// # Errors
/// [`StoreError::Backend`] if it does not stay. Those of the server.
pub(crate) async fn prove(
    connection: &mut Connection,
    options: &PostgresOptions,
) -> crate::error::Result<Option<History>> {
    if connection.connector().way() == Way::Straight {
        return connection.history().await;
    }
    const CHANGES: &str = "a pooler stands before the server and changes sessions within a transaction; give Syncline's user a pool \
        in transaction mode or in session mode, as PgBouncer does by pool_mode = transaction";
    let started = connection.start(Work::Statements).await;
    started.map_err(|fault| match fault {
        Fault::Server(error) if error.to_string().contains("statement pooling") => {
            Fault::Store(backend(Retry::Never, CHANGES))
        }
        fault => fault,
    })?;
    let row = sqlx::raw_sql("SELECT current_setting('search_path')").fetch_one(&mut *connection).await?;
    if row.try_get::<&str, _>(0)? != options.schema {
        return Err(Fault::Store(backend(Retry::Never, CHANGES)));
    }
    connection.end().await?;
    connection.history().await
}

/// What the server does with a commit.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    synchronous_commit: String,
    /// The server flushes its log at all, and heals pages that a power cut has torn.
    safe: bool,
}

impl Promise {
    /// Asks the server, which must be one that Syncline can work with.
    ///
    /// # Errors
    /// If its text is not Unicode.
    pub(crate) async fn ask(connection: &mut Connection) -> crate::error::Result<Self> {
        // Behind a pooler, a session's own setting may be what somebody else has left behind.
        let is_ours =
            connection.connector().way() == Way::Straight || connection.connector().sets("synchronous_commit");
        // Servers that only speak Postgres' language may not have the second and the third.
        let select = "SELECT CASE WHEN $1 THEN current_setting('synchronous_commit')
                ELSE (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') END,
            coalesce(current_setting('fsync', true), 'on'), coalesce(current_setting('full_page_writes', true), 'on'),
            current_setting('server_encoding')";
        connection.start(Work::Statements).await?;
        let (synchronous_commit, fsync, full_page_writes, encoding): (String, String, String, String) =
            sqlx::query_as(select).bind(is_ours).fetch_one(&mut *connection).await?;
        connection.end().await?;
        if encoding != "UTF8" {
            let refusal = format!("the database's encoding is {encoding}; create one with ENCODING 'UTF8'");
            return Err(Fault::Store(backend(Retry::Never, refusal)));
        }
        Ok(Self { synchronous_commit, safe: fsync == "on" && full_page_writes == "on" })
    }

    /// The setting as the server has it.
    pub(crate) fn synchronous_commit(&self) -> &str {
        &self.synchronous_commit
    }

    /// What a returned commit survives.
    pub(crate) fn durability(&self) -> Durability {
        if self.safe && self.synchronous_commit != "off" { Durability::Synced } else { Durability::Process }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reaches_the_disk_before_the_answer_is_synced() {
        let durability = |synchronous_commit: &str, safe| {
            Promise { synchronous_commit: synchronous_commit.into(), safe }.durability()
        };
        for setting in ["on", "local", "remote_write", "remote_apply"] {
            assert_eq!(durability(setting, true), Durability::Synced);
        }
        assert_eq!(durability("off", true), Durability::Process);
        assert_eq!(durability("on", false), Durability::Process);
    }
}
