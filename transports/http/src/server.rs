//! The server side: a router over a [`Service`], and the loop that serves it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use syncline::Service;
use syncline::limits::FRAME_BYTES_MAX;
use syncline::protocol::Code;

mod admit;
mod answer;
mod body;
mod crowd;
mod edge;
mod effort;
mod fault;
mod floor;
mod held;
mod negotiate;
mod patience;
mod ready;
mod seldom;
mod serve;
mod share;
mod shutdown;
mod snapshots;
mod watch;
mod worded;

use effort::Efforts;
use fault::Fault;
use ready::Readiness;
use seldom::Seldom;
use share::Pot;

pub use serve::{Load, Server, ServerOptions};
pub use shutdown::Shutdown;

/// How a [`router`] treats its requests.
#[derive(Debug, Clone)]
pub struct RouterOptions {
    body_patience: Duration,
    watch_tick: Duration,
    watch_recheck: Duration,
    watches_max: usize,
    memory: usize,
}

/// Bytes of the largest message in its larger form, twice: one user at a time may have half of the memory.
const MEMORY_MIN: usize = 4 * FRAME_BYTES_MAX;
/// Requests that are under way at once, streams aside.
const REQUESTS_MAX: usize = 1_024;

impl Default for RouterOptions {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            body_patience: 30 * second,
            watch_tick: 15 * second,
            watch_recheck: second,
            watches_max: 3_072,
            memory: 48 << 20,
        }
    }
}

impl RouterOptions {
    /// How long a request's body may stop, or be slower than 16 KiB/s, in sum: bytes that come faster earn the time
    /// again. 30 s by default.
    #[must_use]
    pub fn with_body_patience(mut self, patience: Duration) -> Self {
        self.body_patience = patience;
        self
    }

    /// How often a watch stream shows that it is alive. 15 s by default; clients give up after three of those.
    #[must_use]
    pub fn with_watch_tick(mut self, tick: Duration) -> Self {
        self.watch_tick = tick;
        self
    }

    /// How often a watch stream checks that its token and grant are still valid. A revocation ends the stream after this time. 1 s by
    /// default.
    #[must_use]
    pub fn with_watch_recheck(mut self, recheck: Duration) -> Self {
        self.watch_recheck = recheck;
        self
    }

    /// How many watch streams are open at once. A stream keeps its connection for hours, so streams must leave some of the
    /// server's connections to everybody else; 3,072 by default, three quarters of those of
    /// [`ServerOptions`]. Each user may have as many as are still free, so that one who takes all they can gets half of them. Further
    /// ones are refused as busy, and their replicas poll until there is a place.
    #[must_use]
    pub fn with_watches_max(mut self, watches: usize) -> Self {
        self.watches_max = watches;
        self
    }

    /// Bytes of messages that are in memory at once: bodies that are being received, and answers that are being sent. Each user may
    /// hold as much as is still free, so one user who takes everything gets half of it. A request without memory waits ten seconds, and
    /// is then told that the server is busy. 48 MiB by default, and at least 36 MiB, so that every message has room.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes.max(MEMORY_MIN);
        self
    }
}

/// What all handlers share.
#[derive(Debug, Clone)]
struct App {
    service: Arc<Service>,
    options: Arc<RouterOptions>,
    /// Places for watch streams.
    watches: Arc<Pot>,
    /// Places for all other requests.
    requests: Arc<Pot>,
    /// Bytes of messages.
    memory: Arc<Pot>,
    /// What unpacking bodies has cost.
    efforts: Arc<Efforts>,
    full: Arc<Seldom>,
    ready: Arc<Readiness>,
}

/// The routes of a service. Serve them as they are, or nest them into an application's router.
///
/// The bearer token says who asks, through the service's [`Authority`](syncline::authority::Authority). An application
/// with its own authentication puts a [`Principal`](syncline::authority::Principal) into the request's extensions, in a
/// middleware around this router. Then no token is checked.
///
/// ```
/// use axum::{Extension, Router};
/// use syncline::authority::{Name, Principal};
/// use syncline_http::{RouterOptions, router};
///
/// # fn mounted(service: std::sync::Arc<syncline::Service>) -> Router {
/// let ann = Principal { user: Name::new("ann").unwrap(), device: Name::new("phone").unwrap() };
/// let sync = router(service, RouterOptions::default()).layer(Extension(ann));
/// Router::new().nest("/sync", sync)
/// # }
/// ```
pub fn router(service: Arc<Service>, options: RouterOptions) -> Router {
    let (watches, requests) = (Pot::new(options.watches_max), Pot::new(REQUESTS_MAX));
    let (memory, efforts, full) = (Pot::new(options.memory), Arc::default(), Arc::default());
    let (options, ready) = (Arc::new(options), Arc::default());
    let app = App { service, options, watches, requests, memory, efforts, full, ready };
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready::ready))
        .route("/v1", get(answer::hello))
        .route("/v1/spaces/{space}/heads", get(answer::heads))
        .route("/v1/spaces/{space}/compare", post(answer::compare))
        .route("/v1/spaces/{space}/pull", post(answer::pull))
        .route("/v1/spaces/{space}/push", post(answer::push))
        .route("/v1/spaces/{space}/watch", get(watch::watch))
        .route("/v1/spaces/{space}/snapshots", get(snapshots::list).post(snapshots::take_manifest))
        .route("/v1/spaces/{space}/snapshots/{id}", get(snapshots::manifest))
        .route("/v1/spaces/{space}/snapshots/{id}/chunks/{index}", post(snapshots::take_chunk))
        .route("/v1/spaces/{space}/chunks/{hash}", get(snapshots::chunk))
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(edge::edge))
        .with_state(app)
}

async fn no_such_route() -> Response {
    let detail = "there is no such route; they are all below `/v1`, check the path and the version";
    Fault::new(Code::Unsupported, detail).with_status(StatusCode::NOT_FOUND).into_response()
}

async fn method_not_allowed() -> Response {
    let detail = "this route takes another method; the Allow header names it";
    Fault::new(Code::Unsupported, detail).with_status(StatusCode::METHOD_NOT_ALLOWED).into_response()
}

/// Answers a method that a route does not support with a problem document, as the [`router`]'s own routes do. For the fallback of
/// routes that an application puts next to them.
pub async fn no_such_method() -> Response {
    Fault::new(Code::Unsupported, "this route takes another method")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
        .render(&Response::default(), "")
}
