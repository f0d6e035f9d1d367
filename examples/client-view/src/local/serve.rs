//! Serving on loopback.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use syncline_http::{Server, Shutdown};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Key;

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

/// Serves pages that are guarded by `key`. Port 0 takes any free one.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(pages: Router, key: &Key, address: &str) -> Result<Serving, ServeError> {
    let not_loopback = || ServeError::NotLoopback(address.to_owned());
    let address: SocketAddr = address.parse().map_err(|_| not_loopback())?;
    if !address.ip().is_loopback() {
        return Err(not_loopback());
    }
    let failed = |source| ServeError::Listen { address, source };
    let server = Server::new(TcpListener::bind(address).await.map_err(failed)?).map_err(failed)?;
    let shutdown = Shutdown::new();
    let address = format!("http://{}/{}/", server.address(), key.as_str());
    let task = tokio::spawn(server.serve(pages, shutdown.clone()));
    Ok(Serving { address, shutdown, task })
}
