//! Rows of many shapes as a manifest and chunks, and back.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::format::heads::{ChainHash, Head, Heads};
use crate::format::time::NTP64;
use crate::id::{ReplicaId, Seq, SpaceId};
use crate::limits::{KEY_BYTES_MAX, SNAPSHOT_CHUNKS_MAX, SNAPSHOT_ROW_BYTES_MAX};
use crate::store::Row;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A snapshot with the rows that it was made of, by the place of their view.
#[derive(Debug)]
struct Made {
    manifest: Manifest,
    chunks: Vec<Bytes>,
    rows: Vec<(usize, Row)>,
}

impl Made {
    /// A snapshot of these views' rows, which are handed over so many at a time.
    fn of(views: &[Rows], page: usize) -> Self {
        let name = |view: usize| ViewId::new(&format!("view{view}@1")).unwrap();
        let (mut writer, mut opened, mut rows) = (RowWriter::new(name(0)), Vec::new(), Vec::new());
        for (view, of) in views.iter().enumerate() {
            if view > 0 {
                writer.next_view(name(view));
            }
            let all: Vec<_> = of.iter().map(|(key, value)| (&key[..], &value[..])).collect();
            for page in all.chunks(page) {
                opened.extend(writer.push(page.iter().copied()).unwrap());
            }
            let row = |(key, value): (&Vec<u8>, &Vec<u8>)| Row { key: key.clone().into(), value: value.clone().into() };
            rows.extend(of.iter().map(row).map(|row| (view, row)));
        }
        let (last, views) = writer.finish();
        let (chunks, named) = opened.into_iter().chain(last).map(|rows| seal_chunk(&rows)).unzip();
        let manifest = Manifest { space: SpaceId::new("team").unwrap(), heads: heads(), views, chunks: named };
        Self { manifest, chunks, rows }
    }

    /// The bytes of rows in a chunk.
    fn open(&self, index: u32) -> Result<Bytes, SnapshotFault> {
        let (named, sealed) = (&self.manifest.chunks[index as usize], &self.chunks[index as usize]);
        open_chunk(index, named, sealed, self.manifest.rows_in(index))
    }

    /// All rows, read with the digests of views checked.
    fn read(&self) -> Result<Vec<(usize, Row)>, SnapshotFault> {
        let (mut reader, mut rows) = (RowReader::new(&self.manifest), Vec::new());
        for index in 0..self.chunks.len() as u32 {
            reader.push(&self.open(index)?)?;
            rows.extend(std::iter::from_fn(|| reader.row().transpose()).collect::<Result<Vec<_>, _>>()?);
        }
        reader.end().map(|()| rows)
    }

    /// The rows behind a place, and how many bytes and rows lie before it.
    fn read_from(&self, place: RowPlace) -> Vec<(usize, Row)> {
        let mut reader = RowReader::at(&self.manifest, place);
        let (first, mut skip) = place.chunk();
        let mut rows = Vec::new();
        for index in first..self.chunks.len() as u32 {
            reader.push(&self.open(index).unwrap()[std::mem::take(&mut skip)..]).unwrap();
            rows.extend(std::iter::from_fn(|| reader.row().unwrap()));
        }
        reader.end().unwrap();
        rows
    }
}

fn heads() -> Heads {
    let head =
        |byte, seq| Head { seq: Seq::new(seq), chain: ChainHash::from_bytes([byte; 32]), time: NTP64(seq << 32) };
    let origin = |byte| ReplicaId::from_bytes([byte; 16]).unwrap();
    [(origin(1), head(7, 1)), (origin(2), head(8, 1 << 40))].into_iter().collect()
}

/// Values of all sizes that matter: none, small, and larger than a chunk. Some compress, and some do not.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let repeated = |bytes: usize| prop_oneof![Just(0), 1..bytes].prop_map(|bytes| vec![7; bytes]);
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        4 => repeated(300),
        1 => repeated(3 * CHUNK_BYTES),
        1 => (CHUNK_BYTES - 20..CHUNK_BYTES + 20, any::<u8>()).prop_map(|(bytes, seed)| noise(bytes, seed)),
    ]
}

fn noise(bytes: usize, seed: u8) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut noise);
    noise
}

fn views() -> impl Strategy<Value = Vec<Rows>> {
    let key = prop_oneof![20 => prop::collection::vec(any::<u8>(), 0..6), 1 => Just(vec![0xff; KEY_BYTES_MAX])];
    prop::collection::vec(prop::collection::btree_map(key, value(), 0..8), 1..4)
}

fn made() -> impl Strategy<Value = Made> {
    (views(), 1usize..5).prop_map(|(views, page)| Made::of(&views, page))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_reads_back_the_same_and_is_one_snapshot_however_it_was_handed_over(
        views in views(),
        page in 1usize..5,
    ) {
        let made = Made::of(&views, page);
        prop_assert!(made.read() == Ok(made.rows.clone()));
        let (bytes, id) = made.manifest.encode().unwrap();
        prop_assert_eq!(Manifest::decode(&bytes), Ok((made.manifest.clone(), id)));
        let whole = Made::of(&views, usize::MAX);
        prop_assert_eq!(whole.manifest.encode().unwrap().1, id);
        prop_assert_eq!(made.manifest.rows(), made.rows.len() as u64);
        let opened: usize = (0..made.chunks.len() as u32).map(|index| made.open(index).unwrap().len()).sum();
        prop_assert_eq!(made.manifest.row_bytes(), opened as u64);
    }

    #[test]
    fn reading_goes_on_from_any_place_that_it_has_reached(made in made()) {
        let mut reader = RowReader::new(&made.manifest);
        let mut places = vec![reader.place()];
        for index in 0..made.chunks.len() as u32 {
            reader.push(&made.open(index).unwrap()).unwrap();
            while reader.row().unwrap().is_some() {
                places.push(reader.place());
            }
        }
        prop_assert_eq!(places.len(), made.rows.len() + 1);
        for (read, place) in places.into_iter().enumerate() {
            prop_assert_eq!(place.rows(&made.manifest), read as u64);
            prop_assert!(made.read_from(place) == made.rows[read..], "from row {}", read);
        }
    }

    #[test]
    fn any_byte_that_changes_is_found(
        made in made(),
        (piece, at) in any::<(prop::sample::Index, prop::sample::Index)>(),
        bit in 0u8..8,
    ) {
        let flip = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            bytes
        };
        let (bytes, _) = made.manifest.encode().unwrap();
        prop_assert!(Manifest::decode(&flip(&bytes)).is_err());
        prop_assert!(Manifest::decode(&bytes[..at.index(bytes.len())]).is_err());
        if made.chunks.is_empty() {
            return Ok(());
        }
        let index = piece.index(made.chunks.len());
        let mut damaged = Made { chunks: made.chunks.clone(), manifest: made.manifest.clone(), rows: Vec::new() };
        damaged.chunks[index] = flip(&made.chunks[index]).into();
        let named = match damaged.read() {
            Err(SnapshotFault::Chunk { index, .. }) => Some(index as usize),
            _ => None,
        };
        prop_assert_eq!(named, Some(index));
        // The same by a maker who names what it has changed: then the digest of the view tells.
        let (sealed, named) = seal_chunk(&flip(&made.open(index as u32).unwrap()));
        (damaged.chunks[index], damaged.manifest.chunks[index]) = (sealed, named);
        let is_told = matches!(damaged.read(), Err(SnapshotFault::Rows { .. }));
        prop_assert!(is_told);
    }
}

#[test]
fn a_snapshot_without_a_row_has_no_chunk() {
    let made = Made::of(&[Rows::new(), Rows::new()], 1);
    assert_eq!((made.chunks.len(), made.manifest.row_bytes(), made.read()), (0, 0, Ok(Vec::new())));
    let (bytes, id) = made.manifest.encode().unwrap();
    assert_eq!(Manifest::decode(&bytes), Ok((made.manifest, id)));
}

#[test]
fn rows_that_end_exactly_with_a_chunk_need_no_further_one() {
    // A length of the key, no key, three bytes of length, and the value.
    let value = vec![7; CHUNK_BYTES - 4];
    let made = Made::of(&[[(vec![], value)].into()], 1);
    assert_eq!((made.chunks.len(), made.manifest.rows_in(0)), (1, CHUNK_BYTES));
    assert_eq!(made.read(), Ok(made.rows.clone()));
}

#[test]
fn chunks_that_are_too_few_are_noticed_at_the_end() {
    let made = Made::of(&[[(vec![1], vec![7; 2 * CHUNK_BYTES])].into()], 1);
    let mut reader = RowReader::new(&made.manifest);
    reader.push(&made.open(0).unwrap()).unwrap();
    assert_eq!(reader.row(), Ok(None));
    assert!(matches!(reader.end(), Err(SnapshotFault::Rows { why: "they end too early", .. })));
}

#[test]
fn a_row_larger_than_allowed_is_neither_written_nor_waited_for() {
    let mut writer = RowWriter::new(ViewId::new("view@1").unwrap());
    let too_large = vec![0; SNAPSHOT_ROW_BYTES_MAX + 1];
    assert!(matches!(writer.push([(&b""[..], &too_large[..])]), Err(DecodeError::TooLarge { .. })));
    assert!(writer.push([(&b""[..], &too_large[1..])]).is_ok());
    let mut made = Made::of(&[[(vec![], vec![7; 10])].into()], 1);
    made.manifest.views[0].bytes = 1 << 33;
    let mut rows = vec![0];
    crate::format::wire::put_varint(&mut rows, too_large.len() as u64);
    let mut reader = RowReader::new(&made.manifest);
    reader.push(&rows).unwrap();
    assert!(matches!(reader.row(), Err(SnapshotFault::Rows { .. })));
}

/// The largest manifest that the limits allow is a message that passes.
#[test]
fn a_manifest_at_every_limit_fits() {
    let origin = |number: u128| ReplicaId::from_bytes(number.to_be_bytes()).unwrap();
    let head = Head { seq: Seq::new(1 << 47), chain: ChainHash::from_bytes([7; 32]), time: NTP64(u64::MAX) };
    let heads: Heads = (1..=crate::limits::HEADS_MAX as u128).map(|number| (origin(number << 64), head)).collect();
    let of = |number: usize| {
        let view = ViewId::new(&format!("{number:0>61}@1")).unwrap();
        let bytes = (SNAPSHOT_CHUNKS_MAX * CHUNK_BYTES / crate::limits::SNAPSHOT_VIEWS_MAX) as u64;
        RowsOf { view, rows: bytes / 2, bytes, digest: RowsDigest([7; 32]) }
    };
    let chunk = Chunk { bytes: crate::limits::CHUNK_BYTES_MAX as u32, hash: ChunkHash([7; 32]) };
    let manifest = Manifest {
        space: SpaceId::new(&"s".repeat(64)).unwrap(),
        heads,
        views: (0..crate::limits::SNAPSHOT_VIEWS_MAX).map(of).collect(),
        chunks: vec![chunk; SNAPSHOT_CHUNKS_MAX],
    };
    let (bytes, id) = manifest.encode().unwrap();
    assert_eq!(Manifest::decode(&bytes), Ok((manifest, id)));
}

#[test]
fn a_manifest_that_breaks_a_rule_is_malformed() {
    let good = Made::of(&[[(vec![1], vec![7; 10])].into(), [(vec![1], vec![7; 10])].into()], 1).manifest;
    let reserved = ViewId::new("syncline.chunks@1").unwrap();
    let broken: [fn(&mut Manifest, ViewId); 6] = [
        |manifest, _| manifest.views.reverse(),
        |manifest, _| manifest.views[1] = manifest.views[0].clone(),
        |manifest, reserved| manifest.views[0].view = reserved,
        |manifest, _| manifest.views[0].rows = manifest.views[0].bytes,
        |manifest, _| manifest.chunks.clear(),
        |manifest, _| manifest.views[0].bytes = u64::MAX,
    ];
    for (number, breaks) in broken.into_iter().enumerate() {
        let mut manifest = good.clone();
        breaks(&mut manifest, reserved.clone());
        let decoded = Manifest::decode(&manifest.encode().unwrap().0);
        let is_malformed = matches!(decoded, Err(SnapshotFault::Manifest(DecodeError::Malformed { .. })));
        assert!(is_malformed, "{number}: {decoded:?}");
    }
}
