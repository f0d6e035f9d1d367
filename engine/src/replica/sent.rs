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

use crate::id::{ReplicaId, Seq};
use crate::reserved::SentRow;
pub(super) use crate::reserved::sent_row;

/// What the holder of the turn knows of the mark.
#[derive(Debug)]
pub(super) struct Sent {
    /// The mark as it is stored.
    pub(super) row: SentRow,
    /// The number under which this handle has written the mark last.
    writer: Option<u64>,
    /// The last own bundle that a push of this handle, or anything before it wrote the mark, may have carried.
    tried: Seq,
    /// The last sync came to its end: what is written now will be sent soon.
    soon: bool,
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

    pub(super) fn is_mine(&self) -> bool {
        self.writer == Some(self.row.writer)
    }

    /// The last own bundle that may have been sent.
    pub(super) fn through(&self) -> Seq {
        if self.is_mine() { self.tried } else { self.row.through }
    }

    /// The mark with this value, by this handle.
    pub(super) fn with(&self, through: Seq) -> SentRow {
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
    pub(super) fn tries(&mut self, last: Seq) {
        self.tried = self.tried.max(last);
    }
}
