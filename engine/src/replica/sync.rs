//! Exchanging logs with a peer: compare heads, push own bundles, pull what is missing, compare again.

use std::sync::Arc;

use futures_util::future::join;
use thiserror::Error;

use super::peers::{Heard, peer_row, stranger};
use super::{Inner, Replica, ReplicaError, locked};
use crate::clock::ClockDrift;
use crate::heads::{ChainHash, Heads};
use crate::id::{Cursor, Dot, Position, ReplicaId, Seq};
use crate::protocol::{Code, Have, PeerHeads, Problem, Pull, Pulled, Push, Pushed, Refusal, Reply, Request};
use crate::reserved::PeerRow;
use crate::run::{Run, Unchained, pack};
use crate::store::{Limit, StoreError, StoredRun};
use crate::time::NTP64;
use crate::transport::{Transport, TransportError};

/// Bytes of runs that one push carries.
const PUSH: Limit = Limit::bytes(1024 * 1024);
/// Bytes of runs that one pull asks for.
const PULL: Limit = Limit::bytes(2 * 1024 * 1024);
/// Bytes of pulled runs that are folded and committed together: each touched row is then loaded and written once.
const COMMIT_BYTES: usize = 16 * 1024 * 1024;
/// How often a push is adapted to what the peer answers (a gap, a clock) before it is given up until the next sync.
const PUSH_CHANGES_MAX: u32 = 3;

/// What one sync did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncReport {
    /// Own bundles that the peer has answered for.
    pub pushed: u64,
    /// Bundles that were new here.
    pub pulled: u64,
    /// Own bundles that the peer has refused; see [`Replica::dead_letters`].
    pub refused: Vec<(Dot, Refusal)>,
    /// Why the peer took no more of the own bundles. They stay pending; pulling went on.
    pub stopped: Option<Problem>,
    /// The bundle from too far in the future at which pulling stopped. It is not lost: the next sync asks for it again.
    pub held: Option<Held>,
    /// How far the peer's clock is ahead of this device's, in milliseconds; negative where it is behind.
    pub skew_ms: i64,
}

impl SyncReport {
    /// Whether everything was exchanged.
    pub fn is_complete(&self) -> bool {
        self.stopped.is_none() && self.held.is_none()
    }
}

/// A peer's bundle from too far in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The bundle.
    pub dot: Dot,
    /// By how much.
    pub drift: ClockDrift,
}

/// Why a sync did not come to its end. What was exchanged before is kept on both sides; syncing again goes on from there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The peer did not answer, or refused.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// This replica's store failed.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The peer holds other bundles under this replica's name: it was cloned, or restored from a backup and written to since.
    #[error(
        "the peer holds another history of this replica, up to {at}: the replica was cloned or restored; open it with a new id"
    )]
    Forked {
        /// The last bundle compared.
        at: Dot,
    },
    /// The peer's history of an origin does not continue this replica's.
    #[error("the peer's log contradicts this replica's: {0}")]
    Diverged(#[from] Unchained),
    /// After everything was exchanged the heads still differ.
    #[error("after the exchange the heads of {origin} still differ; verify both logs", origin = .at.origin)]
    Unequal {
        /// The bundle that differs or is missing.
        at: Dot,
    },
    /// The peer answered another question.
    #[error("the peer answered something else than it was asked; check that both speak the same protocol")]
    Unexpected,
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self::Replica(error.into())
    }
}

impl Replica {
    /// Exchanges logs with a peer until both have had the same bundles: compares heads, pushes own bundles, pulls the others,
    /// compares heads again. Syncs of one replica run one after the other; writes go on meanwhile.
    ///
    /// A refusal or an unbelievable clock ends neither direction: see [`SyncReport`].
    ///
    /// # Errors
    /// [`SyncError`].
    ///
    /// # Cancel
    /// What was committed stays; syncing again goes on from there.
    pub async fn sync(&self, peer: &dyn Transport) -> Result<SyncReport, SyncError> {
        let _alone = self.inner.syncing.lock().await;
        let mut session = Session::begin(&self.inner, peer).await?;
        if session.theirs.heads.get(session.own).seq > session.own_seq().await {
            // The peer has more of this replica's bundles than the replica: it was restored from a backup. They come back first.
            session.pull(None).await?;
        }
        session.push().await?;
        session.pull(Some(session.own)).await?;
        session.finish().await
    }
}

/// One sync with one peer.
struct Session<'a> {
    inner: &'a Arc<Inner>,
    peer: &'a dyn Transport,
    own: ReplicaId,
    /// What the peer had when the session began.
    theirs: PeerHeads,
    /// The peer's physical clock, as it said last.
    clock: NTP64,
    /// What is known of the peer's log.
    row: PeerRow,
    report: SyncReport,
}

/// Some pages of a pull.
struct Batch {
    runs: Vec<Run>,
    next: Cursor,
    /// Whether the peer's log ends here, and its heads if so.
    end: Option<Heads>,
}

impl<'a> Session<'a> {
    async fn begin(inner: &'a Arc<Inner>, peer: &'a dyn Transport) -> Result<Self, SyncError> {
        let answer = peer.call(Request::Heads(inner.space.clone())).await?;
        let Reply::Heads(theirs) = answer.reply else { return Err(SyncError::Unexpected) };
        let log = theirs.head.log;
        let heard = Heard { log, head: theirs.head.position, clocks: (answer.clock, inner.clock.physical()) };
        let row = {
            let mut peers = locked(&inner.peers);
            peers.hear(heard);
            peers.known(log).unwrap_or_else(|| stranger(log))
        };
        let own = inner.turn.lock().await.id;
        let report = SyncReport { skew_ms: heard.skew_ms(), ..SyncReport::default() };
        let session = Self { inner, peer, own, theirs, clock: answer.clock, row, report };
        session.check_own_history().await?;
        Ok(session)
    }

    async fn own_seq(&self) -> Seq {
        self.inner.turn.lock().await.status.heads.get(self.own).seq
    }

    /// Compares the peer's head of this replica with the chain hash here at the same bundle.
    async fn check_own_history(&self) -> Result<(), SyncError> {
        let theirs = self.theirs.heads.get(self.own);
        let ours = self.inner.turn.lock().await.status.heads.get(self.own);
        let chain = if theirs.seq == Seq::ZERO {
            ChainHash::GENESIS
        } else if theirs.seq >= ours.seq {
            ours.chain
        } else {
            let next = self.inner.store.read_origin(self.own, theirs.seq, Limit::items(1)).await?;
            next.first().map_or(theirs.chain, |stored| stored.previous)
        };
        if theirs.seq <= ours.seq && chain != theirs.chain {
            return Err(SyncError::Forked { at: Dot { origin: self.own, seq: theirs.seq } });
        }
        Ok(())
    }

    /// Hands own bundles over, from the last that the peer has both answered for and kept.
    async fn push(&mut self) -> Result<(), SyncError> {
        let mut from = self.row.acked.min(self.theirs.heads.get(self.own).seq);
        let mut until = None;
        let mut changes = 0;
        loop {
            let stored = self.inner.store.read_origin(self.own, from, PUSH).await?;
            let cut = |stored: StoredRun| match until {
                Some(last) => stored.run.until(last, stored.previous),
                None => Some(stored.run),
            };
            let runs = pack(stored.into_iter().filter_map(cut).collect());
            if runs.is_empty() {
                return Ok(());
            }
            let request = Request::Push(self.inner.space.clone(), Push { runs });
            match self.peer.call(request).await {
                Ok(answer) => {
                    self.clock = answer.clock;
                    let Reply::Push(pushed) = answer.reply else { return Err(SyncError::Unexpected) };
                    from = self.acknowledge(from, pushed).await?;
                }
                Err(TransportError::Refused(problem)) => {
                    changes += 1;
                    match problem.code {
                        Code::Gap { expected, .. } if changes < PUSH_CHANGES_MAX => from = Seq::new(expected.get() - 1),
                        Code::Fork { at } => return Err(SyncError::Forked { at }),
                        Code::ClockAhead { at, .. } if at.seq > from.plus(1) && changes < PUSH_CHANGES_MAX => {
                            until = Some(Seq::new(at.seq.get() - 1));
                            self.report.stopped = Some(problem);
                        }
                        _ => {
                            self.report.stopped = Some(problem);
                            return Ok(());
                        }
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Notes what the peer has answered. Refusals are stored at once, acknowledgements with the next commit.
    async fn acknowledge(&mut self, from: Seq, pushed: Pushed) -> Result<Seq, SyncError> {
        let through = pushed.through.iter().find(|(origin, _)| *origin == self.own).map_or(from, |(_, seq)| *seq);
        if through <= from || pushed.log != self.row.cursor.log {
            return Err(SyncError::Unexpected);
        }
        if let Some((first, last)) = pushed.placed {
            // Nobody else has written in between: the own bundles need not be passed over by a pull.
            if self.row.cursor.position.plus(1) == first {
                self.row.cursor.position = last;
            }
            self.theirs.head.position = self.theirs.head.position.max(last);
        }
        self.report.pushed += through.since(from);
        self.row.acked = through;
        if !pushed.refused.is_empty() {
            self.inner.refuse(&pushed.refused, self.row).await?;
            let dot = |origin, seq| Dot { origin, seq };
            let refused = pushed.refused.into_iter().map(|refused| (dot(refused.origin, refused.seq), refused.refusal));
            self.report.refused.extend(refused);
        }
        Ok(through)
    }

    /// Pulls what is missing: along the cursor where there is one, by heads where that is refused or leaves something out.
    async fn pull(&mut self, without: Option<ReplicaId>) -> Result<(), SyncError> {
        let met = locked(&self.inner.peers).known(self.row.cursor.log).is_some();
        let heads = self.inner.turn.lock().await.status.heads.clone();
        let read_on = self.row.cursor.position <= self.theirs.head.position && (met || heads.is_empty());
        if read_on {
            if self.row.cursor.position == self.theirs.head.position && self.unequal(&self.theirs.heads).await.is_none()
            {
                return Ok(());
            }
            match self.pull_from(Have::Cursor(self.row.cursor), without).await {
                Ok(None) => return Ok(()),
                // Something is left out: this replica's cursor is into a log that has been restored since.
                Ok(Some(_)) | Err(SyncError::Diverged(Unchained::Gap { .. })) => {}
                Err(SyncError::Transport(TransportError::Refused(Problem {
                    code: Code::CursorGone { .. }, ..
                }))) => {}
                Err(error) => return Err(error),
            }
        }
        let heads = self.inner.turn.lock().await.status.heads.clone();
        match self.pull_from(Have::Heads(heads), without).await? {
            None => Ok(()),
            Some(at) => Err(SyncError::Unequal { at }),
        }
    }

    /// Pulls to the end of the peer's log: pages are fetched while earlier ones are committed. Returns a bundle in which both
    /// still differ, if there is one.
    async fn pull_from(&mut self, have: Have, without: Option<ReplicaId>) -> Result<Option<Dot>, SyncError> {
        let mut batch = self.fetch(have, without).await?;
        loop {
            let row = PeerRow { cursor: batch.next, ..self.row };
            let ingest = self.inner.ingest(&batch.runs, row, self.clock);
            let (ingested, fetched) = match batch.end {
                Some(_) => (ingest.await?, None),
                None => {
                    let (ingested, fetched) = join(ingest, self.fetch(Have::Cursor(batch.next), without)).await;
                    (ingested?, Some(fetched?))
                }
            };
            self.report.pulled += ingested.bundles;
            if ingested.held.is_some() {
                self.report.held = ingested.held;
                return Ok(None);
            }
            self.row = row;
            match (fetched, batch.end) {
                (Some(fetched), _) => batch = fetched,
                (None, heads) => return Ok(self.unequal(&heads.unwrap_or_default()).await),
            }
        }
    }

    /// Fetches pages until they are worth a commit or the log ends.
    async fn fetch(&self, mut have: Have, without: Option<ReplicaId>) -> Result<Batch, SyncError> {
        let (mut runs, mut bytes) = (Vec::new(), 0);
        loop {
            let pull = Pull { have, without, limit: PULL };
            let answer = self.peer.call(Request::Pull(self.inner.space.clone(), pull)).await?;
            let Reply::Pull(Pulled { runs: page, next, head, heads }) = answer.reply else {
                return Err(SyncError::Unexpected);
            };
            let clocks = (answer.clock, self.inner.clock.physical());
            locked(&self.inner.peers).hear(Heard { log: next.log, head, clocks });
            bytes += page.iter().map(|run| run.as_bytes().len()).sum::<usize>();
            runs.extend(page);
            let end = heads.filter(|_| next.position == head);
            if end.is_some() || bytes >= COMMIT_BYTES {
                return Ok(Batch { runs, next, end });
            }
            have = Have::Cursor(next);
        }
    }

    /// A bundle of the peer's that is missing here or is another one.
    async fn unequal(&self, theirs: &Heads) -> Option<Dot> {
        let turn = self.inner.turn.lock().await;
        let ours = &turn.status.heads;
        let missing = theirs.iter().find(|(origin, head)| ours.get(*origin).seq < head.seq);
        ours.fork(theirs).or_else(|| missing.map(|(origin, head)| Dot { origin, seq: head.seq }))
    }

    /// Stores what is known of the peer now, where no commit has yet.
    async fn finish(self) -> Result<SyncReport, SyncError> {
        let stored = locked(&self.inner.peers).known(self.row.cursor.log);
        if stored != Some(self.row) {
            self.inner.commit_rows(vec![peer_row(&self.row)]).await?;
            locked(&self.inner.peers).note(self.row);
        }
        let position: Position = self.theirs.head.position;
        debug_assert!(
            self.report.held.is_some() || self.row.cursor.position >= position,
            "a complete pull reads to the head"
        );
        Ok(self.report)
    }
}
