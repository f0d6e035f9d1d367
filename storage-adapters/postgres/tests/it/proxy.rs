//! A way to the server that can lose an answer, or fall silent.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use syncline_postgres_testing::Scratch;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

/// Stands between a storage and its server.
pub(crate) struct Proxy {
    directory: TempDir,
    /// So many answers from now one is lost, and with it the connection. Zero: none.
    loses: Arc<AtomicU32>,
    /// Who follows it learns when the connections of now fall silent.
    silence: watch::Sender<()>,
}

impl Proxy {
    pub(crate) async fn before(scratch: &Scratch) -> Self {
        let directory = TempDir::with_prefix("syncline-").unwrap();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        let loses: Arc<AtomicU32> = Arc::default();
        let (silence, silent) = watch::channel(());
        let (server, armed) = (scratch.url().parse::<PgConnectOptions>().unwrap(), Arc::clone(&loses));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut silent = silent.clone();
                silent.mark_unchanged();
                tokio::spawn(connect(client, server.clone(), armed.clone(), silent));
            }
        });
        Self { directory, loses, silence }
    }

    /// The server's URL, by way of the proxy.
    pub(crate) fn url(&self, scratch: &Scratch) -> String {
        let server: PgConnectOptions = scratch.url().parse().unwrap();
        let database = server.get_database().unwrap_or("postgres");
        format!("postgres://{}@localhost/{database}?host={}", server.get_username(), self.directory.path().display())
    }

    /// Loses the `nth` answer from now on, from 1. The server has done then what it was asked to.
    pub(crate) fn lose_answer(&self, nth: u32) {
        self.loses.store(nth, Ordering::SeqCst);
    }

    /// Lets nothing through any more on the connections of now, and does not end them: as when the server loses its power.
    pub(crate) fn fall_silent(&self) {
        self.silence.send_replace(());
    }

    /// Whether the answer is lost by now. If not, none will be.
    pub(crate) fn has_lost_it(&self) -> bool {
        self.loses.swap(0, Ordering::SeqCst) == 0
    }
}

async fn connect(client: UnixStream, server: PgConnectOptions, loses: Arc<AtomicU32>, mut silent: watch::Receiver<()>) {
    let forwarding = async {
        match server.get_socket().map(|directory| socket(directory, server.get_port())) {
            Some(socket) => forward(client, UnixStream::connect(socket).await.unwrap(), loses).await,
            None => {
                let server = TcpStream::connect((server.get_host(), server.get_port())).await.unwrap();
                forward(client, server, loses).await;
            }
        }
    };
    let mut forwarding = pin!(forwarding);
    tokio::select! {
        () = &mut forwarding => {}
        // Both ends stay open, and nobody looks after them.
        _ = silent.changed() => std::future::pending().await,
    }
}

fn socket(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

async fn forward(client: UnixStream, server: impl AsyncRead + AsyncWrite, loses: Arc<AtomicU32>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let questions = async { drop(tokio::io::copy(&mut from_client, &mut to_server).await) };
    let answers = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            let count_down = |left: u32| left.checked_sub(1);
            if loses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down) == Ok(1)
                || to_client.write_all(&buffer[..count]).await.is_err()
            {
                return;
            }
        }
    };
    // Whichever ends first, both directions end: the connection is dropped.
    tokio::select! {
        () = questions => {}
        () = answers => {}
    }
}
