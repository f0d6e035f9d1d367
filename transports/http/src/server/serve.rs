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
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::Service;

use super::Shutdown;
use super::patience::{Patience, Patient, Progress};
use super::seldom::Seldom;

/// How long to wait where the system has no connection to give (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long to wait for a place before connections that lie idle by now are closed.
const CROWD_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of headers up to which the router gets to answer; beyond, the connection is closed with a bare 431.
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
    /// How many connections are open at once. While somebody waits for a place, those that lie idle are closed, and so is each
    /// other one after its answer. 4,096 unless told otherwise; [`RouterOptions::with_watches_max`] must leave some of them
    /// to requests that are not streams.
    ///
    /// [`RouterOptions::with_watches_max`]: crate::RouterOptions::with_watches_max
    #[must_use]
    pub fn with_connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How long a request's headers may take. 5 s unless told otherwise.
    #[must_use]
    pub fn with_header_timeout(mut self, timeout: Duration) -> Self {
        self.patience.head = timeout;
        self
    }

    /// How long a connection is kept between two requests. 75 s unless told otherwise.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.patience.idle = timeout;
        self
    }

    /// How long a peer may take nothing of its answer, or less than 16 KiB/s, taken together: what it reads faster earns the time
    /// again. 30 s unless told otherwise.
    #[must_use]
    pub fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.patience.write = timeout;
        self
    }

    /// How long running requests may take once a shutdown has begun. 10 s unless told otherwise.
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
    /// As the system says, where the address is taken or may not be used.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new(TcpListener::bind(address).await?)
    }

    /// Takes a socket that listens already.
    ///
    /// # Errors
    /// As the system says, where the socket has no address.
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
        let gate = Gate::new(options.connections_max);
        let mut connections = JoinSet::new();
        // Goes on from turn to turn: it may hold a socket that waits for its place.
        let mut next = Box::pin(gate.next(&listener));
        loop {
            let (place, socket, peer) = tokio::select! {
                biased;
                () = shutdown.begun() => break,
                Some(_) = connections.join_next() => continue,
                next = &mut next => next,
            };
            next.set(gate.next(&listener));
            let crowded = gate.crowded.subscribe();
            let conversation = converse(socket, peer, router.clone(), options.patience, (shutdown.clone(), crowded));
            let counted = load.one_more();
            connections.spawn(async move {
                conversation.await;
                drop((place, counted));
            });
        }
        drop(next);
        drop(listener);
        let finish = async { while connections.join_next().await.is_some() {} };
        if timeout(options.grace, finish).await.is_err() {
            tracing::warn!(open = connections.len(), "requests still ran when the grace was over; they are cut");
        }
        connections.shutdown().await;
    }
}

/// The places for connections.
struct Gate {
    places: Arc<Semaphore>,
    max: usize,
    /// Changes when somebody waits for a place.
    crowded: watch::Sender<()>,
    seldom: Seldom,
}

impl Gate {
    fn new(max: usize) -> Self {
        let (places, crowded) = (Arc::new(Semaphore::new(max)), watch::Sender::new(()));
        Self { places, max, crowded, seldom: Seldom::default() }
    }

    /// The next connection, once there is a place for it.
    async fn next(&self, listener: &TcpListener) -> (OwnedSemaphorePermit, TcpStream, SocketAddr) {
        let (socket, peer) = accept(listener).await;
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return (place, socket, peer);
        }
        if let Some(times) = self.seldom.again() {
            let max = self.max;
            tracing::warn!(max, times, "all connections are taken; those that lie idle are closed to make room");
        }
        loop {
            self.crowded.send_replace(());
            if let Ok(place) = timeout(CROWD_PAUSE, self.places.clone().acquire_owned()).await {
                return (place.expect("the semaphore is never closed"), socket, peer);
            }
        }
    }
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
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
    patience: Patience,
    (shutdown, mut crowded): (Shutdown, watch::Receiver<()>),
) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "small packets may be delayed");
    }
    let progress = Progress::default();
    let socket = TokioIo::new(Patient::new(socket, patience, progress.clone()));
    let (ending, place) = (shutdown.clone(), progress.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        progress.busy();
        request.extensions_mut().insert(shutdown.clone());
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().call(request);
        let sent = Sent(progress.clone());
        async move {
            let response: Response<Body> = answer.await?;
            Ok::<_, Infallible>(response.map(|body| Answer { body, _sent: sent }))
        }
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(BUFFER_BYTES).max_header_size(HEADER_BYTES_MAX);
    let mut connection = pin!(builder.serve_connection(socket, service));
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = ending.begun() => {}
            // Whoever is about to ask gets their answer.
            Ok(()) = crowded.changed() => if place.is_asking() { continue },
        }
        // It ends now if it lies idle, else after the answer that is under way.
        connection.as_mut().graceful_shutdown();
        break connection.await;
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
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
