//! A snapshot that the kit has made, and how it gets to the peer.

use bytes::Bytes;
use syncline::SpaceId;
use syncline::format::Heads;
use syncline::protocol::{Piece, Request, Supply};
use syncline::snapshot::{CHUNK_BYTES, ChunkHash, Manifest, RowWriter, SnapshotId, seal_chunk};

use super::{OWNER, Peer, noise};
use crate::{SPACE, space, view};

/// A manifest and its chunks, as they travel.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The space that it is of.
    pub space: SpaceId,
    /// Its name.
    pub id: SnapshotId,
    /// The manifest.
    pub manifest: Bytes,
    /// The chunks, in order.
    pub chunks: Vec<Bytes>,
    /// The names of the chunks, in order.
    pub hashes: Vec<ChunkHash>,
}

impl Snapshot {
    /// A snapshot of the peer's log as it is now, in three chunks: one that does not compress and so is as large as a chunk can be, one
    /// that does, and a short one.
    pub async fn of(peer: &Peer) -> Self {
        Self::with(&space(SPACE), peer.log(SPACE).await.status().await.heads)
    }

    /// The same with this space and these heads.
    pub fn with(space: &SpaceId, heads: Heads) -> Self {
        let mut writer = RowWriter::new(view("noise@1"));
        let noise = noise(CHUNK_BYTES, 1);
        let small = "no row is larger than a row may be";
        let mut full = writer.push([(&b"key"[..], &noise[..])]).expect(small);
        writer.next_view(view("zeros@1"));
        let zeros = vec![0; CHUNK_BYTES];
        full.extend(writer.push([(&b"a"[..], &zeros[..]), (&b"b"[..], &b"any byte \0\r\n\xff"[..])]).expect(small));
        let (last, views) = writer.finish();
        let sealed: Vec<_> = full.into_iter().chain(last).map(|rows| seal_chunk(&rows)).collect();
        let (chunks, named): (Vec<_>, Vec<_>) = sealed.into_iter().unzip();
        let hashes = named.iter().map(|chunk| chunk.hash).collect();
        let manifest = Manifest { space: space.clone(), heads, views, chunks: named };
        let (manifest, id) = manifest.encode().expect("it is within the limits");
        Self { space: space.clone(), id, manifest, chunks, hashes }
    }

    /// The request that hands over the manifest.
    pub fn offer(&self) -> Request {
        Request::Supply(self.space.clone(), Supply::Manifest(Piece(self.manifest.clone())))
    }

    /// The request that hands over a chunk.
    ///
    /// # Panics
    /// If the snapshot has no such chunk.
    pub fn chunk(&self, index: u32) -> Request {
        let chunk = Piece(self.chunks[index as usize].clone());
        Request::Supply(self.space.clone(), Supply::Chunk(self.id, index, chunk))
    }

    /// Hands it to the peer, past any transport.
    ///
    /// # Panics
    /// If the peer does not take it.
    pub async fn publish(&self, peer: &Peer) {
        let chunks = (0..self.chunks.len() as u32).map(|index| self.chunk(index));
        for request in [self.offer()].into_iter().chain(chunks).chain([self.offer()]) {
            peer.answer(OWNER, request).await.expect("the snapshot is sound");
        }
    }
}
