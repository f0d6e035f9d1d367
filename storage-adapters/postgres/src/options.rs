//! How a database is opened.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// Which database to open, and how.
///
/// ```no_run
/// use std::time::Duration;
///
/// use syncline_postgres::PostgresOptions;
///
/// # async fn open() -> Result<(), syncline::StoreError> {
/// let options = PostgresOptions::new("postgres://sync@db.example.org/notes").schema("team_a");
/// let storage = options.lock_timeout(Duration::from_secs(3)).open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    pub(crate) url: String,
    pub(crate) schema: String,
    pub(crate) connections_max: NonZeroU32,
    pub(crate) connect_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) poll_interval: Option<Duration>,
    pub(crate) asynchronous: bool,
}

impl PostgresOptions {
    /// The database at `url`: `postgres://user:password@host:port/database?option=value`. A Unix socket is named by its
    /// directory, `postgres:///database?host=/run/postgresql`. What the URL leaves out comes from the variables `PGHOST`,
    /// `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGSSLMODE`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: "syncline".into(),
            connections_max: NonZeroU32::new(16).expect("16 is not zero"),
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            poll_interval: None,
            asynchronous: false,
        }
    }

    /// The schema that holds the tables, created if it does not exist: 1 to 48 of `a-z 0-9 _`, not starting with a digit or
    /// `pg_`. `syncline` by default. Storages in different schemas of one database share nothing.
    #[must_use]
    pub fn schema(self, name: impl Into<String>) -> Self {
        Self { schema: name.into(), ..self }
    }

    /// How many connections this storage may have open for requests. It has one more, on which it listens. 16 by
    /// default. A request without a connection waits, see [`connect_timeout`](Self::connect_timeout).
    #[must_use]
    pub fn connections_max(self, count: NonZeroU32) -> Self {
        Self { connections_max: count, ..self }
    }

    /// How long a request waits for a connection to become free, and again for the server to answer if one has to be opened,
    /// before it fails. Ten seconds by default.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: timeout, ..self }
    }

    /// How long the server works on one statement before it gives up, and how long it waits within a transaction for the next
    /// one. If no answer comes for longer than that, the connection counts as lost. Zero means no limit. 30 seconds by
    /// default.
    #[must_use]
    pub fn statement_timeout(self, timeout: Duration) -> Self {
        Self { statement_timeout: timeout, ..self }
    }

    /// How long a commit waits for the space's head row, which another process's commit holds, before it fails. Zero is for
    /// ever. Ten seconds by default.
    #[must_use]
    pub fn lock_timeout(self, timeout: Duration) -> Self {
        Self { lock_timeout: timeout, ..self }
    }

    /// How often those who wait for a commit look for one themselves, all with one query. Other processes announce theirs, so
    /// this matters only if an announcement is lost: because its process died, or while the listening connection is
    /// broken. Behind a pooler nobody hears announcements, and this is how late news may be. By default, two seconds, and a
    /// quarter of one behind a pooler.
    #[must_use]
    pub fn poll_interval(self, interval: Duration) -> Self {
        Self { poll_interval: Some(interval.max(Duration::from_millis(1))), ..self }
    }

    /// Commits without waiting for the disk (`synchronous_commit = off`): many times faster for single commits, and a crash of
    /// the server loses the last ones, in order and whole. The storage is then
    /// [`Durability::Process`](syncline::store::Durability::Process). Otherwise the server's own setting holds.
    #[must_use]
    pub fn asynchronous_commit(self) -> Self {
        Self { asynchronous: true, ..self }
    }
}

impl fmt::Debug for PostgresOptions {
    /// Leaves out the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schema, connections_max, connect_timeout, statement_timeout, lock_timeout, .. } = self;
        let mut debug = f.debug_struct("PostgresOptions");
        debug.field("schema", schema).field("connections_max", connections_max);
        debug.field("connect_timeout", connect_timeout).field("statement_timeout", statement_timeout);
        debug.field("lock_timeout", lock_timeout).field("poll_interval", &self.poll_interval);
        debug.field("asynchronous", &self.asynchronous).finish_non_exhaustive()
    }
}
