//! A connection that gives up on a peer which is too slow, in sending or in reading.
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

use super::floor::Floor;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Phase {
    /// The first byte.
    New = 0,
    /// The rest of a request's headers.
    Head = 3,
    /// The next request.
    Idle = 1,
    /// Its own answer. The peer need not say anything in the meantime.
    Busy = 2,
}

/// Where a connection is in its conversation: set by those who serve it, read by the [`TimeoutStream`] socket.
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

    /// Something of a request has come.
    pub(super) fn heard(&self) {
        if self.phase() != Phase::Head {
            self.enter(Phase::Head);
        }
    }

    /// What the connection waits for.
    pub(super) fn phase(&self) -> Phase {
        self.get().1
    }

    fn enter(&self, phase: Phase) {
        // One connection's phases follow each other, so nothing is lost between reading and writing.
        let changes = self.0.phase.load(Ordering::Relaxed) / PHASES;
        self.0.phase.store((changes + 1) * PHASES + phase as u64, Ordering::Relaxed);
    }

    fn get(&self) -> (u64, Phase) {
        let state = self.0.phase.load(Ordering::Relaxed);
        let phase = match state % PHASES {
            0 => Phase::New,
            1 => Phase::Idle,
            2 => Phase::Busy,
            _ => Phase::Head,
        };
        (state, phase)
    }
}

/// How long a [`TimeoutStream`] socket waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) idle: Duration,
    pub(super) write: Duration,
}

/// A socket with time-outs for headers, for idling, and for a peer that does not read.
#[derive(Debug)]
pub(super) struct TimeoutStream<S> {
    socket: S,
    patience: Patience,
    progress: Progress,
    reading: Pin<Box<Sleep>>,
    /// The state of the conversation for which `reading` runs.
    reading_for: Option<u64>,
    writing: Pin<Box<Sleep>>,
    floor: Floor,
    /// Since when the peer takes nothing.
    stalled: Option<Instant>,
}

impl<S> TimeoutStream<S> {
    pub(super) fn new(socket: S, patience: Patience, progress: Progress) -> Self {
        let (reading, writing) = (Box::pin(sleep(patience.head)), Box::pin(sleep(patience.write)));
        let floor = Floor::new(patience.write);
        Self { socket, patience, progress, reading, reading_for: None, writing, floor, stalled: None }
    }

    /// The peer has sent nothing: is it still allowed to?
    fn wait_to_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (state, phase) = self.progress.get();
        let allowed = match phase {
            Phase::Busy => {
                self.progress.0.reader.register(cx.waker());
                return Poll::Pending;
            }
            Phase::New | Phase::Head => self.patience.head,
            Phase::Idle => self.patience.idle,
        };
        if self.reading_for.replace(state) != Some(state) {
            self.reading.as_mut().reset(Instant::now() + allowed);
        }
        ready!(self.reading.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer sent no request in time")))
    }

    /// The peer takes nothing, or has taken something: so many bytes by `bytes`.
    fn watch_writing<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(written) = written {
            // Time in which there is nothing to send is not the peer's.
            let waited = self.stalled.take().map_or(Duration::ZERO, |since| since.elapsed());
            self.floor.moved(waited, written.as_ref().map_or(0, bytes));
            return Poll::Ready(written);
        }
        if self.stalled.is_none() {
            let now = Instant::now();
            self.stalled = Some(now);
            self.writing.as_mut().reset(now + self.floor.left());
        }
        ready!(self.writing.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read its answer, or too slowly")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buf) {
            Poll::Pending => self.wait_to_read(cx),
            ready => {
                if buf.filled().len() > before && matches!(self.progress.phase(), Phase::New | Phase::Idle) {
                    self.progress.heard();
                }
                ready
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.watch_writing(cx, written, |written| *written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.watch_writing(cx, written, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.watch_writing(cx, flushed, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.watch_writing(cx, closed, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const SECOND: Duration = Duration::from_secs(1);

    fn connection() -> (TimeoutStream<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(64 * 1024);
        let patience = Patience { head: SECOND, idle: SECOND, write: 30 * SECOND };
        (TimeoutStream::new(near, patience, Progress::default()), far)
    }

    /// Reads so many bytes each second, for ever.
    async fn read_at(mut far: DuplexStream, bytes: usize) {
        let mut piece = vec![0; bytes];
        while far.read_exact(&mut piece).await.is_ok() {
            sleep(SECOND).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_an_answer_byte_by_byte_is_given_up_and_one_that_is_fast_enough_is_not() {
        for (bytes, passes) in [(100, false), (15 * 1024, false), (17 * 1024, true), (60 * 1024, true)] {
            let (mut near, far) = connection();
            tokio::spawn(read_at(far, bytes));
            let written = near.write_all(&vec![7; 9 << 20]).await;
            assert_eq!(written.is_ok(), passes, "{bytes} bytes per second: {written:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_there_is_nothing_to_send_is_not_the_peers() {
        let (mut near, far) = connection();
        tokio::spawn(read_at(far, 17 * 1024));
        for _ in 0..20 {
            near.write_all(&vec![7; 200 * 1024]).await.unwrap();
            sleep(3_600 * SECOND).await;
        }
    }
}
