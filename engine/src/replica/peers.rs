//! What a replica knows of its peers' logs: stored, and heard since it was opened.

use std::collections::BTreeMap;

use crate::format::time::NTP64;
use crate::id::{Cursor, LogId, Position, ReplicaId, Seq};
use crate::protocol::Problem;
use crate::reserved::{self, CLOCKS, ClockRow, PEERS, PeerRow};
use crate::store::{EventStore, Limit, RowRange, RowWrite, StoreError};
use crate::trust::{ClockDoubt, Contact};

/// All peers, by the identity of their logs.
#[derive(Debug, Default)]
pub(super) struct Peers {
    known: BTreeMap<LogId, PeerRow>,
    /// What the clocks showed when this replica and a peer met last, or a few hours earlier.
    contacts: BTreeMap<LogId, Contact>,
    heard: Option<Heard>,
    /// Why the peer spoken to last took no more bundles, if it did not.
    stopped: Option<Problem>,
}

/// What a session has learnt of its peer's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// The identity that it speaks for: acknowledgements are of this one's bundles.
    pub(super) own: ReplicaId,
    pub(super) row: PeerRow,
    /// What the clocks showed, if that is to be kept in mind.
    pub(super) met: Option<Contact>,
}

impl Known {
    /// The rows that store it, with the peer's row as it is to be stored.
    pub(super) fn rows(&self, row: &PeerRow) -> impl Iterator<Item = RowWrite> + use<> {
        let log = row.cursor.log;
        [peer_row(row)].into_iter().chain(self.met.map(|met| clock_row(log, met)))
    }
}

/// The last that was heard of a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) log: LogId,
    /// The end of its log.
    pub(super) head: Position,
    /// Bundles of its log that are missing here, as its heads say: the cursor may have passed one of them, if the log was restored.
    pub(super) missing: u64,
    /// Bundles here that it lacks; unknown while a sync is under way, and after one that failed.
    pub(super) lacking: Option<u64>,
    /// Its physical clock, and the own one then.
    pub(super) clocks: Contact,
    /// Why the own clock was not corrected by it, if both differ.
    pub(super) doubt: Option<ClockDoubt>,
}

impl Peers {
    pub(super) async fn load(store: &dyn EventStore) -> Result<Self, StoreError> {
        let rows = store.scan(&reserved::view(PEERS), RowRange::all(), Limit::items(u32::MAX)).await?;
        let row = |value: &[u8]| reserved::get::<PeerRow>(PEERS, value).map(|row| (row.cursor.log, row));
        let known = rows.iter().map(|found| row(&found.value)).collect::<Result<_, _>>()?;
        let rows = store.scan(&reserved::view(CLOCKS), RowRange::all(), Limit::items(u32::MAX)).await?;
        let row = |value: &[u8]| reserved::get::<ClockRow>(CLOCKS, value).map(|row| (row.log, contact(row)));
        let contacts = rows.iter().map(|found| row(&found.value)).collect::<Result<_, _>>()?;
        Ok(Self { known, contacts, heard: None, stopped: None })
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

    /// Notes what has been stored of a contact, too.
    pub(super) fn note_met(&mut self, row: PeerRow, met: Option<Contact>) {
        self.note(row);
        self.contacts.extend(met.map(|met| (row.cursor.log, met)));
    }

    /// The contact with this peer that is kept in mind.
    pub(super) fn contact(&self, log: LogId) -> Option<Contact> {
        self.contacts.get(&log).copied()
    }

    /// The contacts with all peers but this one.
    pub(super) fn other_contacts(&self, log: LogId) -> Vec<Contact> {
        self.contacts.iter().filter(|(other, _)| **other != log).map(|(_, contact)| *contact).collect()
    }

    /// Notes what a peer has said. How a sync with it ends is not known from then on.
    pub(super) fn hear(&mut self, heard: Heard) {
        self.heard = Some(heard);
        self.stopped = None;
    }

    /// Notes what a peer has said of itself; what it lacks, and what is made of its clock, stay as they were known.
    pub(super) fn heard_page(&mut self, heard: Heard) {
        let before = self.heard.filter(|before| before.log == heard.log);
        let kept = before.unwrap_or(heard);
        self.heard = Some(Heard { missing: kept.missing, lacking: kept.lacking, doubt: kept.doubt, ..heard });
    }

    /// Notes that the log of the peer spoken to reaches up to here, at least.
    pub(super) fn heard_head(&mut self, head: Cursor) {
        if let Some(heard) = self.heard.as_mut().filter(|heard| heard.log == head.log) {
            heard.head = heard.head.max(head.position);
        }
    }

    /// Notes how an exchange with the peer spoken to has ended: how many bundles are missing here, how many the peer lacks, and why it
    /// took no more.
    pub(super) fn set_end(&mut self, missing: u64, lacking: u64, stopped: Option<Problem>) {
        if let Some(heard) = &mut self.heard {
            (heard.missing, heard.lacking) = (missing, Some(lacking));
        }
        self.stopped = stopped;
    }

    /// Why the peer spoken to last took no more bundles.
    pub(super) fn stopped(&self) -> Option<&Problem> {
        self.stopped.as_ref()
    }

    /// Notes what was made of the clock of the peer spoken to.
    pub(super) fn set_doubt(&mut self, doubt: Option<ClockDoubt>) {
        if let Some(heard) = &mut self.heard {
            heard.doubt = doubt;
        }
    }

    /// The last that was heard, of the peer spoken to last.
    pub(super) fn heard(&self) -> Option<Heard> {
        self.heard
    }

    /// The row to store while the replica's identity is `id`. What the peer has acknowledged of an identity that another handle on the
    /// store has given up in the meantime says nothing of this one.
    pub(super) fn row_for(&self, id: ReplicaId, Known { own, row, .. }: Known) -> PeerRow {
        if id == own {
            return row;
        }
        let acked = self.known(row.cursor.log).map_or(Seq::ZERO, |known| known.acked);
        PeerRow { acked, ..row }
    }

    /// Up to which own bundle at least one peer has answered.
    pub(super) fn acked(&self) -> Seq {
        self.known.values().map(|row| row.acked).max().unwrap_or_default()
    }
}

/// What is known of a log never met before.
pub(super) fn stranger(log: LogId) -> PeerRow {
    PeerRow { cursor: Cursor::start(log), acked: Seq::ZERO }
}

pub(super) fn peer_row(row: &PeerRow) -> RowWrite {
    reserved::put(PEERS, row.cursor.log.to_bytes().to_vec().into(), row)
}

fn clock_row(log: LogId, Contact { theirs, ours }: Contact) -> RowWrite {
    reserved::put(CLOCKS, log.to_bytes().to_vec().into(), &ClockRow { log, theirs: theirs.0, ours: ours.0 })
}

fn contact(row: ClockRow) -> Contact {
    Contact { theirs: NTP64(row.theirs), ours: NTP64(row.ours) }
}
