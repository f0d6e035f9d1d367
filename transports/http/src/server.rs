//! The server side: a router over a [`Service`], and the loop that serves it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use syncline::Service;
use syncline::protocol::Code;
use tokio::sync::Semaphore;

mod admit;
mod answer;
mod body;
mod edge;
mod fault;
mod negotiate;
mod patience;
mod seldom;
mod serve;
mod shutdown;
mod watch;

use fault::Fault;
use seldom::Seldom;

pub use serve::{Load, Server, ServerOptions};
pub use shutdown::Shutdown;

/// How a [`router`] treats its requests.
#[derive(Debug, Clone)]
pub struct RouterOptions {
    body_patience: Duration,
    watch_tick: Duration,
    watch_recheck: Duration,
    watches_max: usize,
}

impl Default for RouterOptions {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self { body_patience: 30 * second, watch_tick: 15 * second, watch_recheck: second, watches_max: 3_072 }
    }
}

impl RouterOptions {
    /// How long a request's body may take, beside the time that its bytes take at 16 KiB/s. 30 s unless told otherwise.
    #[must_use]
    pub fn with_body_patience(mut self, patience: Duration) -> Self {
        self.body_patience = patience;
        self
    }

    /// How often a watch stream says that it lives. 15 s unless told otherwise; clients give up after three of those.
    #[must_use]
    pub fn with_watch_tick(mut self, tick: Duration) -> Self {
        self.watch_tick = tick;
        self
    }

    /// How often a watch stream makes sure that its token and grant still hold: so fast does a revocation end it. 1 s unless
    /// told otherwise.
    #[must_use]
    pub fn with_watch_recheck(mut self, recheck: Duration) -> Self {
        self.watch_recheck = recheck;
        self
    }

    /// How many watch streams are open at once. A stream holds its connection for hours, so they must leave some of the
    /// server's connections to everybody else; 3,072 unless told otherwise, three quarters of those of
    /// [`ServerOptions`]. Further ones are refused as busy: their replicas ask for news until there is a place.
    #[must_use]
    pub fn with_watches_max(mut self, watches: usize) -> Self {
        self.watches_max = watches.min(Semaphore::MAX_PERMITS);
        self
    }
}

/// What all handlers share.
#[derive(Debug, Clone)]
struct App {
    service: Arc<Service>,
    options: Arc<RouterOptions>,
    /// Places for watch streams.
    watches: Arc<Semaphore>,
    full: Arc<Seldom>,
}

/// The routes of a service, to be served as they are or nested into an application's own router.
///
/// Who asks is told by the bearer token, through the service's [`Authority`](syncline::authority::Authority). An application
/// with an authentication of its own puts a [`Principal`](syncline::authority::Principal) into the request's extensions, in a
/// middleware around this router; no token is then looked at.
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
    let watches = Arc::new(Semaphore::new(options.watches_max));
    let app = App { service, options: Arc::new(options), watches, full: Arc::default() };
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/v1", get(answer::hello))
        .route("/v1/spaces/{space}/heads", get(answer::heads))
        .route("/v1/spaces/{space}/pull", post(answer::pull))
        .route("/v1/spaces/{space}/push", post(answer::push))
        .route("/v1/spaces/{space}/watch", get(watch::watch))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(edge::edge))
        .with_state(app)
}

async fn no_such_route() -> Response {
    let detail = "there is no such route; they are all below `/v1`, check the path and the version";
    Fault::new(Code::Unsupported, detail).with_status(StatusCode::NOT_FOUND).into_response()
}

async fn no_such_method() -> Response {
    let detail = "this route takes another method; the Allow header names it";
    Fault::new(Code::Unsupported, detail).with_status(StatusCode::METHOD_NOT_ALLOWED).into_response()
}
