//! The engine's own rows: views named `syncline.…`, which no projection may take.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::authority::Principal;
use crate::format::codec;
use crate::format::event::EventType;
use crate::format::wire::DecodeError;
use crate::id::{Cursor, Dot, LogId, Position, ReplicaId, Seq};
use crate::projection::{Aside, Cause};
use crate::protocol::Refusal;
use crate::store::{Row, RowKey, RowRange, RowWrite, StoreError, ViewId};

/// At a service: bundle → why it was refused. At a replica: the same of own bundles whose dead letters were forgotten.
pub(crate) const REFUSED: &str = "syncline.refused@1";
/// At a replica: own bundle → the refusal and the body that was refused.
pub const DEAD_LETTERS: &str = "syncline.dead-letters@1";
/// At a replica: peer's log → how far it is read and what it has acknowledged.
pub const PEERS: &str = "syncline.peers@1";
/// At a replica: peer's log → what its clock and the own one showed when they met.
pub const CLOCKS: &str = "syncline.clocks@1";
/// At a replica: first of some own bundles → how far what the clock showed when they were written is from their times.
pub const READINGS: &str = "syncline.readings@1";
/// At a replica: up to where the rows of all views are kept as they were. One row, with an empty key.
pub const CHECKPOINT: &str = "syncline.checkpoint@1";
/// How the names of views begin that keep the rows of another view as they were at the checkpoint.
const PRE_IMAGES: &str = "syncline.before.";
/// At a replica: how often events were taken back, or folded again. One row, with an empty key.
pub(crate) const TAKEN_BACK: &str = "syncline.taken-back@1";
/// At a replica: its own identity.
pub const IDENTITY: &str = "syncline.identity@1";
/// At a replica: own bundle under an identity it has given up → the same bundle under its new one; refused bundle → the one that
/// was written in its place.
pub(crate) const MOVED: &str = "syncline.moved@1";
/// At a replica: up to which own bundle others may have copies. One row, with an empty key.
pub const SENT: &str = "syncline.sent@1";
/// Events that were put aside: view, bundle and index → the event's type, and why.
pub const UNREADABLE: &str = "syncline.unreadable@2";
/// At a replica beside a service: how often such replicas have committed. One row, with an empty key.
pub(crate) const KEEPERS: &str = "syncline.keepers@1";
/// At a service: device → how far it has read, and when it was seen last.
pub(crate) const DEVICES: &str = "syncline.devices@1";
/// Snapshots that this store hands out: id → what is told of them.
pub const SNAPSHOTS: &str = "syncline.snapshots@1";
/// Snapshots that somebody is handing to this store: id → nothing.
pub(crate) const OFFERED: &str = "syncline.offered@1";
/// Id of a snapshot → its manifest, perhaps in pieces.
pub const MANIFESTS: &str = "syncline.manifests@1";
/// Hash of a chunk → the chunk.
pub const CHUNKS: &str = "syncline.chunks@1";
/// Number → hash of a chunk of the snapshot that is being made.
pub const MAKING: &str = "syncline.making@1";
/// At a replica: the snapshot that it takes. One row, with an empty key.
pub const IMPORT: &str = "syncline.import@1";
/// The same by bundle, index and view, as earlier builds noted it and left it behind.
pub(crate) const UNREADABLE_1: &str = "syncline.unreadable@1";

/// What a replica knows of one peer's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRow {
    /// How far the peer's log has been read.
    pub cursor: Cursor,
    /// Up to which own bundle the peer has answered for every bundle.
    pub acked: Seq,
}

/// Up to which own bundle others may have copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRow {
    /// The identity whose bundles are meant. A row of another identity than the replica's says nothing.
    pub origin: ReplicaId,
    /// The last bundle that a push may have carried.
    pub through: Seq,
    /// Which handle has written the row: each takes the next number when it writes over another's.
    pub writer: u64,
}

/// Where the checkpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRow {
    /// Up to which bundle the rows are kept as they were.
    pub position: Position,
}

/// What two clocks showed when a replica and a peer met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockRow {
    pub(crate) log: LogId,
    /// The peer's clock, as 64 bits of NTP time.
    pub(crate) theirs: u64,
    /// The own one.
    pub(crate) ours: u64,
}

/// What the own clock showed when some bundles were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadingRow {
    /// The last of the bundles; the key names the first.
    pub(crate) through: Seq,
    /// The time of one of them, as 64 bits of NTP time. The others are as far from what the clock showed.
    pub(crate) time: u64,
    /// What the clock showed then.
    pub(crate) reading: u64,
}

/// How far a device has read a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceRow {
    pub(crate) device: Principal,
    pub(crate) read: Cursor,
    /// Whose bundles it does not need: its own replica's.
    pub(crate) own: Option<ReplicaId>,
    /// When it asked for something last, as 64 bits of NTP time.
    pub(crate) seen: u64,
}

/// An event that was put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NoteRow {
    /// Its event type; none if the bundle's body is malformed.
    pub(crate) event_type: Option<EventType>,
    pub(crate) cause: Cause,
}

/// A refused bundle of a replica's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadLetterRow {
    pub(crate) refusal: Refusal,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn view(name: &str) -> ViewId {
    ViewId::new(name).expect("the engine's own view names are well formed")
}

/// The view that keeps a view's rows as they were at the checkpoint. Hashed, since the view's own name may be as long as a name can be.
pub fn pre_images(of: &ViewId) -> ViewId {
    let hash = blake3::hash(of.as_str().as_bytes()).to_hex();
    view(&format!("{PRE_IMAGES}{}@1", &hash[..32]))
}

/// A bundle's key: origin, then seq big-endian, so that keys sort as bundles do.
pub(crate) fn dot_key(dot: Dot) -> Bytes {
    let mut key = dot.origin.to_bytes().to_vec();
    key.extend_from_slice(&dot.seq.get().to_be_bytes());
    key.into()
}

/// The bundle with this key.
pub(crate) fn key_dot(key: &[u8]) -> Option<Dot> {
    let (origin, seq) = key.split_first_chunk::<16>()?;
    let seq = u64::from_be_bytes(seq.try_into().ok()?);
    Some(Dot { origin: ReplicaId::from_bytes(*origin)?, seq: Seq::new(seq) })
}

/// The keys of an origin's bundles from `first` to `last`.
pub(crate) fn dot_range(origin: ReplicaId, first: Seq, last: Seq) -> RowRange {
    use std::ops::Bound::Included;
    let key = |seq| dot_key(Dot { origin, seq });
    RowRange::new(Included(key(first)), Included(key(last)))
}

/// The key of an event that was put aside: view (empty if none can read the bundle), a zero byte, bundle, index.
pub(crate) fn note_key(view: Option<&ViewId>, dot: Dot, index: u16) -> Bytes {
    let mut key = note_prefix(view);
    key.extend_from_slice(&dot_key(dot));
    key.extend_from_slice(&index.to_be_bytes());
    key.into()
}

/// The event with this key.
pub(crate) fn noted_event(key: &[u8]) -> Option<(Option<ViewId>, Dot, u16)> {
    let name = key.iter().position(|byte| *byte == 0)?;
    let (view, event) = (std::str::from_utf8(&key[..name]).ok()?, &key[name + 1..]);
    let (dot, index) = event.split_last_chunk::<2>()?;
    let view = if view.is_empty() { None } else { Some(ViewId::new(view).ok()?) };
    Some((view, key_dot(dot)?, u16::from_be_bytes(*index)))
}

/// Reads the note of an event that was put aside.
pub fn read_note(row: &Row) -> Result<Aside, StoreError> {
    let corrupt = || StoreError::Corrupt {
        backend: "engine",
        at: format!("a row of {UNREADABLE}"),
        why: "its key names no event".into(),
    };
    let (view, dot, index) = noted_event(&row.key).ok_or_else(corrupt)?;
    let NoteRow { event_type, cause } = get(UNREADABLE, &row.value)?;
    Ok(Aside { view, dot, index, event_type, cause })
}

/// The keys of all events that a view has put aside.
pub(crate) fn notes(view: Option<&ViewId>) -> RowRange {
    RowRange::prefix(&note_prefix(view))
}

/// The keys of those in an origin's bundles from `first` to `last`.
pub(crate) fn notes_of(view: Option<&ViewId>, origin: ReplicaId, first: Seq, last: Seq) -> RowRange {
    use std::ops::Bound::{Excluded, Included};
    let key = |seq| note_key(view, Dot { origin, seq }, 0);
    RowRange::new(Included(key(first)), Excluded(key(last.plus(1))))
}

fn note_prefix(view: Option<&ViewId>) -> Vec<u8> {
    let mut prefix = view.map_or("", ViewId::as_str).as_bytes().to_vec();
    prefix.push(0);
    prefix
}

/// The view of a note in the first layout: bundle, index, view. None if no view can read the bundle.
pub(crate) fn first_layout_view(key: &[u8]) -> Option<&str> {
    let view = key.get(26..).and_then(|view| std::str::from_utf8(view).ok());
    view.filter(|view| !view.is_empty())
}

/// The row that says up to which own bundle others may have copies.
pub fn sent_row(row: &SentRow) -> RowWrite {
    put(SENT, Bytes::new(), row)
}

/// The row that says where the checkpoint is.
pub fn checkpoint_row(row: &CheckpointRow) -> RowWrite {
    put(CHECKPOINT, Bytes::new(), row)
}

/// Whether a view keeps the rows of another one as they were at the checkpoint.
pub fn is_pre_image(view: &ViewId) -> bool {
    view.as_str().starts_with(PRE_IMAGES)
}

/// Writes an engine row.
pub(crate) fn put<T: Serialize>(name: &str, key: Bytes, row: &T) -> RowWrite {
    RowWrite { key: RowKey { view: view(name), key }, value: Some(codec::encode(row).into()) }
}

/// Reads an engine row back.
pub(crate) fn get<T: serde::de::DeserializeOwned>(name: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    codec::decode(name, bytes).map_err(|error: DecodeError| StoreError::Corrupt {
        backend: "engine",
        at: format!("a row of {name}"),
        why: error.to_string(),
    })
}
