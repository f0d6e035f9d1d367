//! Snapshots: the rows of some views with the heads of the log that they were folded from, portable and checksummed.
//!
//! A replica that takes a snapshot has the rows at once and need not fold the log's history. A log that others have snapshots of can be
//! trimmed. A snapshot is a [`Manifest`] and its chunks. The manifest says of which log and views the snapshot is, and names each chunk
//! by its hash. The chunks, one after the other, are the rows of the views in the order of view and key, cut after every [`CHUNK_BYTES`]
//! and compressed. So a download that was cut goes on with the chunks that are missing, and a damaged chunk is named.
//!
//! The layout is in `docs/format.md`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::format::heads::hash_of_32_bytes;
use crate::format::wire::DecodeError;
use crate::id::Position;
use crate::store::ViewId;

mod chunk;
mod manifest;
mod rows;
pub(crate) mod shelf;
#[cfg(test)]
mod tests;

pub use chunk::{open_chunk, seal_chunk};
pub use manifest::{Chunk, Manifest, RowsOf};
pub use rows::{RowPlace, RowReader, RowWriter};

/// The format that this build writes, and the newest that it reads.
pub const SNAPSHOT_FORMAT: u8 = 1;
/// Bytes of rows in each chunk but the last, before compression: 1 MiB.
pub const CHUNK_BYTES: usize = 1024 * 1024;

/// Names a snapshot: BLAKE3 over its manifest, and so over everything in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId([u8; 32]);

hash_of_32_bytes!(SnapshotId, "the id of a snapshot");

/// BLAKE3 over a chunk as it travels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkHash([u8; 32]);

hash_of_32_bytes!(ChunkHash, "the hash of a chunk");

/// BLAKE3 over the rows of one view: equal in all snapshots of equal rows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowsDigest([u8; 32]);

hash_of_32_bytes!(RowsDigest, "a digest of rows");

/// The reason why bytes are not a snapshot, or not the one asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotFault {
    /// The manifest begins otherwise.
    #[error("this is not the manifest of a snapshot: it begins with other bytes")]
    NotASnapshot,
    /// It has a format that this build does not know.
    #[error(
        "the snapshot has format version {found}, this build reads up to {SNAPSHOT_FORMAT}; upgrade Syncline to read it"
    )]
    UnsupportedVersion {
        /// The version found.
        found: u8,
    },
    /// Bytes of the manifest have changed.
    #[error("the manifest of the snapshot is damaged: its hash differs; fetch it again")]
    ManifestHash,
    /// The manifest does not read.
    #[error("the manifest of the snapshot does not read: {0}")]
    Manifest(DecodeError),
    /// A chunk is not what the manifest names.
    #[error("chunk {index} of the snapshot is damaged: {why}; fetch it again")]
    Chunk {
        /// Its number, from 0.
        index: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The chunks are as the manifest names them, and do not hold the rows that it announces. Its maker is at fault.
    #[error("the rows of view {view} in the snapshot are not what its manifest says: {why}; it has to be made again")]
    Rows {
        /// The view.
        view: ViewId,
        /// What is wrong with them.
        why: &'static str,
    },
    /// It is the snapshot of another space.
    #[error("the snapshot is of another space: {0}")]
    OtherSpace(crate::id::SpaceId),
}

/// How far a replica is with the snapshot that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportRow {
    /// The snapshot.
    pub(crate) id: SnapshotId,
    /// What of its rows is written. `None` while chunks are still fetched, and the log is as it was.
    pub(crate) filled: Option<Filled>,
}

/// How many of a snapshot's rows are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filled {
    /// Where the next row begins.
    pub(crate) next: RowPlace,
    /// The position that the rows are of: the log's base.
    pub(crate) at: Position,
    /// The views whose rows are written.
    pub(crate) views: Vec<ViewId>,
}
