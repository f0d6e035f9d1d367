//! The client's side of one connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt, poll_fn, unfold};
use syncline::format::codec;
use syncline::limits::FRAME_BYTES_MAX;
use syncline::protocol::{Answer, Notice, Problem, Request};
use syncline::{Cursor, SpaceId, Transport, TransportError};
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::frame::{Ask, Tell, Told, What, encode, read, write};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// One connection: any number of calls and watches share it. Once it is broken it stays so, and everything fails as
/// [`TransportError::Unreachable`]; [`TcpTransport`](crate::TcpTransport) then makes another. Clones are one connection, which
/// closes when the last of them is dropped.
#[derive(Clone)]
pub struct Line {
    asks: mpsc::UnboundedSender<Vec<u8>>,
    calls: Arc<Mutex<Calls>>,
}

/// Where to put what the server tells, by call; `None` once the connection is broken. A slot holds the latest only: so notices
/// that nobody has taken yet are merged.
type Calls = Option<BTreeMap<u64, watch::Sender<Option<Result<Told, Problem>>>>>;

fn locked(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// Connects to a server, or fails as [`TransportError::Unreachable`].
    pub async fn connect(address: SocketAddr, token: &str) -> Result<Self, TransportError> {
        let unreachable = |error: io::Error| TransportError::Unreachable(error.into());
        let connected = timeout(CONNECT, TcpStream::connect(address)).await;
        let socket = connected.map_err(io::Error::from).flatten().map_err(unreachable)?;
        socket.set_nodelay(true).map_err(unreachable)?;
        let (from, to) = socket.into_split();
        let (asks, mut queue) = mpsc::unbounded_channel();
        let _ = asks.send(codec::encode(&token));
        let line = Self { asks, calls: Arc::new(Mutex::new(Some(BTreeMap::new()))) };
        let calls = line.calls.clone();
        tokio::spawn(async move {
            let _ended = tokio::select! {
                ended = write(to, poll_fn(|context| queue.poll_recv(context))) => ended,
                ended = listen(from, &calls) => ended,
            };
            // Anyone who waits finds that nobody will tell them any more.
            locked(&calls).take();
        });
        Ok(line)
    }

    /// Whether this connection is of no use any more.
    pub fn is_broken(&self) -> bool {
        locked(&self.calls).is_none()
    }

    fn ask(&self, what: What) -> Result<Pending, TransportError> {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let frame = encode(&Ask { call, what })?;
        let (slot, told) = watch::channel(None);
        let broken = || TransportError::Unreachable("the connection is broken".into());
        locked(&self.calls).as_mut().ok_or_else(broken)?.insert(call, slot);
        let _ = self.asks.send(frame);
        Ok(Pending { line: self.clone(), call, told })
    }
}

async fn listen(mut from: impl AsyncRead + Unpin, calls: &Mutex<Calls>) -> io::Result<()> {
    loop {
        let Tell { call, what } = read(&mut from, FRAME_BYTES_MAX).await?;
        if let Some(slot) = locked(calls).as_ref().and_then(|calls| calls.get(&call)) {
            slot.send_replace(Some(what));
        }
    }
}

/// A call or a watch under way. Dropping it gives it up, here and at the server.
struct Pending {
    line: Line,
    call: u64,
    told: watch::Receiver<Option<Result<Told, Problem>>>,
}

impl Pending {
    async fn next(&mut self) -> Result<Told, TransportError> {
        let lost = || TransportError::Interrupted("the connection broke".into());
        self.told.changed().await.map_err(|_| lost())?;
        let told = self.told.borrow_and_update().clone();
        Ok(told.ok_or_else(lost)??)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(calls) = locked(&self.line.calls).as_mut() {
            calls.remove(&self.call);
        }
        let _ = self.line.asks.send(codec::encode(&Ask { call: self.call, what: What::Drop }));
    }
}

#[async_trait]
impl Transport for Line {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        match self.ask(What::Answer(request))?.next().await? {
            Told::Answer(answer) => Ok(answer),
            Told::Notice(_) => Err(TransportError::Garbled("a notice answers no call".into())),
        }
    }

    async fn watch(
        &self,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError> {
        let pending = self.ask(What::Watch(space.clone(), after))?;
        let notices = unfold(Some(pending), |pending| async {
            let mut pending = pending?;
            match pending.next().await {
                Ok(Told::Notice(notice)) => Some((Ok(notice), Some(pending))),
                Ok(Told::Answer(_)) => Some((Err(TransportError::Garbled("a watch is not answered".into())), None)),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(notices.boxed())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("is_broken", &self.is_broken()).finish_non_exhaustive()
    }
}
