//! Writes that wait for a turn, and those that a turn has taken.

use bytes::Bytes;
use futures_channel::oneshot;

use super::ReplicaError;
use crate::format::run::VerifiedRun;
use crate::format::time::NTP64;
use crate::id::Dot;

/// A bundle that was written: durable in this replica's store, not yet known to any peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its name: ask [`Replica::outcome`](super::Replica::outcome) what became of it.
    pub dot: Dot,
    /// Its time.
    pub time: NTP64,
}

/// A write that waits for a turn.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) body: Bytes,
    /// The dead letter that it stands for.
    pub(super) letter: Option<Dot>,
    pub(super) answer: oneshot::Sender<Result<Written, ReplicaError>>,
}

/// Writes that were taken from the queue, and the run they were packed into. It outlives a dropped future: if a commit's outcome
/// is unknown, these very bundles are looked for, and committed again only if they are not there.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) writes: Vec<Pending>,
    pub(super) packed: Packed,
}

impl Taken {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.writes.len() as u64
    }

    /// The dead letters that writes stand for, each with the bundle written in its place.
    pub(super) fn rewritten(&self) -> impl Iterator<Item = (Dot, Written)> {
        self.writes.iter().zip(&self.packed.written).filter_map(|(write, at)| Some((write.letter?, *at)))
    }
}

/// A run of bundles that is ready to be committed.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    pub(super) written: Vec<Written>,
    pub(super) verified: VerifiedRun,
}

/// Answers each write. A writer that has gone away does not need its answer.
pub(super) fn answer(writes: Vec<Pending>, result: impl Fn(usize) -> Result<Written, ReplicaError>) {
    for (index, pending) in writes.into_iter().enumerate() {
        let _ = pending.answer.send(result(index));
    }
}
