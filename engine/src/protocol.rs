//! Protocol versions 1 to 3: the messages between a replica and a peer, as plain values.
//!
//! A request names a space, is answered once, and may be repeated at any time. Pushes and pulls carry packed runs; heads are
//! the always-correct way to find what is missing, the cursor is the fast way along the tail. Every answer carries the peer's
//! physical clock.
//!
//! Version 2 adds [`Compare`] and [`Have::Tail`]: two sides compare digests of their heads, and tell only heads that differ. A replica uses
//! them if the peer's [`Hello`] names version 2. Version 3 adds snapshots: [`Request::Snapshot`] and [`Request::Supply`].

use serde::{Deserialize, Serialize};

use crate::format::heads::{Heads, HeadsDigest, Part, Prefix};
use crate::format::run::Run;
use crate::format::time::{self, NTP64};
use crate::id::{Cursor, LogId, Position, ReplicaId, Seq, SpaceId};
use crate::store::Limit;

mod problem;
mod snapshot;

pub use problem::{Code, Problem};
pub use snapshot::{AskSnapshot, Piece, SnapshotInfo, Supply, Wanted};

/// The protocol version that every build speaks.
pub const PROTOCOL_VERSION: u16 = 1;
/// The protocol version in which heads are compared by digests.
pub const DIGEST_VERSION: u16 = 2;
/// The protocol version in which a peer hands out and takes snapshots.
pub const SNAPSHOT_VERSION: u16 = 3;

/// What a replica asks of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Which versions and limits the peer has.
    Hello,
    /// How far the peer's log of this space reaches: the heads of its first origins in the order of ids. Usually these are all.
    Heads(SpaceId),
    /// What the peer has and the replica lacks.
    Pull(SpaceId, Pull),
    /// What the replica has and the peer lacks. The id is the replica's own: the origin that this device writes under. If the push
    /// brings bundles of it, the device claims it. Bundles of other origins are supplied, and claim nothing; see
    /// [`authority`](crate::authority). A sender of an earlier version names none: if its push brings a single origin, and that
    /// origin is new to the peer's log, then it counts as named.
    Push(SpaceId, Option<ReplicaId>, Push),
    /// The heads of the origins after this one, in the order of ids. A log with more than [`HEADS_MAX`](crate::limits::HEADS_MAX)
    /// origins needs this.
    HeadsAfter(SpaceId, ReplicaId),
    /// How far the peer's log reaches, by digests. Since version 2.
    Compare(SpaceId, Compare),
    /// Which snapshots the peer has, or a piece of one. Since version 3.
    Snapshot(SpaceId, AskSnapshot),
    /// A snapshot for the peer, piece by piece. It takes an owner of the space. Since version 3.
    Supply(SpaceId, Supply),
}

impl Request {
    /// The space it is about, if it is about one.
    pub fn space(&self) -> Option<&SpaceId> {
        match self {
            Self::Hello => None,
            Self::Heads(space)
            | Self::Pull(space, _)
            | Self::Push(space, ..)
            | Self::HeadsAfter(space, _)
            | Self::Compare(space, _)
            | Self::Snapshot(space, _)
            | Self::Supply(space, _) => Some(space),
        }
    }
}

/// Where a pull starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Have {
    /// Everything up to this place of the peer's log.
    Cursor(Cursor),
    /// These bundles, wherever they are. Always right, but more expensive for the peer. At most
    /// [`HEADS_MAX`](crate::limits::HEADS_MAX) origins; a replica with more reads from the log's start.
    Heads(Heads),
    /// As a cursor, but the answer is a [`Tail`]: the last page brings a digest and no heads. Since version 2.
    Tail(Cursor),
}

/// Asks how far a log reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// The place of the peer's log at which the replica knows its heads, if it knows them.
    pub since: Option<Cursor>,
    /// The subtrees to tell about, at most [`COMPARE_PARTS_MAX`](crate::limits::COMPARE_PARTS_MAX).
    pub parts: Vec<Prefix>,
}

/// Asks for bundles. A page may be empty and still move the cursor forward, past bundles that the replica has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// What the replica has.
    pub have: Have,
    /// An origin whose bundles the replica does not need: its own.
    pub without: Option<ReplicaId>,
    /// How much to answer. The peer may answer less.
    pub limit: Limit,
}

/// Hands over bundles. The peer accepts all of them, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Runs, in the sender's log order.
    pub runs: Vec<Run>,
}

/// A peer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The peer's physical clock when it answered; zero if the peer knows that its clock is wrong.
    #[serde(with = "time::wire")]
    pub clock: NTP64,
    /// What it answers.
    pub reply: Reply,
}

/// What a peer answers, by the request asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// To [`Request::Hello`].
    Hello(Hello),
    /// To [`Request::Heads`] and [`Request::HeadsAfter`].
    Heads(PeerHeads),
    /// To [`Request::Pull`].
    Pull(Pulled),
    /// To [`Request::Push`].
    Push(Pushed),
    /// To [`Request::Compare`].
    Compare(Compared),
    /// To [`Request::Pull`] with [`Have::Tail`].
    Tail(Tail),
    /// To [`Request::Snapshot`] with [`AskSnapshot::List`]: those that cover most bundles first.
    Snapshots(Vec<SnapshotInfo>),
    /// To [`Request::Snapshot`] that asks for a manifest or a chunk.
    Piece(Piece),
    /// To [`Request::Supply`].
    Wanted(Wanted),
}

/// What a peer is able to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol versions it speaks.
    pub versions: Vec<u16>,
    /// Run format versions it reads.
    pub run_versions: Vec<u8>,
    /// The largest message that it accepts, decompressed, in bytes.
    pub frame_bytes_max: u32,
    /// How far times may be ahead of its clock, in milliseconds.
    pub drift_ms_max: u64,
}

/// How far a peer's log reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerHeads {
    /// The end of its log.
    pub head: Cursor,
    /// Per origin the last bundle. At most [`HEADS_MAX`](crate::limits::HEADS_MAX) origins: if there are so many, there may be more.
    pub heads: Heads,
}

/// How far a peer's log reaches, all of it from one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// The end of its log.
    pub head: Cursor,
    /// The digest of all its heads.
    pub digest: HeadsDigest,
    /// The heads of the origins that have bundles behind the place that was named. Empty if these are too many, or if the log does not
    /// have this place.
    pub moved: Heads,
    /// The subtrees that were asked for, in the same order.
    pub parts: Vec<Part>,
}

/// One page of what lies behind a cursor and a replica lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Runs, in the peer's log order.
    pub runs: Vec<Run>,
    /// The cursor to continue from.
    pub next: Cursor,
    /// The end of the peer's log when it answered; the page is the last if `next` has reached it.
    pub head: Position,
    /// The digest of the peer's heads, with the last page.
    pub digest: Option<HeadsDigest>,
}

/// One page of what a replica lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulled {
    /// Runs, in the peer's log order.
    pub runs: Vec<Run>,
    /// The cursor to continue from.
    pub next: Cursor,
    /// The end of the peer's log when it answered; the page is the last if `next` has reached it.
    pub head: Position,
    /// The peer's heads, with the last page: to compare with one's own. As many as in [`PeerHeads`].
    pub heads: Option<Heads>,
}

/// The result of a push. Everything up to `through` is stored durably, now or since an earlier push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// The log that took it.
    pub log: LogId,
    /// Per origin that was pushed, how far the peer now has it.
    pub through: Vec<(ReplicaId, Seq)>,
    /// The places of the new bundles in the peer's log: the first and the last.
    pub placed: Option<(Position, Position)>,
    /// Bundles among those pushed that the peer has refused, now or earlier: it keeps them as voids.
    pub refused: Vec<RefusedBundle>,
}

/// One refused bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBundle {
    /// Who wrote it.
    pub origin: ReplicaId,
    /// Its number.
    pub seq: Seq,
    /// Why.
    pub refusal: Refusal,
}

/// Why an application refuses a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs: a word that the application chooses, at most 64 bytes.
    pub code: String,
    /// For people, at most 1,024 bytes.
    pub message: String,
}

impl Refusal {
    /// A refusal, cut to its limits.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let cut = |mut text: String, max: usize| {
            text.truncate(text.floor_char_boundary(max));
            text
        };
        Self {
            code: cut(code.into(), crate::limits::REFUSAL_CODE_BYTES_MAX),
            message: cut(message.into(), crate::limits::REFUSAL_MESSAGE_BYTES_MAX),
        }
    }
}

/// Says to a watcher that a log has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The end of the log.
    pub head: Cursor,
}
