//! Postgres servers for the tests of Syncline: found or installed, started for one test program, gone with it.
//!
//! [`Server::shared`] is a server for all tests of a program, each in a [`Scratch`] schema of its own. If the variable
//! `SYNCLINE_TEST_POSTGRES_URL` is set, it is the server named there; otherwise a cluster in a temporary directory that listens
//! on a Unix socket only, and that stops and disappears with the program, also if that is killed. Its programs are looked for in
//! the directory `PG_BIN_DIR`, in `/usr/lib/postgresql/*/bin` and on the `PATH`; root on a system with `apt-get` installs them
//! if there are none. If no server can be had, tests fail and say why: none passes by being skipped.
//!
//! Postgres refuses to run as root; for root the server runs as `postgres` or `nobody`.
//!
//! A [`Cluster`] is the files of a server alone, for programs that start and kill servers on copies of them. What it cannot do is a
//! [`ServerError`].
//!
//! A [`Pooler`] is PgBouncer before such a server, and is found and installed in the same way (`PGBOUNCER` names the program). A
//! server may have a [`standby`](Server::standby), and an [`Address`] that leads to either of both.

use std::env;
use std::sync::OnceLock;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

mod cluster;
mod error;
mod keeper;
mod kept;
mod pooler;
mod postmaster;
mod programs;
mod scratch;
mod user;

pub use cluster::Cluster;
pub use error::ServerError;
pub use pooler::{Address, Pooler};
pub use postmaster::Postmaster;
pub use scratch::Scratch;

use kept::{Disk, Kept};

/// Names a running server to be used in place of one of our own.
pub const URL_VARIABLE: &str = "SYNCLINE_TEST_POSTGRES_URL";

/// A server that tests may use.
#[derive(Debug)]
pub struct Server {
    url: String,
    /// `None` if the server is somebody else's.
    kept: Option<Kept>,
}

impl Server {
    /// The server that the tests of this program share. It does not wait for the disk: fast, and lost in a power cut.
    ///
    /// # Panics
    /// If no server can be had. The message says what to do.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| match env::var(URL_VARIABLE) {
            Ok(url) => Self { url, kept: None },
            Err(_) => Self::of(done(Kept::start(Disk::Ignored))),
        })
    }

    /// A server that the tests of this program share, and that is none of somebody else's: [`shared`](Self::shared), if that is one.
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    pub fn shared_own() -> &'static Self {
        static OWN: OnceLock<Server> = OnceLock::new();
        let shared = Self::shared();
        if shared.kept.is_some() { shared } else { OWN.get_or_init(|| Self::of(done(Kept::start(Disk::Ignored)))) }
    }

    /// A server of the caller's own, to be restarted or broken, that keeps what it has acknowledged. Stopped when dropped.
    ///
    /// # Panics
    /// If none can be had. The message says what to do.
    pub fn start() -> Self {
        done(Self::try_start())
    }

    /// The same for programs that can do without.
    ///
    /// # Errors
    /// [`ServerError`] if none can be had. The message says what to do.
    pub fn try_start() -> Result<Self, ServerError> {
        Kept::start(Disk::Trusted).map(Self::of)
    }

    /// A server that listens with TLS, and a certificate of its own making, at the port that its URL names. Needs `openssl`.
    ///
    /// # Panics
    /// If none can be had.
    pub fn start_with_tls() -> Self {
        let free = std::net::TcpListener::bind(("localhost", 0)).and_then(|listener| listener.local_addr());
        let port = free.expect("this machine has a free port").port();
        let kept = done(Kept::start_with_tls(port));
        Self { url: format!("postgres://sync@localhost:{port}/postgres"), kept: Some(kept) }
    }

    fn of(kept: Kept) -> Self {
        Self { url: cluster::url(kept.folder()), kept: Some(kept) }
    }

    /// A server that holds a copy of this one and follows it, until it is promoted. Stopped when dropped.
    ///
    /// # Panics
    /// If this server is somebody else's, or does not let itself be copied.
    pub fn standby(&self) -> Self {
        Self::of(done(self.own().standby()))
    }

    /// Makes a standby a server of its own.
    ///
    /// # Panics
    /// If it is none.
    pub fn promote(&self) {
        done(self.own().promote());
    }

    /// How to connect.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A schema that nobody else uses. It does not exist yet; on a server of somebody else it is deleted when dropped.
    pub fn scratch(&self) -> Scratch {
        Scratch::new(self.url.clone(), self.kept.is_none())
    }

    /// Stops the server in the middle of what it does, and starts it again.
    ///
    /// # Panics
    /// If the server is somebody else's, or does not start.
    pub fn restart(&self) {
        done(self.own().restart());
    }

    /// Stops the server in the middle of what it does, until [`restart`](Self::restart).
    ///
    /// # Panics
    /// If the server is somebody else's.
    pub fn stop(&self) {
        done(self.own().stop());
    }

    /// Runs a statement as the server's administrator, and gives the first column of its first row as text.
    ///
    /// # Panics
    /// If the server does not do it.
    pub async fn administer(&self, statement: &str) -> Option<String> {
        let mut connection = PgConnection::connect(&self.url).await.expect("the server answers");
        let row = connection.fetch_optional(AssertSqlSafe(statement.to_owned())).await.expect("the server does it");
        row.and_then(|row| row.try_get(0).ok())
    }

    fn own(&self) -> &Kept {
        self.kept.as_ref().expect("only a server of the caller's own is stopped, copied or pooled")
    }
}

/// A test cannot continue without its server.
fn done<T>(outcome: Result<T, ServerError>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}
