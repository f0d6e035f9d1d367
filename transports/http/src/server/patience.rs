//! A connection that gives up on a peer which is too slow.
//!
//! hyper's own time-out for headers also runs while a kept connection lies idle, so one value cannot serve both. Here the
//! connection knows what it waits for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Phase {
    /// The first request, or the rest of a request's headers.
    Head = 0,
    /// The next request.
    Idle = 1,
    /// Its own answer. The peer need not say anything meanwhile.
    Busy = 2,
}

/// Where a connection is in its conversation: set by those who serve it, read by the [`Patient`] socket.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<State>);

#[derive(Debug, Default)]
struct State {
    phase: AtomicU64,
    /// Who waits for the peer.
    reader: AtomicWaker,
}

/// The phase takes the lowest bits, the rest counts the changes.
const PHASES: u64 = 4;

impl Progress {
    /// A request's headers have been read.
    pub(super) fn busy(&self) {
        self.enter(Phase::Busy);
    }

    /// Its answer has been sent. hyper is waiting to read already, and would not ask again before something comes.
    pub(super) fn idle(&self) {
        self.enter(Phase::Idle);
        self.0.reader.wake();
    }

    /// Whether its peer may be in the middle of a request's headers.
    pub(super) fn is_asking(&self) -> bool {
        self.get().1 == Phase::Head
    }

    fn enter(&self, phase: Phase) {
        // One connection's phases follow each other, so nothing is lost between reading and writing.
        let changes = self.0.phase.load(Ordering::Relaxed) / PHASES;
        self.0.phase.store((changes + 1) * PHASES + phase as u64, Ordering::Relaxed);
    }

    fn get(&self) -> (u64, Phase) {
        let state = self.0.phase.load(Ordering::Relaxed);
        let phase = match state % PHASES {
            0 => Phase::Head,
            1 => Phase::Idle,
            _ => Phase::Busy,
        };
        (state, phase)
    }
}

/// How long a [`Patient`] socket waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) idle: Duration,
    pub(super) write: Duration,
}

/// A socket with time-outs for headers, for idling, and for a peer that does not read.
#[derive(Debug)]
pub(super) struct Patient<S> {
    socket: S,
    patience: Patience,
    progress: Progress,
    reading: Pin<Box<Sleep>>,
    /// The state of the conversation for which `reading` runs.
    reading_for: Option<u64>,
    writing: Pin<Box<Sleep>>,
    write_stalled: bool,
}

impl<S> Patient<S> {
    pub(super) fn new(socket: S, patience: Patience, progress: Progress) -> Self {
        let (reading, writing) = (Box::pin(sleep(patience.head)), Box::pin(sleep(patience.write)));
        Self { socket, patience, progress, reading, reading_for: None, writing, write_stalled: false }
    }

    /// The peer has sent nothing: is it still allowed to?
    fn wait_to_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (state, phase) = self.progress.get();
        let allowed = match phase {
            Phase::Busy => {
                self.progress.0.reader.register(cx.waker());
                return Poll::Pending;
            }
            Phase::Head => self.patience.head,
            Phase::Idle => self.patience.idle,
        };
        if self.reading_for.replace(state) != Some(state) {
            self.reading.as_mut().reset(Instant::now() + allowed);
        }
        ready!(self.reading.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer sent no request in time")))
    }

    /// The peer takes nothing, or has taken `written`.
    fn watch_writing<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_stalled = false;
            return written;
        }
        if !std::mem::replace(&mut self.write_stalled, true) {
            self.writing.as_mut().reset(Instant::now() + self.patience.write);
        }
        ready!(self.writing.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read its answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buf) {
            Poll::Pending => self.wait_to_read(cx),
            ready => {
                if buf.filled().len() > before && self.progress.get().1 == Phase::Idle {
                    self.progress.enter(Phase::Head);
                }
                ready
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.watch_writing(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.watch_writing(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.watch_writing(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.watch_writing(cx, closed)
    }
}
