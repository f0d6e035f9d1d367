//! The accept loop. `axum::serve` waits for ever for the rest of a request; this one does not.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use syncline::protocol::Code;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::Service;

use super::Shutdown;
use super::crowd::{Crowd, Place};
use super::fault::Fault;
use super::patience::{Patience, Phase, Progress, TimeoutStream};
use super::worded::Worded;

/// How long to wait if the system has no connection to give (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How soon to come again while all connections are taken, in milliseconds.
const CROWD_RETRY_MS: u64 = 1_000;
/// Bytes of headers up to which the router gets to answer; beyond, hyper answers 431 and the connection is closed.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Bytes that one connection buffers in each direction.
const BUFFER_BYTES: usize = 96 * 1024;

/// How a [`Server`] treats its connections.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    connections_max: usize,
    patience: Patience,
    grace: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        let patience = Patience { head: 5 * second, idle: 75 * second, write: 30 * second };
        Self { connections_max: 4_096, patience, grace: 10 * second }
    }
}

impl ServerOptions {
    /// How many connections are open at once. An address keeps as many idle ones as there are places free. If all are taken,
    /// somebody has to leave for each newcomer: a connection that lies idle, of the address that has most connections; else one in
    /// the middle of its headers, of an address that has more than the newcomer's. If everybody is busy, a request waits up to five
    /// seconds and is then told so; `/healthz` and `/readyz` are always answered. 4,096 by default;
    /// [`RouterOptions::with_watches_max`] must leave some of them to requests that are not streams.
    ///
    /// [`RouterOptions::with_watches_max`]: crate::RouterOptions::with_watches_max
    #[must_use]
    pub fn with_connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections.max(1);
        self
    }

    /// How long a request's headers may take. 5 s by default.
    #[must_use]
    pub fn with_header_timeout(mut self, timeout: Duration) -> Self {
        self.patience.head = timeout;
        self
    }

    /// How long a connection is kept between two requests. 75 s by default.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.patience.idle = timeout;
        self
    }

    /// How long a peer may take nothing of its answer, or less than 16 KiB/s, taken together: what it reads faster earns the time
    /// again. 30 s by default.
    #[must_use]
    pub fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.patience.write = timeout;
        self
    }

    /// How long running requests may take once a shutdown has begun. 10 s by default.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }
}

/// A listening socket, ready to serve a router: HTTP/1.1, without TLS.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    options: ServerOptions,
    load: Load,
}

/// How many connections a [`Server`] has. Clones tell of the same one.
#[derive(Debug, Clone, Default)]
pub struct Load(Arc<AtomicUsize>);

impl Load {
    /// Open connections.
    pub fn open(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn one_more(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }
}

/// An open connection.
struct Counted(Load);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    /// Listens at an address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`io::Error`] if the address is taken or may not be used.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new(TcpListener::bind(address).await?)
    }

    /// Takes a socket that listens already.
    ///
    /// # Errors
    /// [`io::Error`] if the socket has no address.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { listener, address, options: ServerOptions::default(), load: Load::default() })
    }

    /// Treats connections by these options.
    #[must_use]
    pub fn with_options(mut self, options: ServerOptions) -> Self {
        self.options = options;
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has, for as long as it serves.
    pub fn load(&self) -> Load {
        self.load.clone()
    }

    /// Serves until `shutdown` begins. Then it takes no more connections, lets running requests finish within the grace of the
    /// options, ends watch streams, and returns. Each request carries a [`ConnectInfo`] with the peer's [`SocketAddr`].
    ///
    /// # Cancel
    /// Dropping the future cuts all connections.
    pub async fn serve(self, router: Router, shutdown: Shutdown) {
        let Self { listener, options, load, .. } = self;
        let crowd = Crowd::new(options.connections_max);
        let mut connections = JoinSet::new();
        // Continues from turn to turn: it may hold a socket that waits for its place.
        let mut coming = Box::pin(next(&listener, &crowd));
        loop {
            let (place, progress, socket, peer) = tokio::select! {
                biased;
                () = shutdown.begun() => break,
                Some(_) = connections.join_next() => continue,
                come = &mut coming => come,
            };
            coming.set(next(&listener, &crowd));
            let socket = TimeoutStream::new(socket, options.patience, progress.clone());
            let conversation = converse(socket, peer, router.clone(), progress, (shutdown.clone(), Arc::new(place)));
            let counted = load.one_more();
            connections.spawn(async move {
                conversation.await;
                drop(counted);
            });
        }
        drop(coming);
        drop(listener);
        let finish = async { while connections.join_next().await.is_some() {} };
        if timeout(options.grace, finish).await.is_err() {
            tracing::warn!(open = connections.len(), "requests still ran when the grace was over; they are cut");
        }
        connections.shutdown().await;
    }
}

/// The next connection, in its place.
async fn next(listener: &TcpListener, crowd: &Arc<Crowd>) -> (Place, Progress, TcpStream, SocketAddr) {
    let ((socket, peer), progress) = (accept(listener).await, Progress::default());
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "small packets may be delayed");
    }
    // One address of the new protocol's form may be one of the old.
    let place = crowd.enter(peer.ip().to_canonical(), &progress).await;
    (place, progress, socket, peer)
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The peer is gone already; the next one may be fine.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no connection can be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn converse(
    socket: TimeoutStream<TcpStream>,
    peer: SocketAddr,
    router: Router,
    progress: Progress,
    (shutdown, place): (Shutdown, Arc<Place>),
) {
    let (ending, needed, phase) = (shutdown.clone(), place.needed(), progress.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        progress.busy();
        request.extensions_mut().insert(shutdown.clone());
        request.extensions_mut().insert(ConnectInfo(peer));
        let (mut router, sent, place) = (router.clone(), Sent(progress.clone()), place.clone());
        async move {
            let response: Response<Body> = match is_about_health(request.uri().path()) || place.is_free().await {
                true => router.call(request).await?,
                false => too_many_connections(),
            };
            Ok::<_, Infallible>(response.map(|body| Answer { body, _sent: sent }))
        }
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(BUFFER_BYTES).max_header_size(HEADER_BYTES_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Worded::new(socket)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = ending.begun() => None,
        () = needed => match phase.phase() {
            // Nothing is owed to anyone who has asked for nothing yet.
            Phase::New | Phase::Head => return,
            Phase::Idle | Phase::Busy => None,
        },
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            // It ends now if it lies idle, else after the answer that is under way.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}

/// Whether a path asks for the server's health, which is answered however many others have a connection.
fn is_about_health(path: &str) -> bool {
    ["/healthz", "/readyz"].iter().any(|route| path.ends_with(route))
}

fn too_many_connections() -> Response<Body> {
    let detail = "all connections of this server are in use; ask again when some are answered";
    let fault = Fault::new(Code::Busy { retry_after_ms: CROWD_RETRY_MS }, detail);
    let mut response = fault.render(&Response::new(Body::empty()), "");
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Says that an answer has been sent, or given up.
struct Sent(Progress);

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.idle();
    }
}

/// An answer's body. When hyper drops it, the connection waits for the next request.
struct Answer {
    body: Body,
    _sent: Sent,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
