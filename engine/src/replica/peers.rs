//! What a replica knows of its peers' logs: stored, and heard since it was opened.

use std::collections::BTreeMap;

use super::turn::Turn;
use super::{Inner, locked};
use crate::id::{Cursor, LogId, Position, ReplicaId, Seq};
use crate::reserved::{self, PEERS, PeerRow};
use crate::store::{EventStore, Limit, RowRange, RowWrite, StoreError, WriteBatch};
use crate::time::{NTP64, ahead};

/// All peers, by the identity of their logs.
#[derive(Debug, Default)]
pub(super) struct Peers {
    known: BTreeMap<LogId, PeerRow>,
    heard: Option<Heard>,
}

/// What a session has learnt of its peer's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// The identity that it speaks for: acknowledgements are of this one's bundles.
    pub(super) own: ReplicaId,
    pub(super) row: PeerRow,
}

/// The last that was heard of a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) log: LogId,
    /// The end of its log.
    pub(super) head: Position,
    /// Bundles here that it lacks; unknown while a sync is under way, and after one that failed.
    pub(super) lacking: Option<u64>,
    /// Its physical clock, and the own one then.
    pub(super) clocks: (NTP64, NTP64),
}

impl Heard {
    /// How far the peer's clock is ahead of the own one, in milliseconds.
    pub(super) fn skew_ms(&self) -> i64 {
        let (theirs, ours) = self.clocks;
        let millis = |span: std::time::Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        millis(ahead(theirs, ours)) - millis(ahead(ours, theirs))
    }
}

impl Peers {
    pub(super) async fn load(store: &dyn EventStore) -> Result<Self, StoreError> {
        let rows = store.scan(&reserved::view(PEERS), RowRange::all(), Limit::items(u32::MAX)).await?;
        let row = |value: &[u8]| reserved::get::<PeerRow>(PEERS, value).map(|row| (row.cursor.log, row));
        let known = rows.iter().map(|found| row(&found.value)).collect::<Result<_, _>>()?;
        Ok(Self { known, heard: None })
    }

    /// What is stored of this peer's log.
    pub(super) fn known(&self, log: LogId) -> Option<PeerRow> {
        self.known.get(&log).copied()
    }

    /// Everything that is stored.
    pub(super) fn all(&self) -> impl Iterator<Item = PeerRow> + '_ {
        self.known.values().copied()
    }

    /// Notes what has been stored.
    pub(super) fn note(&mut self, row: PeerRow) {
        self.known.insert(row.cursor.log, row);
    }

    /// Notes what a peer has said.
    pub(super) fn hear(&mut self, heard: Heard) {
        self.heard = Some(heard);
    }

    /// Notes what a peer has said of itself; what it lacks stays as it was known.
    pub(super) fn heard_page(&mut self, heard: Heard) {
        let lacking = self.heard.filter(|before| before.log == heard.log).and_then(|before| before.lacking);
        self.heard = Some(Heard { lacking, ..heard });
    }

    /// Corrects what the peer spoken to lacks.
    pub(super) fn set_lacking(&mut self, lacking: u64) {
        if let Some(heard) = &mut self.heard {
            heard.lacking = Some(lacking);
        }
    }

    /// The last that was heard, of the peer spoken to last.
    pub(super) fn heard(&self) -> Option<Heard> {
        self.heard
    }

    /// Up to which own bundle at least one peer has answered.
    pub(super) fn acked(&self) -> Seq {
        self.known.values().map(|row| row.acked).max().unwrap_or_default()
    }
}

impl Inner {
    /// The row to store. What the peer has acknowledged of an identity that another handle on the store has given up meanwhile says
    /// nothing of the present one.
    pub(super) fn row_for(&self, turn: &Turn, Known { own, row }: Known) -> PeerRow {
        if turn.id == own {
            return row;
        }
        let acked = locked(&self.peers).known(row.cursor.log).map_or(Seq::ZERO, |known| known.acked);
        PeerRow { acked, ..row }
    }

    /// Stores what is known of a peer, where no other commit has.
    pub(super) async fn note_peer(&self, known: Known) -> Result<(), StoreError> {
        let mut turn = self.turn.lock().await;
        loop {
            let row = self.row_for(&turn, known);
            let (expected, rows) = (Some(turn.status.revision), vec![peer_row(&row)]);
            match self.commit(&mut turn, WriteBatch { expected, rows, ..WriteBatch::default() }).await {
                Ok(_) => locked(&self.peers).note(row),
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}

/// What is known of a log never met before.
pub(super) fn stranger(log: LogId) -> PeerRow {
    PeerRow { cursor: Cursor::start(log), acked: Seq::ZERO }
}

pub(super) fn peer_row(row: &PeerRow) -> RowWrite {
    reserved::put(PEERS, row.cursor.log.to_bytes().to_vec().into(), row)
}
