//! Snapshots: a manifest as it is, and below its hash, with bytes that are taken for its rows and for a chunk.

use bytes::Bytes;
use syncline::snapshot::{CHUNK_BYTES, Chunk, ChunkHash, Manifest, RowPlace, RowReader, SnapshotFault, open_chunk};
use syncline::store::Row;

/// How every manifest begins: the magic bytes, and the format's version.
const BEGIN: &[u8] = b"\x89syncsnp\r\n\x1a\n\x01";

/// What a fuzzer thinks of is a manifest, or two bytes of length (big-endian), so many bytes of a manifest between its beginning and its
/// hash, or as many as there are, and rows.
pub fn snapshot(bytes: &[u8]) {
    check_manifest(bytes);
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (content, rows) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    check_chunk(rows);
    if let Some(manifest) = check_manifest(&sealed(content)) {
        check_rows(&manifest, rows);
    }
}

/// The manifest with these bytes between its beginning and its hash.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut manifest = [BEGIN, content].concat();
    let hash = *blake3::hash(&manifest).as_bytes();
    manifest.extend_from_slice(&hash);
    manifest
}

/// What [`snapshot`] takes for this manifest and these rows.
///
/// # Panics
/// If the manifest is none, or larger than 64 KiB.
pub fn unsealed_snapshot(manifest: &[u8], rows: &[u8]) -> Vec<u8> {
    let content = &manifest.strip_prefix(BEGIN).expect("a manifest")[..manifest.len() - BEGIN.len() - 32];
    assert_eq!(sealed(content), manifest, "the hash is the manifest's own");
    let length = u16::try_from(content.len()).expect("a small manifest");
    [&length.to_be_bytes(), content, rows].concat()
}

/// A manifest has one spelling.
fn check_manifest(bytes: &[u8]) -> Option<Manifest> {
    let (manifest, id) = Manifest::decode(bytes).ok()?;
    assert_eq!(manifest.encode(), Ok((Bytes::copy_from_slice(bytes), id)));
    let rows: u64 = (0..manifest.chunks.len() as u32).map(|index| manifest.rows_in(index) as u64).sum();
    assert_eq!(rows, manifest.row_bytes(), "the chunks hold all rows, and nothing else");
    Some(manifest)
}

/// Any bytes may be a chunk, of rows that take more or less than it holds.
fn check_chunk(bytes: &[u8]) {
    let sealed = Bytes::copy_from_slice(bytes);
    let hash = ChunkHash::from_bytes(*blake3::hash(bytes).as_bytes());
    let named = Chunk { bytes: bytes.len() as u32, hash };
    for rows in [0, bytes.len().saturating_sub(1), bytes.len(), CHUNK_BYTES] {
        if let Ok(opened) = open_chunk(0, &named, &sealed, rows) {
            assert_eq!(opened.len(), rows);
        }
    }
}

/// What reading gave: rows, where each of them begins and the place behind the last, and how it ended.
#[derive(Debug, PartialEq)]
struct Read {
    rows: Vec<(usize, Row)>,
    places: Vec<RowPlace>,
    end: Result<(), SnapshotFault>,
}

fn read(manifest: &Manifest, from: RowPlace, rows: &[u8], piece: usize) -> Read {
    let mut reader = RowReader::at(manifest, from);
    let mut read = Read { rows: Vec::new(), places: vec![from], end: Ok(()) };
    for piece in rows.chunks(piece) {
        reader.push(piece).expect("digests are not checked here");
        loop {
            match reader.row() {
                Ok(Some(row)) => {
                    read.rows.push(row);
                    read.places.push(reader.place());
                }
                Ok(None) => break,
                Err(fault) => return Read { end: Err(fault), ..read },
            }
        }
    }
    Read { end: reader.end(), ..read }
}

/// Bytes of rows say the same in pieces of any size, and reading goes on from any place.
fn check_rows(manifest: &Manifest, bytes: &[u8]) {
    let start = RowPlace::start(manifest);
    let whole = read(manifest, start, bytes, bytes.len().max(1));
    assert_eq!(read(manifest, start, bytes, 1 + bytes.len() % 7), whole);
    for (number, place) in whole.places.iter().enumerate() {
        assert_eq!(place.rows(manifest), number as u64);
    }
    let half = whole.rows.len() / 2;
    let place = whole.places[half];
    // A reader that goes on does not know the key before.
    if whole.end.is_ok() {
        let rest = read(manifest, place, &bytes[place.bytes() as usize..], 5);
        assert_eq!((&rest.rows[..], &rest.places[..], rest.end), (&whole.rows[half..], &whole.places[half..], Ok(())));
    }
    // What reads without a fault may still have another digest.
    let mut checked = RowReader::new(manifest);
    if checked.push(bytes).is_ok() {
        while let Ok(Some(_)) = checked.row() {}
    }
}
