//! A connection to the server, whose settings are made and looked at before anything else is done over it.
//!
//! Straight to the server, a connection is a session: settings are made once, and statements are prepared once. Behind a pooler a
//! connection may meet another session in each transaction, whose settings and prepared statements are those of somebody else.
//! There, everything runs within a transaction that begins with the settings, and no statement is kept.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use sqlx::postgres::{PgArguments, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Either, Execute, Executor, Postgres, SqlStr};
use syncline::store::Retry;

use crate::connector::{Connector, Way};
use crate::error::{Fault, Result, backend};
use crate::work::Work;

mod adopt;
mod open;

/// A connection that serves one piece of work after the other: each [starts](Self::start) and [ends](Self::end).
pub(crate) struct Connection {
    inner: PgConnection,
    connector: Arc<Connector>,
    /// A transaction is open.
    within: bool,
}

impl Connection {
    /// A connection that was just opened. Nothing is set yet.
    fn new(inner: PgConnection, connector: Arc<Connector>) -> Self {
        Self { inner, connector, within: false }
    }

    /// Sets up a session that is the connection's own.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    async fn set_up_session(&mut self) -> Result<()> {
        match self.set_up(None).await? {
            Some(_) => self.adopt().await,
            None => Ok(()),
        }
    }

    /// Starts a piece of work: with a transaction if it needs one, or if settings hold no longer than that.
    ///
    /// # Errors
    /// [`StoreError::Backend`](syncline::StoreError::Backend) if a setting is not what it was set to, or the server takes no writes;
    /// those of the way to the server. Drop the connection then.
    pub(crate) async fn start(&mut self, work: Work) -> Result<()> {
        if self.connector.way() == Way::Straight {
            match work {
                Work::Statements => {}
                work => self.begin(work).await?,
            }
            return Ok(());
        }
        if self.set_up(Some(work)).await?.is_none() {
            return Ok(());
        }
        self.abandon().await?;
        self.adopt().await?;
        match self.set_up(Some(work)).await? {
            None => Ok(()),
            Some(_) => Err(Fault::Store(backend(Retry::Later, "the server was replaced twice at once; try again"))),
        }
    }

    /// Begins a transaction in a session that is set up.
    async fn begin(&mut self, work: Work) -> sqlx::Result<()> {
        self.within = true;
        self.inner.execute(work.begin()).await.map(drop)
    }

    /// Makes the settings, for the session or for a transaction that begins with it, and gives the server's history if that is not the
    /// one that the connector knows.
    async fn set_up(&mut self, work: Option<Work>) -> Result<Option<String>> {
        self.within = work.is_some();
        let row = self.connector.setup(work).fetch_one(&mut self.inner).await?;
        self.connector.check(&row, work)
    }

    /// Ends a piece of work. What it has changed stays.
    pub(crate) async fn end(&mut self) -> sqlx::Result<()> {
        self.leave("COMMIT").await
    }

    /// Ends a piece of work that failed. If it was a transaction, nothing has changed.
    pub(crate) async fn abandon(&mut self) -> sqlx::Result<()> {
        self.leave("ROLLBACK").await
    }

    async fn leave(&mut self, how: &'static str) -> sqlx::Result<()> {
        if self.within {
            self.inner.execute(how).await?;
            self.within = false;
        }
        Ok(())
    }

    /// Whether a transaction is open: then a setting is to be made for it alone.
    pub(crate) fn is_within(&self) -> bool {
        self.within
    }

    pub(crate) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// Whether the server, or the pooler, still answers.
    pub(crate) async fn ping(&mut self) -> sqlx::Result<()> {
        self.inner.ping().await
    }

    pub(crate) async fn close(self) {
        drop(self.inner.close().await); // it has done its work, however it ends
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("within", &self.within).finish_non_exhaustive()
    }
}

/// A query whose statement the server does not keep under a name.
struct Unnamed<E>(E);

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        None
    }

    fn take_arguments(&mut self) -> std::result::Result<Option<PgArguments>, sqlx::error::BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.connector.way() {
            Way::Straight => self.inner.fetch_many(query),
            Way::Pooled => self.inner.fetch_many(Unnamed(query)),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.connector.way() {
            Way::Straight => self.inner.fetch_optional(query),
            Way::Pooled => self.inner.fetch_optional(Unnamed(query)),
        }
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.inner.prepare_with(sql, parameters)
    }
}
