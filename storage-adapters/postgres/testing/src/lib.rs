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
//! A [`Pooler`] is PgBouncer before such a server, and is found and installed in the same way (`PGBOUNCER` names the program). A
//! server may have a [`standby`](Server::standby), and an [`Address`] that leads to either of both.

use std::env;
use std::path::Path;
use std::sync::OnceLock;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

mod cluster;
mod keeper;
mod pooler;
mod programs;
mod scratch;
mod user;

pub use pooler::{Address, Pooler};
pub use scratch::Scratch;

use cluster::{Cluster, Disk};

/// Names a running server to be used in place of one of our own.
pub const URL_VARIABLE: &str = "SYNCLINE_TEST_POSTGRES_URL";

/// A server that tests may use.
#[derive(Debug)]
pub struct Server {
    url: String,
    /// `None` if the server is somebody else's.
    cluster: Option<Cluster>,
}

impl Server {
    /// The server that the tests of this program share. It does not wait for the disk: fast, and lost in a power cut.
    ///
    /// # Panics
    /// If no server can be had. The message says what to do.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| match env::var(URL_VARIABLE) {
            Ok(url) => Self { url, cluster: None },
            Err(_) => Self::of(Cluster::start(Disk::Ignored)),
        })
    }

    /// A server that the tests of this program share, and that is none of somebody else's: [`shared`](Self::shared), if that is one.
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    pub fn shared_own() -> &'static Self {
        static OWN: OnceLock<Server> = OnceLock::new();
        let shared = Self::shared();
        if shared.cluster.is_some() { shared } else { OWN.get_or_init(|| Self::of(Cluster::start(Disk::Ignored))) }
    }

    /// A server of the caller's own, to be restarted or broken, that keeps what it has acknowledged. Stopped when dropped.
    ///
    /// # Panics
    /// If none can be had. The message says what to do.
    pub fn start() -> Self {
        Self::of(Cluster::start(Disk::Trusted))
    }

    /// A server that listens with TLS, and a certificate of its own making, at the port that its URL names. Needs `openssl`.
    ///
    /// # Panics
    /// If none can be had.
    pub fn start_with_tls() -> Self {
        let free = std::net::TcpListener::bind(("localhost", 0)).and_then(|listener| listener.local_addr());
        let port = free.expect("this machine has a free port").port();
        let cluster = Cluster::start_with_tls(port);
        Self { url: format!("postgres://sync@localhost:{port}/postgres"), cluster: Some(cluster) }
    }

    fn of(cluster: Cluster) -> Self {
        Self { url: url(cluster.directory()), cluster: Some(cluster) }
    }

    /// A server that holds a copy of this one and follows it, until it is promoted. Stopped when dropped.
    ///
    /// # Panics
    /// If this server is somebody else's, or does not let itself be copied.
    pub fn standby(&self) -> Self {
        Self::of(self.own().standby())
    }

    /// Makes a standby a server of its own.
    ///
    /// # Panics
    /// If it is none.
    pub fn promote(&self) {
        self.own().promote();
    }

    /// How to connect.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A schema that nobody else uses. It does not exist yet; on a server of somebody else it is deleted when dropped.
    pub fn scratch(&self) -> Scratch {
        Scratch::new(self.url.clone(), self.cluster.is_none())
    }

    /// Stops the server in the middle of what it does, and starts it again.
    ///
    /// # Panics
    /// If the server is somebody else's, or does not start.
    pub fn restart(&self) {
        self.own().restart();
    }

    /// Stops the server in the middle of what it does, until [`restart`](Self::restart).
    ///
    /// # Panics
    /// If the server is somebody else's.
    pub fn stop(&self) {
        self.own().stop();
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

    fn own(&self) -> &Cluster {
        self.cluster.as_ref().expect("only a server of the caller's own is stopped, copied or pooled")
    }
}

/// How to connect to the server whose socket lies in this directory.
fn url(directory: &Path) -> String {
    format!("postgres://sync@localhost/postgres?host={}", directory.display())
}
