//! Exchanging logs with a peer: compare heads, push what the peer lacks, pull what is missing here, compare again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::heal::Repair;
use super::peers::{Heard, Known, stranger};
use super::{Inner, Replica, ReplicaError, locked};
use crate::caught::caught;
use crate::format::run::Unchained;
use crate::format::time::NTP64;
use crate::id::{Cursor, Dot, Position, ReplicaId, Seq};
use crate::protocol::{Code, PeerHeads, Problem};
use crate::reserved::PeerRow;
use crate::snapshot::{SnapshotFault, SnapshotId};
use crate::store::{Limit, RowWrite, StoreError, WriteBatch};
use crate::transport::{Transport, TransportError};

mod bootstrap;
mod clocks;
mod early;
mod fork;
mod heads;
mod known;
mod pull;
mod push;
mod report;
mod size;

use size::Sent;

pub(super) use known::Holdings;
pub use report::{Bootstrapped, Held, SyncReport, WaitCause, Waiting};
pub use size::Oversized;
pub(super) use size::Sizes;

use clocks::Clocks;
use heads::{Gathered, Met, meet};

/// Bytes of runs that one pull asks for.
const PULL: Limit = Limit::bytes(2 * 1024 * 1024);
/// Bytes of runs that one push carries.
const PUSH: Limit = Limit::bytes(1024 * 1024);

/// The reason why a sync did not come to its end. Both sides keep what was exchanged before; another sync continues from there.
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
    /// After everything was exchanged the heads still differ: the origin's history has forked, or a log is damaged.
    #[error(
        "after the exchange bundle {at} still differs or is missing; its replica was cloned or restored, or a log is damaged: verify both"
    )]
    Unequal {
        /// The bundle that differs or is missing.
        at: Dot,
    },
    /// The peer's log was replaced during the sync, twice.
    #[error("the peer's log was replaced during the sync, as by a restore; sync again")]
    Replaced,
    /// The peer accepts no own bundles from this device: their replica belongs to another device there, or this device has as many
    /// replicas as a device may have. Everything else was exchanged, and own bundles are kept. It stays so until somebody who runs the
    /// peer gives the replica to this device.
    #[error("the peer does not take this replica's bundles from this device: {problem}")]
    NotOwner {
        /// The peer's refusal. Its code names the replica.
        problem: Problem,
        /// What was exchanged. It names the refusal, too.
        report: Box<SyncReport>,
    },
    /// A snapshot that the peer hands out is damaged, or is not what it says. Nothing has changed here.
    #[error("snapshot {id} of the peer cannot be taken: {fault}")]
    Snapshot {
        /// The snapshot.
        id: SnapshotId,
        /// What is wrong with it.
        fault: SnapshotFault,
    },
    /// The peer answered another question.
    #[error("the peer answered another question; check that both speak the same protocol")]
    Unexpected,
}

impl SyncError {
    /// Whether both logs were found to contradict each other.
    fn is_contradiction(&self) -> bool {
        matches!(self, Self::Forked { .. } | Self::Diverged(_) | Self::Unequal { .. })
    }
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self::Replica(error.into())
    }
}

impl Replica {
    /// Exchanges logs with a peer until both have the same bundles: compares heads, pushes what the peer lacks and takes from this
    /// device, pulls what is missing here, compares heads again. Syncs of one replica run one after the other; writes continue
    /// in the meantime. What is written here or pushed there during a sync may be left to the next one, so that each sync ends.
    ///
    /// A refusal or an unbelievable clock ends neither direction: see [`SyncReport`]. That the peer takes no own bundles from this device
    /// does not, either: see [`SyncError::NotOwner`].
    ///
    /// # Errors
    /// [`SyncError`].
    ///
    /// # Cancel
    /// What was committed stays; syncing again continues from there.
    pub async fn sync(&self, peer: &dyn Transport) -> Result<SyncReport, SyncError> {
        let _alone = self.inner.syncing.lock().await;
        let mut result = self.exchange(peer).await;
        if result.as_ref().is_err_and(SyncError::is_contradiction) && self.is_overtaken().await? {
            result = self.exchange(peer).await;
        }
        let result = match (result, &self.inner.new_id) {
            (Err(SyncError::Forked { at }), Some(fresh)) => {
                // Without a new identity it stays the fork that it is.
                match caught(fresh) {
                    Ok(fresh) => {
                        let rehomed = self.rehome(peer, fresh).await?;
                        self.exchange(peer).await.map(|report| SyncReport { rehomed, ..report })
                    }
                    Err(_) => Err(SyncError::Forked { at }),
                }
            }
            (Err(SyncError::Replaced), _) => self.exchange(peer).await,
            (result, _) => result,
        };
        let soon = result.as_ref().is_ok_and(|report| report.stopped.is_none());
        self.inner.turn().await.sent.expect(soon);
        self.inner.answered.notify(usize::MAX);
        result.and_then(SyncReport::unless_not_owner)
    }

    /// Moves the own bundles that the peer does not share under a fresh identity. None are moved if the fork was only in this
    /// handle's view: another handle on the same store has rewritten the tail and pushed it in the meantime.
    async fn rehome(&self, peer: &dyn Transport, fresh: ReplicaId) -> Result<u64, SyncError> {
        if self.is_overtaken().await? {
            return Ok(0);
        }
        let own = {
            let turn = self.inner.turn().await;
            turn.status.heads.get(turn.id)
        };
        let common = match Session::begin(&self.inner, peer).await?.common_history().await {
            // Something of it has been trimmed here: the fork is too old to be healed.
            Err(SyncError::Replica(ReplicaError::Store(error))) if matches!(*error, StoreError::Trimmed { .. }) => {
                return Ok(0);
            }
            // The peer has trimmed it and cannot be asked. What no peer has answered for may be lost if it does not move.
            Err(SyncError::Transport(TransportError::Refused(Problem { code: Code::Trimmed { .. }, .. }))) => {
                locked(&self.inner.peers).acked().min(own.seq)
            }
            common => common?,
        };
        Ok(self.inner.heal(common, Some(own), Repair::Rehome { fresh }).await?.count())
    }

    /// Whether the own history is another by now than this handle knew: another handle on the same store has written or rewritten it.
    async fn is_overtaken(&self) -> Result<bool, StoreError> {
        let mut turn = self.inner.turn().await;
        let seen = (turn.id, turn.status.heads.get(turn.id));
        turn.reload().await?;
        Ok((turn.id, turn.status.heads.get(turn.id)) != seen)
    }

    async fn exchange(&self, peer: &dyn Transport) -> Result<SyncReport, SyncError> {
        {
            let mut turn = self.inner.turn().await;
            turn.settle().await;
            turn.reload().await?;
        }
        self.inner.catch_up().await?;
        let mut session = Session::begin(&self.inner, peer).await?;
        if let Err(error) = session.run().await {
            // What the peer has answered for until then need not be sent again.
            if matches!(error, SyncError::Transport(_) | SyncError::Snapshot { .. }) && session.report.pushed > 0 {
                session.keep().await?;
            }
            return Err(error);
        }
        let mut report = session.finish().await?;
        // A damaged row may have sent a view back to the start of the log.
        self.inner.catch_up().await?;
        report.not_archived = self.inner.move_checkpoint_if_due().await?;
        report.without_history = self.inner.views_without_history();
        let needs_none = report.is_complete() && report.without_history.is_empty();
        if needs_none && self.inner.turn().await.is_fetching() {
            // A snapshot that was not fetched to its end is not needed any more.
            self.inner.end_import().await?;
        }
        Ok(report)
    }
}

/// One sync with one peer.
struct Session<'a> {
    inner: &'a Arc<Inner>,
    peer: &'a dyn Transport,
    own: ReplicaId,
    /// What the peer has, as far as it has said.
    theirs: PeerHeads,
    /// A place of the peer's log at which it had these heads, or earlier ones. Bundles of others may lie between this place and the end.
    exact: Position,
    /// What it has beyond these heads, as it has said while it took bundles.
    beyond: BTreeMap<ReplicaId, Seq>,
    /// Whether the peer compares digests.
    digests: bool,
    /// The peer's clock, as it said last.
    clock: NTP64,
    /// How far ahead of it the peer lets times lie, if it was asked.
    allowed: Option<Duration>,
    /// What is made of it and the own one.
    clocks: Clocks,
    /// A tail that this peer does not take yet was given new times, if that was allowed.
    retimed: bool,
    /// What is known of the peer's log.
    row: PeerRow,
    /// The last push, answered or not.
    sent: Option<Sent>,
    report: SyncReport,
}

impl<'a> Session<'a> {
    async fn begin(inner: &'a Arc<Inner>, peer: &'a dyn Transport) -> Result<Self, SyncError> {
        let Met { theirs: Gathered { begun, heads, end }, clocks: met, digests } = meet(inner, peer).await?;
        let theirs = PeerHeads { head: Cursor { position: end, ..begun }, heads };
        let log = begun.log;
        let turn = inner.turn().await;
        let missing = theirs.heads.ahead_of(&turn.status.heads);
        let heard = Heard { log, head: theirs.head.position, missing, lacking: None, clocks: met, doubt: None };
        let (row, clocks) = {
            let mut peers = locked(&inner.peers);
            peers.hear(heard);
            (peers.known(log).unwrap_or_else(|| stranger(log)), Clocks::weigh(&turn, &peers, &theirs, met))
        };
        let report = SyncReport { skew_ms: met.offset().millis(), ..SyncReport::default() };
        Ok(Self {
            inner,
            peer,
            own: turn.id,
            theirs,
            exact: begun.position,
            beyond: BTreeMap::new(),
            digests,
            clock: met.theirs,
            allowed: None,
            clocks,
            retimed: false,
            row,
            sent: None,
            report,
        })
    }

    /// Both directions.
    async fn run(&mut self) -> Result<(), SyncError> {
        self.begin_with_snapshot().await?;
        if self.theirs.heads.get(self.own).seq > self.own_seq().await {
            // The peer has more of this replica's bundles than the replica: it was restored from a backup. They come back first.
            let own = self.own;
            self.pull(None).await.map_err(|error| match error {
                SyncError::Diverged(Unchained::WrongChain { at } | Unchained::TimeWentBack { at })
                    if at.origin == own =>
                {
                    SyncError::Forked { at }
                }
                other => other,
            })?;
            if self.report.trimmed_there.is_some() {
                // Own bundles that cannot come back would get other ones in their places.
                return Ok(());
            }
        }
        self.check_own_history().await?;
        self.settle_clocks().await?;
        self.push_what_passes().await?;
        self.pull(Some(self.own)).await
    }

    /// What this session has learnt.
    fn known(&self) -> Known {
        Known { own: self.own, row: self.row, met: self.to_keep_in_mind() }
    }

    /// What the peer is known to hold.
    fn holding(&self) -> PeerHeads {
        let head = Cursor { position: self.exact, ..self.theirs.head };
        PeerHeads { head, heads: self.theirs.heads.clone() }
    }

    async fn own_seq(&self) -> Seq {
        self.inner.turn().await.status.heads.get(self.own).seq
    }

    /// Stores what is known of the peer, and `more` rows of the engine.
    async fn note_peer(&self, known: Known, more: Vec<RowWrite>) -> Result<(), StoreError> {
        let mut turn = self.inner.turn().await;
        loop {
            let row = locked(&self.inner.peers).row_for(turn.id, known);
            let expected = Some(turn.status.revision);
            let rows = more.iter().cloned().chain(known.rows(&row)).collect();
            match turn.commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await {
                Ok(_) => locked(&self.inner.peers).note_met(row, known.met),
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }

    /// Stores what is known of the peer now if no commit has yet.
    async fn keep(&self) -> Result<(), SyncError> {
        let rows = self.end_of_readings().await?;
        let known = self.known();
        let stored = locked(&self.inner.peers).known(self.row.cursor.log);
        if stored != Some(known.row) || known.met.is_some() || !rows.is_empty() {
            self.note_peer(known, rows).await?;
        }
        Ok(())
    }

    /// Stores what is known of the peer, and says how far both are.
    async fn finish(mut self) -> Result<SyncReport, SyncError> {
        self.keep().await?;
        let mut turn = self.inner.turn().await;
        turn.reload().await?;
        let (ours, theirs) = (turn.status.heads.clone(), &self.theirs.heads);
        let later =
            self.beyond.iter().map(|(origin, seq)| seq.since(theirs.get(*origin).seq.max(ours.get(*origin).seq)));
        let (missing, lacking) = (theirs.ahead_of(&ours) + later.sum::<u64>(), ours.ahead_of(theirs));
        locked(&self.inner.peers).set_end(missing, lacking, self.report.stopped.clone());
        drop(turn);
        if self.digests {
            if ours.differences(&self.theirs.heads).is_empty() {
                // One tree in place of two takes half the memory, and what is shared need not be compared.
                self.theirs.heads = ours;
            }
            locked(&self.inner.holdings).note(self.holding());
        }
        Ok(self.report)
    }
}
