//! Messages about snapshots. Since protocol version 3.

use bytes::Bytes;
use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::Cursor;
use crate::limits::MANIFEST_BYTES_MAX;
use crate::snapshot::{ChunkHash, Manifest, SnapshotId};
use crate::store::ViewId;

/// What a replica asks of a peer's snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AskSnapshot {
    /// Which ones there are.
    List,
    /// The manifest of one.
    Manifest(SnapshotId),
    /// The chunk with this hash, of whichever snapshot.
    Chunk(ChunkHash),
}

/// One snapshot that a peer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotInfo {
    /// Its name.
    pub id: SnapshotId,
    /// A place of the peer's log: the snapshot has every bundle up to here in its rows. A replica that took it reads on from here.
    pub covers: Cursor,
    /// How many bundles it has in its rows.
    pub bundles: u64,
    /// The views that it has rows of.
    pub views: Vec<ViewId>,
    /// How many rows these are.
    pub rows: u64,
    /// Bytes of its chunks.
    pub bytes: u64,
}

impl SnapshotInfo {
    /// What is told of a snapshot that covers a log up to here.
    pub(crate) fn of(manifest: &Manifest, id: SnapshotId, covers: Cursor) -> Self {
        let bundles = u64::try_from(manifest.heads.bundles()).unwrap_or(u64::MAX);
        let views = manifest.views.iter().map(|of| of.view.clone()).collect();
        Self { id, covers, bundles, views, rows: manifest.rows(), bytes: manifest.chunk_bytes() }
    }
}

/// A piece of a snapshot that a replica hands to a peer: first the manifest, then the chunks that the peer lacks, and the manifest once
/// more. The peer keeps pieces, so an upload that was cut goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Supply {
    /// The manifest. The peer says which chunks it lacks. If it lacks none, it checks the snapshot and hands it out from then on.
    Manifest(Piece),
    /// The chunk with this number, from 0.
    Chunk(SnapshotId, u32, Piece),
}

/// What a peer says of a snapshot that is handed to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// To a manifest: the numbers of the chunks that the peer lacks, the first 4,096 of them.
    pub missing: Vec<u32>,
    /// Whether the peer hands the snapshot out now.
    pub is_complete: bool,
}

/// The bytes of a manifest or a chunk: as they are in binary messages, base 64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece(pub Bytes);

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(&BASE64.encode(&self.0));
        }
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Piece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let bytes = BASE64.decode(String::deserialize(deserializer)?.as_bytes()).map_err(de::Error::custom)?;
            return bounded(&bytes).map(|()| Self(bytes.into()));
        }
        deserializer.deserialize_bytes(PieceVisitor)
    }
}

struct PieceVisitor;

impl de::Visitor<'_> for PieceVisitor {
    type Value = Piece;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bytes of a manifest or a chunk")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Piece, E> {
        bounded(bytes).map(|()| Piece(Bytes::copy_from_slice(bytes)))
    }
}

/// Neither a manifest nor a chunk is larger.
fn bounded<E: de::Error>(bytes: &[u8]) -> Result<(), E> {
    if bytes.len() > MANIFEST_BYTES_MAX {
        return Err(E::custom("a piece of a snapshot is too large"));
    }
    Ok(())
}
