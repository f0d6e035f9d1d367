//! The manifest: which log and views a snapshot is of, and which chunks it has.

use bytes::Bytes;

use super::{CHUNK_BYTES, ChunkHash, RowsDigest, SNAPSHOT_FORMAT, SnapshotFault, SnapshotId};
use crate::format::heads::Heads;
use crate::format::sealed::{self, Unsealed};
use crate::format::wire::{DecodeError, Reader, check_size, put_varint};
use crate::id::SpaceId;
use crate::limits::{CHUNK_BYTES_MAX, HEADS_MAX, MANIFEST_BYTES_MAX, SNAPSHOT_CHUNKS_MAX, SNAPSHOT_VIEWS_MAX};
use crate::limits::{SPACE_BYTES_MAX, VIEW_BYTES_MAX};
use crate::portable::layout::{head_entry, put_bytes, put_head, text};
use crate::reserved;
use crate::store::ViewId;

/// Every manifest begins with these bytes. They are not text, and every conversion of line ends changes them, so it is noticed.
const MAGIC: [u8; 12] = *b"\x89syncsnp\r\n\x1a\n";

/// What a snapshot is of, and which chunks it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The space.
    pub space: SpaceId,
    /// Per origin the last bundle that is folded into the rows. All bundles before it are, too.
    pub heads: Heads,
    /// The views, in the order of their names.
    pub views: Vec<RowsOf>,
    /// The chunks.
    pub chunks: Vec<Chunk>,
}

/// The rows of one view in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsOf {
    /// The view.
    pub view: ViewId,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes they take before compression.
    pub bytes: u64,
    /// Of these bytes.
    pub digest: RowsDigest,
}

/// One chunk, as it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// How many bytes it has.
    pub bytes: u32,
    /// Of these bytes.
    pub hash: ChunkHash,
}

impl Manifest {
    /// Bytes of rows, before compression.
    pub fn row_bytes(&self) -> u64 {
        self.views.iter().map(|of| of.bytes).sum()
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.views.iter().map(|of| of.rows).sum()
    }

    /// Bytes of the chunks, as they travel.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum()
    }

    /// How many bytes of rows the chunk with this number unpacks to.
    pub fn rows_in(&self, index: u32) -> usize {
        let before = u64::from(index) * CHUNK_BYTES as u64;
        usize::try_from(self.row_bytes().saturating_sub(before)).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES))
    }

    /// The manifest's bytes, and the snapshot's name. Equal manifests have equal bytes.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] beyond a limit: of views, chunks, origins or bytes.
    pub fn encode(&self) -> Result<(Bytes, SnapshotId), DecodeError> {
        check_size("heads of a snapshot", self.heads.len(), HEADS_MAX)?;
        check_size("views of a snapshot", self.views.len(), SNAPSHOT_VIEWS_MAX)?;
        check_size("chunks of a snapshot", self.chunks.len(), SNAPSHOT_CHUNKS_MAX)?;
        let mut bytes = sealed::begin(MAGIC, SNAPSHOT_FORMAT);
        put_bytes(&mut bytes, self.space.as_str().as_bytes());
        put_varint(&mut bytes, self.heads.len() as u64);
        self.heads.iter().for_each(|(origin, head)| bytes.extend_from_slice(&put_head(origin, head)));
        put_varint(&mut bytes, self.views.len() as u64);
        for RowsOf { view, rows, bytes: count, digest } in &self.views {
            put_bytes(&mut bytes, view.as_str().as_bytes());
            put_varint(&mut bytes, *rows);
            put_varint(&mut bytes, *count);
            bytes.extend_from_slice(&digest.to_bytes());
        }
        put_varint(&mut bytes, self.chunks.len() as u64);
        for Chunk { bytes: count, hash } in &self.chunks {
            put_varint(&mut bytes, u64::from(*count));
            bytes.extend_from_slice(&hash.to_bytes());
        }
        let hash = sealed::seal(&mut bytes);
        check_size("manifest of a snapshot", bytes.len(), MANIFEST_BYTES_MAX)?;
        Ok((bytes.into(), SnapshotId(hash)))
    }

    /// Reads a manifest back, and gives the snapshot's name.
    ///
    /// # Errors
    /// [`SnapshotFault`], all but those of chunks and rows.
    pub fn decode(bytes: &[u8]) -> Result<(Self, SnapshotId), SnapshotFault> {
        check_size("manifest of a snapshot", bytes.len(), MANIFEST_BYTES_MAX).map_err(SnapshotFault::Manifest)?;
        let (content, hash) = sealed::open(bytes, MAGIC, SNAPSHOT_FORMAT).map_err(|why| match why {
            Unsealed::Foreign => SnapshotFault::NotASnapshot,
            Unsealed::Newer(found) => SnapshotFault::UnsupportedVersion { found },
            Unsealed::Hash => SnapshotFault::ManifestHash,
        })?;
        let manifest = Self::read(content).map_err(SnapshotFault::Manifest)?;
        Ok((manifest, SnapshotId(hash)))
    }

    fn read(content: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("manifest of a snapshot", content);
        let space = SpaceId::new(&text(&mut reader, "space name", SPACE_BYTES_MAX)?);
        let space = space.map_err(|_| reader.malformed("the space's name breaks its rule"))?;
        let (heads, views) = (heads(&mut reader)?, views(&mut reader)?);
        let bytes = views.iter().try_fold(0u64, |sum, of| sum.checked_add(of.bytes));
        let bytes = bytes.ok_or_else(|| reader.malformed("its rows are more than 64 bits can count"))?;
        let count = reader.length("chunks of a snapshot", SNAPSHOT_CHUNKS_MAX)?;
        if count as u64 != bytes.div_ceil(CHUNK_BYTES as u64) {
            return Err(reader.malformed("it has not as many chunks as its rows take"));
        }
        let chunk = |reader: &mut Reader<'_>| {
            let bytes = reader.length("chunk of a snapshot", CHUNK_BYTES_MAX)?;
            Ok(Chunk { bytes: bytes as u32, hash: ChunkHash(reader.array()?) })
        };
        let chunks = (0..count).map(|_| chunk(&mut reader)).collect::<Result<_, DecodeError>>()?;
        if !reader.is_empty() {
            return Err(reader.malformed("bytes are left over"));
        }
        Ok(Self { space, heads, views, chunks })
    }
}

fn heads(reader: &mut Reader<'_>) -> Result<Heads, DecodeError> {
    let count = reader.length("heads of a snapshot", HEADS_MAX)?;
    let (mut heads, mut last) = (Vec::new(), None);
    for _ in 0..count {
        let (origin, head) = head_entry(reader)?;
        if last >= Some(origin) {
            return Err(reader.malformed("its heads are not in the order of origins"));
        }
        last = Some(origin);
        heads.push((origin, head));
    }
    let heads: Heads = heads.into_iter().collect();
    match u64::try_from(heads.bundles()) {
        Ok(_) => Ok(heads),
        Err(_) => Err(reader.malformed("its heads tell of more bundles than 64 bits can count")),
    }
}

fn views(reader: &mut Reader<'_>) -> Result<Vec<RowsOf>, DecodeError> {
    let count = reader.length("views of a snapshot", SNAPSHOT_VIEWS_MAX)?;
    let mut views: Vec<RowsOf> = Vec::new();
    for _ in 0..count {
        let view = ViewId::new(&text(reader, "view", VIEW_BYTES_MAX)?);
        let view = view.map_err(|_| reader.malformed("the name of a view breaks its rule"))?;
        if view.is_reserved() && view.as_str() != reserved::UNREADABLE {
            return Err(reader.malformed("it has rows of the engine's own"));
        }
        if views.last().is_some_and(|last| last.view >= view) {
            return Err(reader.malformed("its views are not in the order of their names"));
        }
        let (rows, bytes) = (reader.varint()?, reader.varint()?);
        // A row takes two bytes at least.
        if rows > bytes / 2 {
            return Err(reader.malformed("it has more rows than bytes of them"));
        }
        views.push(RowsOf { view, rows, bytes, digest: RowsDigest(reader.array()?) });
    }
    Ok(views)
}
