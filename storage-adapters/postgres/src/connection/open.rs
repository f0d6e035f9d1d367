//! How connections are opened, and which way they take.
//!
//! The first connection finds out. It carries a mark among the options that a server reads when a session starts. A pooler hands
//! out sessions that have started already, so it refuses such options or skips them.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row};
use syncline::store::Retry;

use super::Connection;
use crate::connector::{Connector, Way};
use crate::error::{Fault, Result, backend, code};
use crate::number::random;
use crate::settings::{Setting, Target, given};

/// The setting that marks a session as started by one connection.
const MARK: &str = "syncline.session";

impl Connection {
    /// Finds the way to the server, and opens the first connection. What is set up are these settings.
    ///
    /// # Errors
    /// Those of the way to the server, and of settings that a pooler keeps from it.
    pub(crate) async fn find(target: Target, settings: Vec<Setting>) -> Result<Self> {
        let mark = random_mark();
        match PgConnection::connect_with(&target.marked(MARK, &mark)).await {
            Ok(mut connection) => {
                if has_mark(&mut connection, &mark).await? {
                    let connector = Connector::new(target, Way::Straight, settings);
                    let mut connection = Self::new(connection, Arc::new(connector));
                    connection.set_up_session().await?;
                    return Ok(connection);
                }
                drop(connection.close().await); // it has told what it was opened for
            }
            Err(error) if takes_no_options(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let settings = [given(&target)?, settings].concat();
        Self::open(&Arc::new(Connector::new(target, Way::Pooled, settings))).await
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) async fn open(connector: &Arc<Connector>) -> Result<Self> {
        if connector.way() == Way::Pooled {
            return Ok(Self::new(PgConnection::connect_with(connector.target().plain()).await?, connector.clone()));
        }
        let mark = random_mark();
        let mut connection = PgConnection::connect_with(&connector.target().marked(MARK, &mark)).await?;
        if !has_mark(&mut connection, &mark).await? {
            let why = "a pooler stands before the server now, which did not when the storage was opened; open it again";
            return Err(Fault::Store(backend(Retry::Never, why)));
        }
        let mut connection = Self::new(connection, connector.clone());
        connection.set_up_session().await?;
        Ok(connection)
    }
}

fn random_mark() -> String {
    random().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the session was started by the connection with this mark.
async fn has_mark(connection: &mut PgConnection, mark: &str) -> Result<bool> {
    let shown = "SELECT coalesce(current_setting('syncline.session', true), '')";
    let row = sqlx::raw_sql(shown).fetch_one(connection).await?;
    Ok(row.try_get::<&str, _>(0)? == mark)
}

/// Whether somebody refuses to start a session with options.
fn takes_no_options(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("08P01" | "0A000"))
}
