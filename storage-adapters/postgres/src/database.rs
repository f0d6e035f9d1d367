//! One schema of one database, as this process sees it: connections, open spaces, announcements.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use syncline::store::{Durability, StoreError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::announce::Announcer;
use crate::ask::Ask;
use crate::connection::Connection;
use crate::error::{Fault, Result, abandoned};
use crate::listen::{self, Listener};
use crate::options::PostgresOptions;
use crate::pool::{Lease, Pool, timed_out};
use crate::session::{self, Promise};
use crate::space::Spaces;
use crate::stats::Counts;
use crate::{schema, settings};

/// What the storage, its stores and its accounts share.
pub(crate) struct Database {
    pub(crate) pool: Arc<Pool>,
    pub(crate) spaces: Arc<Spaces>,
    pub(crate) announcer: Arc<Announcer>,
    pub(crate) listener: Listener,
    pub(crate) counts: Counts,
    /// Where commits and questions run to their end, even if nobody waits for them any more.
    pub(crate) runtime: Handle,
    promise: Promise,
    /// How long the server works on one statement.
    statement_timeout: Duration,
}

/// What the way to the server and back may take, in addition to the server's own time.
const GRACE: Duration = Duration::from_secs(1);

impl Database {
    pub(crate) async fn open(options: &PostgresOptions) -> std::result::Result<Self, StoreError> {
        let target = settings::target(options)?;
        let opening = async {
            let connecting =
                timeout(options.connect_timeout, Connection::find(target, settings::opening(options))).await;
            let mut connection = connecting.unwrap_or_else(|_| Err(timed_out().into()))?;
            let history = session::prove(&mut connection, options).await?;
            let promise = Promise::ask(&mut connection).await?;
            schema::migrate(&mut connection, &options.schema, history.as_ref()).await?;
            let connector =
                connection.connector().with(settings::working(options, promise.synchronous_commit()), history)?;
            connection.close().await;
            Ok((Arc::new(connector), promise))
        };
        let opened = opening.await.map_err(|fault: Fault| fault.unchanged("opening the database"));
        let (connector, promise) = opened?;
        let channel = format!("syncline_{}", options.schema);
        let spaces = Arc::new(Spaces::default());
        let poll_interval = options.poll_interval.unwrap_or_else(|| listen::poll_interval(connector.way()));
        let listener = Listener::new(connector.clone(), channel.clone(), poll_interval, spaces.clone());
        let pool = Arc::new(Pool::new(connector, options.connections_max.get(), options.connect_timeout));
        let (announcer, counts) = (Announcer::new(channel, pool.clone()), Counts::default());
        let (runtime, statement_timeout) = (Handle::current(), options.statement_timeout);
        Ok(Self { pool, spaces, announcer, listener, counts, runtime, promise, statement_timeout })
    }

    pub(crate) fn durability(&self) -> Durability {
        self.promise.durability()
    }

    /// Asks, and asks once more if the connection turns out to be lost.
    ///
    /// # Errors
    /// [`StoreError::Backend`], and those of the question.
    ///
    /// # Cancel
    /// A question that waits for a connection is given up. One that has a connection is asked to its end.
    pub(crate) async fn ask<A: Ask>(self: &Arc<Self>, question: A) -> std::result::Result<A::Answer, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.runtime.spawn(ask_to_the_end(self.clone(), question, answer));
        answered.await.unwrap_or_else(|_| Err(abandoned(A::DURING)))
    }

    /// Does something in a task of its own, to its end. Anyone who asked for it may stop to wait, or be left half polled for as long as it
    /// takes: in an arm of a `select!`, or behind a client that does not read. What is done here may hold a connection, and that must
    /// wait for nobody.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if it could not be done to its end.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        during: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        self.runtime.spawn(work).await.map_err(|_| abandoned(during))
    }

    /// Does something that takes the server so many statements.
    ///
    /// # Errors
    /// A lost connection if it takes longer than the server would let it: the server has gone without a word.
    pub(crate) async fn bounded<T>(&self, statements: u32, act: impl Future<Output = T>) -> sqlx::Result<T> {
        if self.statement_timeout.is_zero() {
            return Ok(act.await);
        }
        let patience = self.statement_timeout.saturating_mul(statements).saturating_add(GRACE);
        timeout(patience, act).await.map_err(|_| timed_out())
    }

    async fn ask_over<A: Ask>(&self, lease: Result<Lease<'_>>, question: &A) -> Result<A::Answer> {
        let mut lease = lease?;
        let answer = self.bounded(1, ask_within(&mut lease, question)).await.unwrap_or_else(|error| Err(error.into()));
        match &answer {
            Ok(_) | Err(Fault::Store(_)) => lease.give_back(),
            Err(fault) if fault.is_lost() => self.pool.forget_idle(),
            Err(_) => {}
        }
        answer
    }
}

/// Asks, and leaves the connection for the next question.
async fn ask_within<A: Ask>(connection: &mut Connection, question: &A) -> Result<A::Answer> {
    connection.start(A::WORK).await?;
    let answer = question.ask(connection).await;
    if !matches!(answer, Err(Fault::Server(_))) {
        connection.end().await?;
    }
    answer
}

/// Asks in a task of its own, for the reason that [`Database::apart`] tells.
async fn ask_to_the_end<A: Ask>(
    database: Arc<Database>,
    question: A,
    mut answer: oneshot::Sender<std::result::Result<A::Answer, StoreError>>,
) {
    let lease = tokio::select! {
        lease = database.pool.lease() => lease,
        // Nobody waits for the answer any more.
        () = answer.closed() => return,
    };
    let mut found = database.ask_over(lease, &question).await;
    if found.as_ref().is_err_and(Fault::is_lost) {
        found = database.ask_over(database.pool.lease().await, &question).await;
    }
    drop(answer.send(found.map_err(|fault| fault.unchanged(A::DURING))));
}
