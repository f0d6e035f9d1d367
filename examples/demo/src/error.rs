//! Why the demo does not go on.

use std::io;

use client_view::ClientError;
use client_view::local::ServeError;
use syncline::StoreError;
use syncline::authority::accounts::AccountsError;
use syncline::replica::ReplicaError;
use thiserror::Error;

/// Why the demo does not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A device failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A page cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The server's store cannot be opened.
    #[error("the server's store: {0}")]
    Store(#[from] StoreError),
    /// The views over the server's log cannot be opened or read.
    #[error("the views over the server's log: {0}")]
    Replica(#[from] ReplicaError),
    /// The server's accounts cannot be changed.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The way to the server cannot be built.
    #[error(transparent)]
    Way(#[from] syncline_http::BuildError),
    /// The server cannot listen on loopback.
    #[error("the server cannot listen on 127.0.0.1: {0}; stop what listens on its port, or start the demo anew")]
    Listen(#[source] io::Error),
    /// The server is stopped.
    #[error("the server is stopped; start it first")]
    Stopped,
    /// The folder for the sample data cannot be made.
    #[error("no folder can be made for the data: {0}; name one with --folder")]
    Folder(#[source] io::Error),
}
