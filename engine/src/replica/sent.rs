//! Which own bundles others may have, and which exist here alone.
//!
//! Own bundles up to a mark may have been sent; those behind it exist in this store alone, and only they may be rewritten under
//! their names. The mark is stored before a push carries the bundles, never after. So a lost answer, a dropped future or a restart
//! finds them below the mark. An answer never lowers it. A refusal proves nothing for later: the network may deliver the same push again,
//! and a store that has lost its last commits has perhaps shown them to somebody before.
//!
//! On the fast path the mark needs no commit of its own. If the last sync was complete, the next writes will be sent soon, so they
//! raise the mark in their own commit. So the stored mark may be above what was sent. The handle that wrote it knows better as long
//! as it lives, unless another handle has written the mark since: each handle writes it under a number of its own.

use super::turn::Turn;
use super::{Inner, locked};
use crate::format::time::NTP64;
use crate::id::{ReplicaId, Seq};
use crate::reserved::SentRow;
pub(super) use crate::reserved::sent_row;
use crate::store::{StoreError, WriteBatch};

/// What the holder of the turn knows of the mark.
#[derive(Debug)]
pub(super) struct Sent {
    /// The mark as it is stored.
    row: SentRow,
    /// The number under which this handle has written the mark last.
    writer: Option<u64>,
    /// The last own bundle that a push of this handle, or anything before it wrote the mark, may have carried.
    tried: Seq,
    /// The last sync came to its end: what is written now will be sent soon.
    soon: bool,
}

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

impl Sent {
    /// What the stored mark says. `None` is the store of an older build: `head`, all that it has written, may have been sent.
    pub(super) fn stored(row: Option<SentRow>, origin: ReplicaId, head: Seq) -> Self {
        let row = row.filter(|row| row.origin == origin).unwrap_or(SentRow { origin, through: head, writer: 0 });
        Self { row, writer: None, tried: Seq::ZERO, soon: false }
    }

    /// Notes the mark that was read again.
    pub(super) fn read(&mut self, now: Self) {
        self.row = now.row;
    }

    /// Says whether what is written now will be sent soon.
    pub(super) fn expect(&mut self, soon: bool) {
        self.soon = soon;
    }

    fn is_mine(&self) -> bool {
        self.writer == Some(self.row.writer)
    }

    /// The last own bundle that may have been sent.
    fn through(&self) -> Seq {
        if self.is_mine() { self.tried } else { self.row.through }
    }

    /// The mark with this value, by this handle.
    fn with(&self, through: Seq) -> SentRow {
        let writer = if self.is_mine() { self.row.writer } else { self.row.writer + 1 };
        SentRow { through: through.max(self.through()), writer, ..self.row }
    }

    /// The mark to store along with own bundles up to `head`, if it has to change. While nothing will be sent soon, it goes back to what
    /// may really have been sent.
    pub(super) fn with_write(&self, head: Seq) -> Option<SentRow> {
        match (self.soon, self.is_mine()) {
            (true, _) => Some(self.with(head)),
            (false, true) => Some(self.with(self.tried)).filter(|row| *row != self.row),
            (false, false) => None,
        }
    }

    /// The mark to store along with own bundles up to `last` that have come from a peer.
    pub(super) fn with_returned(&self, last: Seq) -> SentRow {
        self.with(last.max(self.row.through))
    }

    /// The mark of an identity that the replica takes: nobody has heard of it.
    pub(super) fn of_new_identity(&self, fresh: ReplicaId) -> SentRow {
        SentRow { origin: fresh, through: Seq::ZERO, writer: self.row.writer + 1 }
    }

    /// This handle has stored the mark.
    pub(super) fn wrote(&mut self, row: SentRow) {
        self.tried = self.through();
        (self.row, self.writer) = (row, Some(row.writer));
    }

    /// This handle has stored the mark, and own bundles up to `last` that a peer has.
    pub(super) fn has_returned(&mut self, row: SentRow, last: Seq) {
        self.wrote(row);
        self.tries(last);
    }

    /// Own bundles up to here are elsewhere, or soon may be.
    fn tries(&mut self, last: Seq) {
        self.tried = self.tried.max(last);
    }
}

impl Inner {
    /// The last own bundle that may exist elsewhere. Only what follows it may get another content under its name. Anyone who writes own
    /// bundles again asks this, holding the turn in which the new ones are committed.
    pub(super) fn seen(&self, turn: &Turn) -> Seq {
        if self.shared {
            return turn.status.heads.get(turn.id).seq;
        }
        turn.sent.through().max(locked(&self.peers).acked())
    }

    /// Stores that own bundles up to `last` may be elsewhere, unless that is stored, and notes that they are sent now. All that
    /// can be sent up to the time `bound` is marked at once, so that a long tail takes one commit.
    ///
    /// # Cancel
    /// The mark may have been raised; nothing was sent.
    pub(super) async fn leave(&self, own: ReplicaId, last: Seq, bound: NTP64) -> Result<Leave, StoreError> {
        let mut turn = self.turn.lock().await;
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
            match self.commit(&mut turn, WriteBatch { expected, rows, ..WriteBatch::default() }).await {
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
        let turn = self.turn.lock().await;
        (turn.id == own).then(|| self.seen(&turn))
    }
}
