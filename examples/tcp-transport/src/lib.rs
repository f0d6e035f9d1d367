//! One more transport in three small files: Syncline's protocol over one TCP connection.
//!
//! | file | what it is |
//! |---|---|
//! | `frame.rs` | what goes over the wire: a length, and a message in the engine's codec |
//! | `line.rs` | the client's side of one connection, shared by all calls and watches |
//! | `serve.rs` | the server's side |
//!
//! What is left for this file is to connect again when a connection is broken. `tests/conformance.rs` holds [`TcpTransport`] to
//! every law of a transport, and shows that the kit catches a [`Line`] alone, which never connects again.
//!
//! Everything goes in the clear, the token too. For a network that is not yours, wrap both halves of the socket in TLS.
//!
//! ```
//! use std::sync::Arc;
//! use syncline::protocol::Request;
//! use syncline::{LogId, MemoryStorage, NTP64, Service, Transport, authority::AllowAll};
//! use syncline_example_tcp::{TcpTransport, serve};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let storage = Arc::new(MemoryStorage::new(|| LogId::from_bytes([7; 16]).expect("not zero")));
//! let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(|| NTP64(1 << 32))));
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//! let transport = TcpTransport::new(listener.local_addr().unwrap(), "a token");
//! tokio::spawn(serve(listener, service));
//! assert_eq!(transport.call(Request::Hello).await.unwrap().clock, NTP64(1 << 32));
//! # });
//! ```

use std::fmt;
use std::net::SocketAddr;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use syncline::protocol::{Answer, Notice, Request};
use syncline::{Cursor, SpaceId, Transport, TransportError};
use tokio::sync::Mutex;

mod frame;
mod line;
mod serve;

pub use line::Line;
pub use serve::serve;

/// The way to a server over TCP, as one device. Connects when it is first needed, and again whenever the connection is broken.
///
/// Needs a tokio runtime with I/O and time.
pub struct TcpTransport {
    address: SocketAddr,
    token: String,
    line: Mutex<Option<Line>>,
}

impl TcpTransport {
    /// A way to the server at this address, with a device's token. Connects to nothing yet.
    pub fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.to_owned(), line: Mutex::new(None) }
    }

    /// The connection that stands, or else a new one. Anyone who comes while it is made waits for the same one.
    async fn line(&self) -> Result<Line, TransportError> {
        let mut current = self.line.lock().await;
        if let Some(line) = current.as_ref().filter(|line| !line.is_broken()) {
            return Ok(line.clone());
        }
        let line = Line::connect(self.address, &self.token).await?;
        *current = Some(line.clone());
        Ok(line)
    }
}

#[async_trait]
impl Transport for TcpTransport {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        self.line().await?.call(request).await
    }

    async fn watch(
        &self,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError> {
        self.line().await?.watch(space, after).await
    }
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransport").field("address", &self.address).finish_non_exhaustive()
    }
}
