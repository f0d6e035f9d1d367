//! What peers are known to hold, so that only what has changed since must be told.

use std::collections::BTreeMap;

use crate::id::{Cursor, LogId};
use crate::protocol::PeerHeads;

/// What each peer held when a sync with it ended, since this replica was opened. The heads share almost all of their memory with the
/// replica's own, or with each other.
#[derive(Debug, Default)]
pub(in crate::replica) struct Holdings {
    logs: BTreeMap<LogId, PeerHeads>,
    /// The log of the peer spoken to last, if that peer compares digests: the next one probably is the same.
    last: Option<LogId>,
}

impl Holdings {
    /// Notes that a peer with this log compares digests, or that the last one does not.
    pub(super) fn spoke(&mut self, log: Option<LogId>) {
        self.last = log;
    }

    /// The place up to which the peer spoken to last is known, if it compares digests.
    pub(super) fn last(&self) -> Option<Cursor> {
        self.logs.get(&self.last?).map(|held| held.head)
    }

    /// What this log is known to hold.
    pub(super) fn of(&self, log: LogId) -> Option<PeerHeads> {
        self.logs.get(&log).cloned()
    }

    /// Notes what a log holds.
    pub(super) fn note(&mut self, held: PeerHeads) {
        self.logs.insert(held.head.log, held);
    }
}
