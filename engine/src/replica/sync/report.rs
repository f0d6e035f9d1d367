//! What a sync reports.

use std::time::Duration;

use super::size::Oversized;
use super::{SyncError, push};
use crate::clock::ClockDrift;
use crate::id::Dot;
use crate::protocol::{Problem, Refusal};
use crate::snapshot::SnapshotId;
use crate::store::ViewId;
use crate::trust::ClockDoubt;

/// What one sync did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncReport {
    /// Own bundles that the peer has answered for.
    pub pushed: u64,
    /// Bundles of other replicas that the peer lacked and took from this one.
    pub supplied: u64,
    /// Bundles that were new here.
    pub pulled: u64,
    /// Own bundles that got new times, because this device's clock was wrong when they were written. They had never been sent.
    pub restamped: u64,
    /// Own bundles that got new times and a new identity, because they may have been sent before: a push of them was not
    /// answered. If a peer stored them then, their events exist twice.
    pub moved: u64,
    /// Own bundles that moved under a new identity, because the old one's history had forked.
    pub rehomed: u64,
    /// Own bundles that the peer has refused; see [`Replica::dead_letters`](crate::Replica::dead_letters).
    pub refused: Vec<(Dot, Refusal)>,
    /// Why the peer accepted no more bundles. Own ones stay pending; pulling continued. If the peer refuses this replica's bundles
    /// because it belongs to another device there, the report comes with [`SyncError::NotOwner`].
    pub stopped: Option<Problem>,
    /// Own bundles that wait, because the peer does not accept their times yet and they may not get others. `stopped` is then
    /// [`Code::ClockAhead`](crate::protocol::Code::ClockAhead).
    pub waiting: Option<Waiting>,
    /// The bundle from too far in the future at which pulling stopped. It is not lost: the next sync asks for it again.
    pub held: Option<Held>,
    /// The bundle that is too large for somebody on the way to the peer, if there is one.
    pub oversized: Option<Oversized>,
    /// The first bundle that is missing here, and that the peer has trimmed. Nothing else of its log can be had from this peer, which would
    /// leave a hole. Own bundles are pushed all the same.
    pub trimmed_there: Option<Dot>,
    /// A bundle that the peer lacks, and that has been [trimmed](crate::Replica::trim) here. The peer gets no later ones of this origin
    /// from this replica.
    pub trimmed_here: Option<Dot>,
    /// The snapshot that took the place of this replica's log, if one did.
    pub bootstrapped: Option<Bootstrapped>,
    /// Why the archive did not take what was to be trimmed, if it did not. The log keeps it until the archive takes it.
    pub not_archived: Option<String>,
    /// Views of this replica that still [lack history](crate::replica::ReplicaStatus::views_without_history): the peer has no snapshot with
    /// all views of this replica, or this replica takes none. Everything was exchanged all the same. In order.
    pub without_history: Vec<ViewId>,
    /// How far the peer's clock is ahead of this device's, in milliseconds; negative if it is behind.
    pub skew_ms: i64,
    /// What is added to this device's clock from this sync on, in milliseconds, because the peer's clock and what this device knows prove
    /// it wrong; negative if it is ahead. A correction ends with the first sync whose answers do not support it, after
    /// [`CORRECTION_LIFETIME`](crate::clock::CORRECTION_LIFETIME), when the clock is set, and with the process.
    pub clock_corrected_ms: Option<i64>,
    /// Why this device's clock was not corrected by the peer's, although both differ. Bundles that this peer does not accept stay pending.
    pub clock_doubt: Option<ClockDoubt>,
}

impl SyncReport {
    /// Whether everything was exchanged.
    pub fn is_complete(&self) -> bool {
        let is_trimmed = self.trimmed_there.is_some() || self.trimmed_here.is_some();
        self.stopped.is_none() && self.held.is_none() && self.oversized.is_none() && !is_trimmed
    }

    /// How long the peer asks to wait, if the reason why it accepted no more is temporary.
    pub fn retry_after(&self) -> Option<Duration> {
        self.stopped.as_ref()?.retry_after()
    }

    /// The report, unless the peer takes no bundles of this replica from this device.
    pub(super) fn unless_not_owner(self) -> Result<Self, SyncError> {
        match self.stopped.clone().filter(push::is_not_owner) {
            Some(problem) => Err(SyncError::NotOwner { problem, report: Box::new(self) }),
            None => Ok(self),
        }
    }
}

/// A snapshot that took the place of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrapped {
    /// Its name.
    pub snapshot: SnapshotId,
    /// How many bundles it covers.
    pub bundles: u64,
    /// How many rows it has.
    pub rows: u64,
    /// Bundles that were in this log and that it does not cover. They are kept.
    pub kept: u64,
}

/// A peer's bundle from too far in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The bundle.
    pub dot: Dot,
    /// By how much.
    pub drift: ClockDrift,
}

/// Own bundles that wait until the peer's clock comes near their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The first of them.
    pub dot: Dot,
    /// How many there are: it, and all behind it.
    pub bundles: u64,
    /// By how much it is ahead of the peer's clock.
    pub drift: ClockDrift,
    /// Why they keep their times.
    pub cause: WaitCause,
}

/// Why own bundles keep times that a peer does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitCause {
    /// Another peer has stored them.
    Stored,
    /// They may have been sent: a push of them was not answered, or was refused. The wait is short, or the replica was opened without
    /// [`on_fork`](crate::replica::Compose::on_fork).
    Sent,
    /// A service reads them from this store, see [`shared_with_service`](crate::replica::Compose::shared_with_service).
    Served,
    /// The peer's clock is not believed, see [`SyncReport::clock_doubt`].
    Doubted,
    /// They follow bundles that are as far ahead, or have got new times in this sync already.
    Follows,
}
