//! A pool of connections that asks nothing of the server.
//!
//! The driver's own pool asks after every use whether the connection is still there; for a small commit that is a second round
//! trip. Here a connection is given back only by those who have used it to the end; all others are closed.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::connector::Connector;
use crate::error::Result;

/// A connection that was idle for longer is tried before it is trusted.
const TRUSTED: Duration = Duration::from_secs(1);
/// A connection that was idle for longer is closed when somebody looks.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// Connections of one storage. Like all that knows how to connect, it has no `Debug`, which would show a password.
pub(crate) struct Pool {
    connector: Arc<Connector>,
    timeout: Duration,
    permits: Semaphore,
    /// Used last is used next, so that those too many grow old at the bottom.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection in use. Closed when dropped, unless it is given back.
pub(crate) struct Lease<'a> {
    /// Always there until it is given back.
    connection: Option<Connection>,
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    /// A pool of at most `max` connections, none of them open yet.
    pub(crate) fn new(connector: Arc<Connector>, max: u32, timeout: Duration) -> Self {
        let permits = usize::try_from(max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let permits = Semaphore::new(permits);
        Self { connector, timeout, permits, idle: Mutex::default() }
    }

    /// A connection for one use, waited for in the order of asking.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolTimedOut`] if the others do not give one back in time; those of [`Connection::open`] if none can be
    /// opened.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>> {
        let permit = timeout(self.timeout, self.permits.acquire()).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let permit = permit.map_err(|_| sqlx::Error::PoolClosed)?;
        let connection = timeout(self.timeout, self.connection()).await.unwrap_or_else(|_| Err(timed_out().into()))?;
        Ok(Lease { connection: Some(connection), pool: self, _permit: permit })
    }

    /// A connection that does not count, for work that takes long and is seldom.
    ///
    /// # Errors
    /// Those of [`Connection::open`].
    pub(crate) async fn open(&self) -> Result<Connection> {
        let connecting = timeout(self.timeout, Connection::open(&self.connector)).await;
        connecting.unwrap_or_else(|_| Err(timed_out().into()))
    }

    async fn connection(&self) -> Result<Connection> {
        while let Some(mut idle) = self.take_idle() {
            if idle.since.elapsed() < TRUSTED || idle.connection.ping().await.is_ok() {
                return Ok(idle.connection);
            }
        }
        Connection::open(&self.connector).await
    }

    fn take_idle(&self) -> Option<Idle> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what is idle: a connection was lost, so that the others probably are as well.
    pub(crate) fn forget_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }
}

/// The server did not answer in time.
pub(crate) fn timed_out() -> sqlx::Error {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

impl Lease<'_> {
    /// Leaves the connection to the next one. Only for connections that are between two requests. One whose transaction is still open,
    /// because its start or its end has failed, is closed.
    pub(crate) fn give_back(mut self) {
        let Some(connection) = self.connection.take().filter(|connection| !connection.is_within()) else { return };
        let mut idle = self.pool.idle();
        idle.push(Idle { connection, since: Instant::now() });
        if idle[0].since.elapsed() > IDLE_MAX {
            idle.remove(0);
        }
    }
}

impl Deref for Lease<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it was not given back")
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it was not given back")
    }
}
