//! Stays in sync: pushes own writes as they are written, and follows the peer's log as it grows.
//!
//! A sync is due when this replica has written, when the peer tells that its log has moved, and when a pause is over. Whether the
//! peer can say so is never taken for granted: a proxy may hold back the stream of notices, or swallow it. So a stream counts
//! once it has delivered a notice. It no longer counts if a sync that no notice asked for finds news.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_listener::EventListener;
use futures_util::future::{BoxFuture, Either, pending, select};
use futures_util::stream::{BoxStream, StreamExt};

use super::{Replica, ReplicaError, SyncError, SyncReport, locked};
use crate::id::Cursor;
use crate::protocol::{Code, Notice, Problem};
use crate::store::Retry;
use crate::transport::{Transport, TransportError};

/// The longest wait that anybody may ask for. Nobody on the way may silence a replica.
const ASKED_MAX: Duration = Duration::from_secs(3_600);

/// Waits between syncs, and gets the result of each. The engine has no timer: pass one in, with jitter and a maximum.
#[async_trait]
pub trait Schedule: Debug + Send + Sync {
    /// Called after each sync that came to its end.
    async fn synced(&self, report: &SyncReport);

    /// Returns when it is time to sync again. Own writes and notices may make it time earlier.
    ///
    /// # Cancel
    /// Dropped when something else has made it time.
    async fn pause(&self, why: Pause<'_>);
}

/// Why a live sync pauses.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Pause<'a> {
    /// The sync failed. Nothing interrupts this pause.
    Failed {
        /// Why.
        error: &'a SyncError,
        /// How many syncs in a row have not exchanged everything, this one included.
        times: u32,
    },
    /// The sync came to its end and left something out. If the peer asks to wait, nothing interrupts this pause.
    Incomplete {
        /// What is left out, and why.
        report: &'a SyncReport,
        /// How many syncs in a row have not exchanged everything, this one included.
        times: u32,
    },
    /// Everything is exchanged, and no watch is known to work: it is not open, or has delivered no notice yet, or has
    /// missed something. The pause is how late news may be.
    Polling {
        /// What ended the last watch, if it has failed.
        error: Option<&'a TransportError>,
        /// How many syncs in a row have found nothing after such a pause.
        times: u32,
    },
    /// Everything is exchanged, and the watch works. The pause is how late news may be if the watch stops without a sign.
    Watching,
}

impl Pause<'_> {
    /// How long the peer, or somebody on the way to it, asks to wait: at most an hour, and zero if they do not say.
    pub fn asked(&self) -> Duration {
        let asked = match self {
            Self::Failed { error: SyncError::Transport(error), .. } => error.retry_after(),
            Self::Incomplete { report, .. } => report.retry_after(),
            Self::Polling { error, .. } => error.and_then(TransportError::retry_after),
            Self::Failed { .. } | Self::Watching => None,
        };
        asked.unwrap_or_default().min(ASKED_MAX)
    }
}

/// Why it is time to sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// This replica has written.
    Written,
    /// The peer has told of news.
    Told,
    /// The pause is over.
    Paused,
}

impl Replica {
    /// Syncs with the peer, and again whenever this replica has written or the peer's log has moved. After a failure, and after a
    /// sync that left something out, it waits as `schedule` says and continues. If the peer's notices do not come through, it asks
    /// for news as often as `schedule` says, until they do.
    ///
    /// # Errors
    /// Only errors that waiting does not solve: a fork, a divergence, a store that failed, a peer that refuses permanently.
    ///
    /// # Cancel
    /// Runs until dropped. Dropping ends it between two commits.
    ///
    /// Run it in its own task. In a `select!` it must not be left half polled while another arm awaits a call of the same replica: that
    /// call may wait for this one.
    pub async fn live(
        &self,
        peer: &dyn Transport,
        schedule: &dyn Schedule,
    ) -> Result<std::convert::Infallible, SyncError> {
        let mut live = Live { replica: self, peer, schedule, watch: Watch::Closed(None), left_out: 0, quiet: 0 };
        let mut due = Due::Told;
        loop {
            let written = self.inner.written.listen();
            // That own bundles are not taken from this device passes when somebody gives it the replica.
            let synced = match self.sync(peer).await {
                Err(SyncError::NotOwner { report, .. }) => Ok(*report),
                synced => synced,
            };
            match synced {
                Ok(report) => {
                    schedule.synced(&report).await;
                    live.learn(due, &report);
                    due = live.wait(due, &report, written).await?;
                }
                Err(error) if is_passing(&error) => {
                    live.left_out += 1;
                    schedule.pause(Pause::Failed { error: &error, times: live.left_out }).await;
                    due = Due::Paused;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// How far the log of the peer spoken to last is read, and where it ended when the peer said so last.
    fn peer_cursor(&self) -> Option<(Cursor, Cursor)> {
        let peers = locked(&self.inner.peers);
        let heard = peers.heard()?;
        let read = peers.known(heard.log)?.cursor;
        Some((read, Cursor { position: heard.head.max(read.position), ..read }))
    }
}

/// A live sync.
struct Live<'a> {
    replica: &'a Replica,
    peer: &'a dyn Transport,
    schedule: &'a dyn Schedule,
    watch: Watch<'a>,
    /// Syncs in a row that have not exchanged everything.
    left_out: u32,
    /// Syncs in a row that have found nothing though nobody had told of anything.
    quiet: u32,
}

type Notices = BoxStream<'static, Result<Notice, TransportError>>;

/// Following the peer's log.
enum Watch<'a> {
    /// It is not followed, because of this error if there is one.
    Closed(Option<Arc<TransportError>>),
    /// The peer has not answered yet.
    Opening(BoxFuture<'a, Result<Notices, TransportError>>),
    /// It is followed.
    Open {
        notices: Notices,
        /// Whether it tells of news, as far as can be known.
        tells: bool,
    },
}

impl Watch<'_> {
    /// The next thing that happens to it: a notice, or nothing but another state.
    ///
    /// # Errors
    /// What ends it for good.
    ///
    /// # Cancel
    /// Nothing is lost.
    async fn next(&mut self) -> Result<Option<Notice>, TransportError> {
        let next = match self {
            Self::Closed(_) => pending().await,
            Self::Opening(opening) => opening.await.map(|notices| Self::Open { notices, tells: false }),
            Self::Open { notices, .. } => match notices.next().await {
                Some(Ok(notice)) => return Ok(Some(notice)),
                Some(Err(error)) => Err(error),
                None => Ok(Self::Closed(None)),
            },
        };
        *self = match next {
            Err(error) if passes(&error) => Self::Closed(Some(Arc::new(error))),
            next => next?,
        };
        Ok(None)
    }
}

impl<'a> Live<'a> {
    /// Takes in what a sync has shown.
    fn learn(&mut self, due: Due, report: &SyncReport) {
        self.left_out = if report.is_complete() { 0 } else { self.left_out + 1 };
        let is_news = report.pulled > 0;
        if let (true, Due::Paused, Watch::Open { tells, .. }) = (is_news, due, &mut self.watch) {
            *tells = false;
        }
        let polls = due == Due::Paused && !self.tells();
        self.quiet = if is_news { 0 } else { self.quiet + u32::from(polls) };
    }

    /// Waits until it is time to sync again.
    async fn wait(&mut self, last: Due, report: &SyncReport, mut written: EventListener) -> Result<Due, SyncError> {
        if report.retry_after().is_some() {
            self.schedule.pause(Pause::Incomplete { report, times: self.left_out }).await;
            return Ok(Due::Paused);
        }
        let Some((read, known)) = self.replica.peer_cursor() else { return Ok(Due::Paused) };
        if report.pulled > 0 && report.is_complete() && read.log == known.log && read.position < known.position {
            // The peer has told of more, and the sync has left it to the next one. Without progress it would be asked without a pause.
            return Ok(Due::Told);
        }
        if let Watch::Closed(error) = &self.watch
            && (error.is_none() || last == Due::Paused)
        {
            self.watch = Watch::Opening(self.peer.watch(self.replica.space(), read));
        }
        loop {
            let lost = if let Watch::Closed(error) = &self.watch { error.clone() } else { None };
            let tells = self.tells();
            let mut pause = self.schedule.pause(match tells {
                _ if !report.is_complete() => Pause::Incomplete { report, times: self.left_out },
                true => Pause::Watching,
                false => Pause::Polling { error: lost.as_deref(), times: self.quiet },
            });
            // Until something has changed that the pause depends on.
            while tells == self.tells() {
                let happened = match select(pin!(self.watch.next()), select(&mut written, &mut pause)).await {
                    Either::Left((happened, _)) => happened?,
                    Either::Right((Either::Left(_), _)) => return Ok(Due::Written),
                    Either::Right((Either::Right(_), _)) => return Ok(Due::Paused),
                };
                match happened {
                    Some(notice) if self.is_news(notice, known) => return Ok(Due::Told),
                    Some(_) => {}
                    None => break,
                }
            }
        }
    }

    /// Whether the peer is known to tell of news.
    fn tells(&self) -> bool {
        matches!(self.watch, Watch::Open { tells: true, .. })
    }

    /// Whether a notice tells of more than is known. One of less is late, and proves nothing.
    fn is_news(&mut self, notice: Notice, known: Cursor) -> bool {
        let is_late = notice.head.log == known.log && notice.head.position < known.position;
        if let (false, Watch::Open { tells, .. }) = (is_late, &mut self.watch) {
            (*tells, self.quiet) = (true, 0);
        }
        !is_late && notice.head != known
    }
}

/// Whether waiting may mend it.
fn is_passing(error: &SyncError) -> bool {
    match error {
        SyncError::Transport(error) => passes(error),
        SyncError::Replica(ReplicaError::Store(error)) => error.retry() != Retry::Never,
        SyncError::Replaced | SyncError::Unexpected | SyncError::Snapshot { .. } => true,
        _ => false,
    }
}

/// Whether an answer of another kind may come. That a cursor is gone is mended by the next sync.
fn passes(error: &TransportError) -> bool {
    match error {
        TransportError::Refused(Problem { code: Code::CursorGone { .. }, .. }) => true,
        error => error.retry_after().is_some(),
    }
}
