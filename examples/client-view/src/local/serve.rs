//! Serving on loopback.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use syncline_http::{Server, ServerOptions, Shutdown};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Key;

/// How long an answer that is under way may take when the page ends. Streams of changes never end by themselves.
const GRACE: Duration = Duration::from_secs(1);

/// Why a page is not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is not one of loopback.
    #[error(
        "`{0}` is not an address of this machine alone, so others could reach the page; take 127.0.0.1 and a port, as 127.0.0.1:8600"
    )]
    NotLoopback(String),
    /// It cannot be listened on.
    #[error("cannot listen on {address}: {source}; take another port, or 0 for any that is free")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A page that is being served. It ends when this is dropped.
#[derive(Debug)]
pub struct Serving {
    address: String,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Serving {
    /// What to open in a browser, with the key.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it, once what is being answered is answered.
    pub async fn end(mut self) {
        self.shutdown.begin();
        // It has ended, by itself or by a panic that was told already.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address that is listened on, with no pages yet.
#[derive(Debug)]
pub struct Bound(Server);

impl Bound {
    /// The origin of the pages to come, as `http://127.0.0.1:8600`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.0.address())
    }

    /// Serves pages that are guarded by `key`.
    pub fn serve(self, pages: Router, key: &Key) -> Serving {
        let (address, shutdown) = (format!("{}/{}/", self.origin(), key.as_str()), Shutdown::new());
        let task = tokio::spawn(self.0.serve(pages, shutdown.clone()));
        Serving { address, shutdown, task }
    }
}

/// Listens on loopback. Port 0 takes any free one.
///
/// # Errors
/// [`ServeError`].
pub async fn bind(address: &str) -> Result<Bound, ServeError> {
    let not_loopback = || ServeError::NotLoopback(address.to_owned());
    let address: SocketAddr = address.parse().map_err(|_| not_loopback())?;
    if !address.ip().is_loopback() {
        return Err(not_loopback());
    }
    let failed = |source| ServeError::Listen { address, source };
    let server = Server::new(TcpListener::bind(address).await.map_err(failed)?).map_err(failed)?;
    Ok(Bound(server.with_options(ServerOptions::default().with_grace(GRACE))))
}
