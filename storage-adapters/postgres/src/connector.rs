//! How connections are opened, and which way they take: straight to the server, or through a pooler.
//!
//! The first connection finds out. It carries a mark among the options that a server reads when a session starts. A pooler hands
//! out sessions that have started already, so it refuses such options or skips them.

use std::sync::Arc;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, RawSql, Row};
use syncline::store::Retry;

use crate::connection::{Connection, Work};
use crate::error::{Fault, Result, backend, code};
use crate::history::{self, History};
use crate::number::random;
use crate::session::{Setting, Target, given, quoted};

/// The setting that marks a session as started by one connection.
const MARK: &str = "syncline.session";

/// Which way connections take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A connection has a session of its own.
    Straight,
    /// A connection may have another session in each transaction.
    Pooled,
}

/// Opens connections and sets up their sessions. It has no `Debug`, which would show a password.
pub(crate) struct Connector {
    target: Target,
    way: Way,
    settings: Vec<Setting>,
    /// `None` if the server cannot tell its history.
    history: Option<History>,
}

impl Connector {
    /// Finds the way to the server, and opens the first connection. What is set up are these settings.
    ///
    /// # Errors
    /// Those of the way to the server, and of settings that a pooler keeps from it.
    pub(crate) async fn find(target: Target, settings: Vec<Setting>) -> Result<Connection> {
        let mark = random_mark();
        match PgConnection::connect_with(&target.marked(MARK, &mark)).await {
            Ok(mut connection) => {
                if has_mark(&mut connection, &mark).await? {
                    let connector = Self { target, way: Way::Straight, settings, history: None };
                    let mut connection = Connection::new(connection, Arc::new(connector));
                    connection.set_up_session().await?;
                    return Ok(connection);
                }
                drop(connection.close().await); // it has told what it was opened for
            }
            Err(error) if takes_no_options(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let settings = [given(&target)?, settings].concat();
        Arc::new(Self { target, way: Way::Pooled, settings, history: None }).connect().await
    }

    /// The same way with other settings, to a server that has this history.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(crate) fn with(&self, settings: Vec<Setting>, history: Option<History>) -> Result<Self> {
        let given = if self.way == Way::Pooled { given(&self.target)? } else { Vec::new() };
        Ok(Self { target: self.target.clone(), way: self.way, settings: [given, settings].concat(), history })
    }

    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// Whether this is among the settings.
    pub(crate) fn sets(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| setting.name == name)
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// As [`Connection::start`].
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<Connection> {
        if self.way == Way::Pooled {
            return Ok(Connection::new(PgConnection::connect_with(self.target.plain()).await?, self.clone()));
        }
        let mark = random_mark();
        let mut connection = PgConnection::connect_with(&self.target.marked(MARK, &mark)).await?;
        if !has_mark(&mut connection, &mark).await? {
            let why = "a pooler stands before the server now, which did not when the storage was opened; open it again";
            return Err(Fault::Store(backend(Retry::Never, why)));
        }
        let mut connection = Connection::new(connection, self.clone());
        connection.set_up_session().await?;
        Ok(connection)
    }

    /// The statements that make the settings, for the session or for a transaction that they begin, and answer with what is set then.
    pub(crate) fn setup(&self, work: Option<Work>) -> RawSql {
        let begin = work.map_or(String::new(), |work| format!("{}; ", work.begin()));
        let settings = self.settings.iter().map(|setting| setting.call(work.is_some())).collect::<String>();
        let history = if self.history.is_some() { history::SHOWN } else { "''" };
        let shown = "current_setting('transaction_isolation'), current_setting('transaction_read_only')";
        sqlx::raw_sql(AssertSqlSafe(format!("{begin}SELECT {settings}{shown}, {history}")))
    }

    /// Looks at what is set, and gives the server's history if it is not the one that it had.
    ///
    /// # Errors
    /// [`StoreError::Backend`](syncline::StoreError::Backend) if a setting is not what it was set to, or if the server takes no writes.
    pub(crate) fn check(&self, row: &PgRow, work: Option<Work>) -> Result<Option<String>> {
        for (place, setting) in self.settings.iter().enumerate() {
            setting.check(row.try_get(place)?)?;
        }
        let count = self.settings.len();
        if let Some(work) = work {
            Setting::new("transaction_isolation", work.isolation()).check(row.try_get(count)?)?;
        }
        if work != Some(Work::Moment) && row.try_get::<&str, _>(count + 1)? == "on" {
            // A standby takes the primary's place before long, or the address leads to the new primary.
            let retry = if self.history.is_some() { Retry::Later } else { Retry::Never };
            return Err(Fault::Store(backend(retry, "the server takes no writes; connect to the primary")));
        }
        let found: &str = row.try_get(count + 2)?;
        let is_known = self.history.as_ref().is_none_or(|history| history.is(found));
        Ok((!is_known).then(|| found.to_owned()))
    }
}

impl Setting {
    /// One column of the statement that makes the settings.
    fn call(&self, is_local: bool) -> String {
        format!("set_config({}, {}, {is_local}), ", quoted(&self.name), quoted(&self.value))
    }

    /// # Errors
    /// If the server says that it is something else.
    fn check(&self, found: &str) -> Result<()> {
        if self.is_free || found == self.value {
            return Ok(());
        }
        let why = format!(
            "the setting {} is `{found}` after it was set to `{}`: something between Syncline and the server changes or keeps \
             back what is sent; connect without it",
            self.name, self.value
        );
        Err(Fault::Store(backend(Retry::Never, why)))
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
