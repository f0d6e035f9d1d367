//! The client side: a transport over HTTP.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use reqwest::{Client, Url};
use syncline::protocol::{Answer, Notice, Request};
use syncline::{Cursor, SpaceId, Transport, TransportError};

use crate::form::Form;

mod build;
mod call;
mod pace;
mod retry;
mod wait;
mod watch;

pub use build::HttpTransportBuilder;
pub use pace::Backoff;

use retry::Retry;

/// The connection of one device to a server over HTTP. It retries requests, compresses, and keeps every limit on what it is
/// sent. Clones share connections and counters.
///
/// Needs a tokio runtime with I/O and time.
#[derive(Clone)]
pub struct HttpTransport(Arc<Inner>);

struct Inner {
    http: Client,
    /// Ends in a slash.
    base: Url,
    form: Form,
    retry: Retry,
    request_timeout: Duration,
    watch_patience: Duration,
    counters: Counters,
}

/// Bytes that a client has exchanged with its server, since it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes of request bodies, as they went over the wire: compressed.
    pub sent: u64,
    /// Bytes of answers' bodies, as they came over the wire: compressed.
    pub received: u64,
    /// Requests, repeated ones included.
    pub requests: u64,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    requests: AtomicU64,
}

impl Counters {
    fn request(&self, body_bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_add(body_bytes as u64, Ordering::Relaxed);
    }

    fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl HttpTransport {
    /// Begins a client for the server at `url`, with or without a path, and a device's token.
    pub fn builder(url: &str, token: &str) -> HttpTransportBuilder {
        HttpTransportBuilder::new(url, token)
    }

    /// How many bytes and requests have gone over the wire so far.
    pub fn traffic(&self) -> Traffic {
        let Counters { sent, received, requests } = &self.0.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic { sent: read(sent), received: read(received), requests: read(requests) }
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { base, form, retry, .. } = &*self.0;
        let mut debug = f.debug_struct("HttpTransport");
        debug.field("base", &base.as_str()).field("form", form).field("retry", retry).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for HttpTransport {
    /// As the trait says. Repeats the request as often as the builder allows; dropping the future stops that, too.
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        self.0.call(&request).await
    }

    async fn watch(
        &self,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError> {
        self.0.clone().watch(space, after).await
    }
}
