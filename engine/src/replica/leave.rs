//! Raises the mark of what may have been sent, before bundles leave and when they are found elsewhere.

use super::sent::sent_row;
use super::turn::Turn;
use super::{Inner, locked};
use crate::format::time::NTP64;
use crate::id::{ReplicaId, Seq};
use crate::store::{StoreError, WriteBatch};

/// Whether bundles may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// They are below the stored mark: nobody writes them again.
    Send,
    /// The mark had to be stored first. Another handle may have written the bundles again before: read them again.
    ReadAgain,
    /// The replica has another identity by now.
    GivenUp,
}

impl Turn<'_> {
    /// The last own bundle that may exist elsewhere. Only what follows it may get another content under its name. Anyone who writes own
    /// bundles again asks this, holding the turn in which the new ones are committed.
    pub(super) fn seen(&self) -> Seq {
        if self.inner.shared {
            return self.status.heads.get(self.id).seq;
        }
        self.sent.through().max(locked(&self.inner.peers).acked())
    }
}

impl Inner {
    /// Stores that own bundles up to `last` may be elsewhere, unless that is stored, and notes that they are sent now. All that
    /// can be sent up to the time `bound` is marked at once, so that a long tail takes one commit.
    ///
    /// # Cancel
    /// The mark may have been raised; nothing was sent.
    pub(super) async fn leave(&self, own: ReplicaId, last: Seq, bound: NTP64) -> Result<Leave, StoreError> {
        let mut turn = self.turn().await;
        loop {
            if turn.id != own {
                return Ok(Leave::GivenUp);
            }
            if turn.sent.is_mine() && turn.sent.row.through >= last {
                turn.sent.tries(last);
                return Ok(Leave::Send);
            }
            let head = turn.status.heads.get(own);
            let follows = if head.time <= bound { head.seq } else { last };
            let row = turn.sent.with(follows.max(last).max(turn.sent.row.through));
            let (expected, rows) = (Some(turn.status.revision), vec![sent_row(&row)]);
            match turn.commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await {
                Ok(_) => turn.sent.wrote(row),
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error),
            }
            return Ok(Leave::ReadAgain);
        }
    }

    /// A peer has own bundles up to `last`. If this replica does not know that it has sent them, an earlier life of it has.
    pub(super) async fn found_elsewhere(&self, own: ReplicaId, last: Seq) -> Result<(), StoreError> {
        while self.seen_by(own).await.is_some_and(|seen| seen < last) {
            self.leave(own, last, NTP64(0)).await?;
        }
        Ok(())
    }

    async fn seen_by(&self, own: ReplicaId) -> Option<Seq> {
        let turn = self.turn().await;
        (turn.id == own).then(|| turn.seen())
    }
}
