//! One chunk: some bytes of rows, compressed if that makes them fewer.

use bytes::Bytes;

use super::manifest::Chunk;
use super::{ChunkHash, SnapshotFault};
use crate::format::packed::{pack, unpack};

/// Makes a chunk of bytes of rows, at most [`CHUNK_BYTES`](super::CHUNK_BYTES) of them, and what a manifest says of it.
pub fn seal_chunk(rows: &[u8]) -> (Bytes, Chunk) {
    let sealed = pack(rows);
    let hash = ChunkHash(*blake3::hash(&sealed).as_bytes());
    let bytes = u32::try_from(sealed.len()).expect("a chunk is bounded");
    (sealed.into(), Chunk { bytes, hash })
}

/// The rows' bytes in a chunk, which must be `rows` many. `index` is its number, for the error.
///
/// # Errors
/// [`SnapshotFault::Chunk`] if it is not the chunk that the manifest names, or does not unpack to so many bytes.
pub fn open_chunk(index: u32, named: &Chunk, sealed: &Bytes, rows: usize) -> Result<Bytes, SnapshotFault> {
    let wrong = |why| SnapshotFault::Chunk { index, why };
    if sealed.len() != named.bytes as usize {
        return Err(wrong("it has another length than the manifest says"));
    }
    if blake3::hash(sealed).as_bytes() != &named.hash.to_bytes() {
        return Err(wrong("its hash differs"));
    }
    unpack(sealed, rows).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::CHUNK_BYTES;

    #[test]
    fn what_was_sealed_opens_again_whether_or_not_it_packs() {
        let noise: Vec<u8> = blake3_noise(CHUNK_BYTES);
        for rows in [&b"a"[..], &[7; CHUNK_BYTES], &noise] {
            let (sealed, named) = seal_chunk(rows);
            assert!(sealed.len() <= rows.len() + 1);
            assert_eq!(open_chunk(0, &named, &sealed, rows.len()).unwrap(), rows);
            let other = open_chunk(3, &named, &sealed, rows.len() + 1);
            assert!(matches!(other, Err(SnapshotFault::Chunk { index: 3, .. })), "{other:?}");
        }
    }

    #[test]
    fn a_chunk_that_lies_about_its_length_allocates_no_more_than_the_manifest_says() {
        let (bomb, _) = seal_chunk(&[0; CHUNK_BYTES]);
        let named = Chunk { bytes: bomb.len() as u32, hash: ChunkHash(*blake3::hash(&bomb).as_bytes()) };
        assert!(open_chunk(0, &named, &bomb, 10).is_err());
    }

    fn blake3_noise(bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
        noise
    }
}
