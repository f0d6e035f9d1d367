//! The server's side.

use std::collections::BTreeMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{StreamExt, poll_fn};
use syncline::Service;
use syncline::limits::FRAME_BYTES_MAX;
use syncline::protocol::{Code, Problem};
use syncline::service::ServiceError;
use tokio::io::AsyncRead;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::frame::{Ask, TOKEN_BYTES_MAX, Tell, Told, What, encode, read, write};

/// Calls and watches of one connection that run at once.
const CALLS_MAX: usize = 1_024;
/// What a client with more of them is told to wait, in milliseconds.
const BUSY_MS: u64 = 1_000;
/// Frames that wait for a slow client; who has more to say waits, too.
const QUEUE_FRAMES: usize = 16;

/// Serves a service on a listening socket.
///
/// # Cancel
/// Runs until dropped, which cuts all connections.
pub async fn serve(listener: TcpListener, service: Arc<Service>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => drop(connections.spawn(converse(socket, service.clone()))),
            // Out of file descriptors, say: there may be one soon.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(socket: TcpStream, service: Arc<Service>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut from, to) = socket.into_split();
    let token: Arc<str> = read::<String>(&mut from, TOKEN_BYTES_MAX).await?.into();
    let (tells, mut queue) = mpsc::channel(QUEUE_FRAMES);
    tokio::select! {
        ended = write(to, poll_fn(|context| queue.poll_recv(context))) => ended,
        ended = listen(from, &service, &token, tells) => ended,
    }
}

/// Starts what the client asks for, and stops what it drops. All of it stops when the connection breaks.
async fn listen(
    mut from: impl AsyncRead + Unpin,
    service: &Arc<Service>,
    token: &Arc<str>,
    tells: mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    let (mut tasks, mut running) = (JoinSet::new(), BTreeMap::<u64, AbortHandle>::new());
    loop {
        let Ask { call, what } = read(&mut from, FRAME_BYTES_MAX).await?;
        while tasks.try_join_next().is_some() {}
        running.retain(|_, task| !task.is_finished());
        let teller = Teller { call, tells: tells.clone() };
        if let What::Drop = what {
            running.remove(&call).inspect(AbortHandle::abort);
        } else if running.len() >= CALLS_MAX {
            let busy = Code::Busy { retry_after_ms: BUSY_MS };
            teller.tell(Err(Problem::new(busy, "too many calls at once on this connection"))).await;
        } else {
            let task = tasks.spawn(handle(service.clone(), token.clone(), what, teller));
            running.insert(call, task);
        }
    }
}

/// Where to tell what comes of one call.
struct Teller {
    call: u64,
    tells: mpsc::Sender<Vec<u8>>,
}

impl Teller {
    async fn tell(&self, what: Result<Told, Problem>) {
        let told = |what| encode(&Tell { call: self.call, what });
        if let Ok(frame) = told(what).or_else(|too_large| told(Err(too_large))) {
            // It fails only if the connection is broken, and this task about to be stopped.
            let _ = self.tells.send(frame).await;
        }
    }
}

/// Does one call to its end. A panic, as of an application's policy, is told as a failure.
async fn handle(service: Arc<Service>, token: Arc<str>, what: What, teller: Teller) {
    let work = AssertUnwindSafe(work(&service, &token, what, &teller));
    let ended = work.catch_unwind().await;
    let failed = || Err(Problem::new(Code::Internal, "the server failed; try again later"));
    if let Err(problem) = ended.unwrap_or_else(|_| failed()) {
        teller.tell(Err(problem)).await;
    }
}

async fn work(service: &Arc<Service>, token: &str, what: What, teller: &Teller) -> Result<(), Problem> {
    let told = |error: ServiceError| error.to_problem();
    // For every call again, since a token may be revoked while the connection stands.
    let known = service.authority().authenticate(token).await.map_err(|error| told(error.into()))?;
    let detail = "the token is unknown, expired or revoked; ask for a new one";
    let principal = known.ok_or_else(|| Problem::new(Code::Unauthorized, detail))?;
    match what {
        What::Answer(request) => {
            let answer = service.answer(&principal, request).await.map_err(told)?;
            teller.tell(Ok(Told::Answer(answer))).await;
        }
        What::Watch(space, after) => {
            let mut notices = service.watch(&principal, &space, after).await.map_err(told)?;
            while let Some(notice) = notices.next().await {
                teller.tell(Ok(Told::Notice(notice.map_err(told)?))).await;
            }
        }
        What::Drop => {}
    }
    Ok(())
}
