//! The state of a replica. It never says "in sync" while something is pending, refused, unread or unknown.

use super::import::Bootstrap;
use super::queue::Taken;
use super::{Inner, Replica, ReplicaError, locked};
use crate::format::time::Offset;
use crate::id::{LogId, Position, ReplicaId};
use crate::protocol::Problem;
use crate::reserved::{self, DEAD_LETTERS};
use crate::store::{Limit, RowRange, StoreError, ViewId};
use crate::trust::ClockDoubt;

/// The state of a replica at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Its identity.
    pub replica: ReplicaId,
    /// Its log.
    pub log: LogId,
    /// The last bundle of its log.
    pub head: Position,
    /// Bundles of its log up to here have been [trimmed](Replica::trim). Zero if none have.
    pub base: Position,
    /// Own bundles that no peer has answered for.
    pub pending: u64,
    /// Dead letters that the application has not dealt with.
    pub refused: u64,
    /// Events that a maintained view has put aside, once for each view; see [`Replica::unreadable`].
    pub unreadable: u64,
    /// Views that are still being folded, or cannot be folded.
    pub views_behind: u64,
    /// Those of them that cannot be folded, because the bundles that they would be folded from have been trimmed. Reading them fails with
    /// [`ReplicaError::NeedsHistory`]. They wait for a sync with a peer that has a snapshot with all views of this replica. In order.
    pub views_without_history: Vec<ViewId>,
    /// How far this replica is with a snapshot that it takes in the place of the log's bundles. None if it takes none.
    pub bootstrap: Option<Bootstrap>,
    /// What is added to this device's clock at present, in milliseconds, because a peer's clock and what it knows prove it wrong;
    /// negative if it is ahead. None if it is not corrected.
    pub clock_corrected_ms: Option<i64>,
    /// The last peer of a sync. None if there was no sync since the replica was opened: then nothing is known of news there.
    pub peer: Option<PeerStatus>,
}

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its log.
    pub log: LogId,
    /// Bundles in its log that are not read yet, of those it has told of.
    pub unread: u64,
    /// Bundles here, of any origin, that it lacked when the last sync with it ended; unknown while one is under way, and after one
    /// that failed.
    pub lacking: Option<u64>,
    /// Why it took no more bundles from this device in the last sync that has ended; none if it took them all. That this replica belongs
    /// to another device there is [`Code::Forbidden`](crate::protocol::Code::Forbidden) with its id.
    pub stopped: Option<Problem>,
    /// How far its clock is ahead of this device's, in milliseconds; negative if it is behind.
    pub skew_ms: i64,
    /// Why this device's clock was not corrected by it, although both differ. One of them has to be set.
    pub clock_doubt: Option<ClockDoubt>,
}

impl ReplicaStatus {
    /// Whether this replica and the peer spoken to last had the same bundles when they last spoke, and nothing waits.
    pub fn in_sync(&self) -> bool {
        let quiet = self.pending == 0 && self.refused == 0 && self.unreadable == 0 && self.views_behind == 0;
        quiet && self.peer.as_ref().is_some_and(|peer| peer.unread == 0 && peer.lacking == Some(0))
    }
}

impl Replica {
    /// The state of the replica.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn status(&self) -> Result<ReplicaStatus, ReplicaError> {
        let refused = self.inner.count(DEAD_LETTERS, RowRange::all()).await?;
        let unreadable = self.inner.count_unreadable().await?;
        let mut turn = self.inner.turn().await;
        turn.refresh().await?;
        let peers = locked(&self.inner.peers);
        let peer = peers.heard().map(|heard| PeerStatus {
            log: heard.log,
            unread: {
                let cursor = peers.known(heard.log).map_or(Position::ZERO, |row| row.cursor.position);
                heard.head.since(cursor).max(heard.missing)
            },
            lacking: heard.lacking,
            stopped: peers.stopped().cloned(),
            skew_ms: heard.clocks.offset().millis(),
            clock_doubt: heard.doubt,
        });
        // A write whose future was dropped may be in the log already or may still get there: it is pending either way.
        let unsettled = turn.taken.as_ref().map_or(0, Taken::len) + locked(&self.inner.queue).len() as u64;
        Ok(ReplicaStatus {
            replica: turn.id,
            log: turn.status.log,
            head: turn.status.head,
            base: turn.status.base,
            pending: turn.status.heads.get(turn.id).seq.since(peers.acked()) + unsettled,
            refused,
            unreadable,
            views_behind: self.inner.projections.views().filter(|view| !turn.is_current(view)).count() as u64,
            views_without_history: self.inner.views_without_history(),
            bootstrap: *locked(&self.inner.bootstrap),
            clock_corrected_ms: self.inner.clock.correction().map(Offset::millis),
            peer,
        })
    }
}

impl Inner {
    /// How many rows of the engine's own there are in a range.
    pub(super) async fn count(&self, view: &'static str, mut range: RowRange) -> Result<u64, StoreError> {
        let (view, mut count) = (reserved::view(view), 0);
        loop {
            let rows = self.store.scan(&view, range.clone(), Limit::PAGE).await?;
            let Some(last) = rows.last() else { return Ok(count) };
            count += rows.len() as u64;
            range = range.after(last.key.clone());
        }
    }
}
