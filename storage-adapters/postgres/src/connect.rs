//! Connecting: every connection is set up by statements and asked whether it took them, so that it does not matter what lies
//! between. A pooler such as PgBouncer passes on no options of a connection's start, or drops them in silence.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use tokio::time::timeout;

use crate::pool::timed_out;

/// How often two connections are compared before they are taken for sessions of their own.
const PROBES: u32 = 3;

/// How to connect, and what holds on every connection. Without `Debug`, which would show a password.
#[derive(Clone)]
pub(crate) struct Connector {
    options: PgConnectOptions,
    settings: Vec<(String, String)>,
    timeout: Duration,
}

impl Connector {
    /// Connects as `options` say, with no settings yet but those that the options themselves name.
    pub(crate) fn new(options: PgConnectOptions, timeout: Duration) -> Self {
        let settings = named(options.get_options().unwrap_or_default());
        // What else the driver sends at the start, a pooler refuses unless it is told to ignore it.
        Self { options: options.extra_float_digits(None), settings, timeout }
    }

    /// The same with this setting in place of any earlier one of the name.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// How to connect without settings; [`settle`](Self::settle) makes them.
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Opens a connection on which all settings hold.
    ///
    /// # Errors
    /// The driver's; [`sqlx::Error::Configuration`] if a setting does not hold.
    pub(crate) async fn connect(&self) -> sqlx::Result<PgConnection> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            self.settle(&mut connection).await?;
            Ok(connection)
        };
        timeout(self.timeout, connecting).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Makes all settings, and asks whether they hold.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(crate) async fn settle(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let set =
            self.settings.iter().map(|(name, value)| format!("set_config({}, {}, false)", quoted(name), quoted(value)));
        let ask = self.settings.iter().map(|(name, _)| format!("current_setting({})", quoted(name)));
        let [set, ask] = [set.collect::<Vec<_>>(), ask.collect()].map(|calls: Vec<String>| calls.join(", "));
        // A pooler may leave statements behind that an earlier client has prepared. What is sent as text prepares none.
        let set = connection.fetch_one(AssertSqlSafe(format!("DEALLOCATE ALL; SELECT {set}"))).await?;
        let asked = connection.fetch_one(AssertSqlSafe(format!("SELECT {ask}"))).await?;
        for (column, (name, value)) in self.settings.iter().enumerate() {
            let (told, holds): (String, String) = (set.try_get(column)?, asked.try_get(column)?);
            if told != holds {
                let why = format!("{name} was set to {value} and is {holds}; {SESSIONS}");
                return Err(sqlx::Error::Configuration(why.into()));
            }
        }
        Ok(())
    }

    /// Opens the first connection, and makes sure that it is a session: that no other client's statements come between, and
    /// that all of its own reach the same server process.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); [`sqlx::Error::Configuration`] with cause and remedy if it is none.
    pub(crate) async fn connect_first(&self) -> sqlx::Result<PgConnection> {
        let (mut first, mut second) = (self.open().await?, self.open().await?);
        for _ in 0..PROBES {
            let (mine, other) = (process(&mut first).await?, process(&mut second).await?);
            if mine == other || mine != process(&mut first).await? {
                let why = format!("the statements of one connection reach several sessions, {SESSIONS}");
                return Err(sqlx::Error::Configuration(why.into()));
            }
        }
        drop(second.close().await); // it has done its work, however it ends
        self.settle(&mut first).await?;
        Ok(first)
    }

    async fn open(&self) -> sqlx::Result<PgConnection> {
        let connecting = timeout(self.timeout, PgConnection::connect_with(&self.options)).await;
        connecting.unwrap_or_else(|_| Err(timed_out()))
    }
}

/// What is wrong, and what helps.
const SESSIONS: &str = "as behind a pooler in transaction mode: Syncline needs connections that stay its own. Set \
    pool_mode = session for this database (of PgBouncer), or connect to the server itself";

/// The server's process that answers.
async fn process(connection: &mut PgConnection) -> sqlx::Result<i32> {
    connection.fetch_one("SELECT pg_backend_pid()").await?.try_get(0)
}

/// The settings that the options of a connection's start name, as `-c name=value` or `--name=value`.
fn named(options: &str) -> Vec<(String, String)> {
    let setting = |word: &str| {
        let (name, value) = word.strip_prefix("--").or(word.strip_prefix("-c")).unwrap_or(word).split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    options.split_whitespace().filter_map(setting).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_in_every_form_of_options() {
        let named = named("-c a=1 -cb=two --c=3 -x");
        let named: Vec<_> = named.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(named, [("a", "1"), ("b", "two"), ("c", "3")]);
    }

    #[test]
    fn a_quote_stays_within_its_text() {
        assert_eq!(quoted("it's"), "'it''s'");
    }
}
