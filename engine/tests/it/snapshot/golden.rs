//! A snapshot as it was first written: these bytes must read for ever.
//!
//! `SYNCLINE_GOLDEN=write cargo test -p syncline golden` writes files that are missing, and never changes one.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use syncline::format::{ChainHash, Head, Heads};
use syncline::snapshot::{CHUNK_BYTES, Manifest, RowReader, RowWriter, open_chunk, seal_chunk};
use syncline::{NTP64, Seq, ViewId};

use crate::world::{id, space};

/// The name of the snapshot in the files.
const ID: &str = "9f81ebabd57e62d20f2a79a210957ba939465866737738a3e53ad164d66f4b00";

/// The file's bytes; writes it first if it is missing and that is asked for.
fn golden(name: &str, fresh: &[u8]) -> Bytes {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name);
    if !path.exists() && std::env::var_os("SYNCLINE_GOLDEN").is_some() {
        fs::write(&path, fresh).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

/// Keys and values of a view.
type Rows = Vec<(&'static [u8], Vec<u8>)>;

/// The rows: one view's are larger than a chunk, so that a row lies in two, and the other's does not compress.
fn rows() -> [(&'static str, Rows); 2] {
    [
        ("board@1", vec![(b"", b"no key".to_vec()), (b"zeros", vec![0; CHUNK_BYTES - 13])]),
        ("todo@2", vec![(b"\0\xff", Vec::new()), (b"every byte", (0..=255).collect())]),
    ]
}

fn heads() -> Heads {
    let head =
        |byte, seq| Head { seq: Seq::new(seq), chain: ChainHash::from_bytes([byte; 32]), time: NTP64(seq << 32) };
    [(id(1), head(0xaa, 1)), (id(2), head(0xbb, 1 << 40))].into_iter().collect()
}

/// The snapshot as this build makes it.
fn fresh() -> (Manifest, Vec<Bytes>) {
    let [(board, of_board), (todo, of_todo)] = rows();
    let mut writer = RowWriter::new(ViewId::new(board).unwrap());
    let mut full = writer.push(of_board.iter().map(|(key, value)| (*key, &value[..]))).unwrap();
    writer.next_view(ViewId::new(todo).unwrap());
    full.extend(writer.push(of_todo.iter().map(|(key, value)| (*key, &value[..]))).unwrap());
    let (last, views) = writer.finish();
    let (chunks, named) = full.into_iter().chain(last).map(|rows| seal_chunk(&rows)).unzip();
    (Manifest { space: space(), heads: heads(), views, chunks: named }, chunks)
}

/// The files: the manifest, and its two chunks.
fn files() -> (Bytes, [Bytes; 2]) {
    let (manifest, chunks) = fresh();
    let chunk = |index: usize| golden(&format!("snapshot-v1.{index}.chunk"), &chunks[index]);
    (golden("snapshot-v1.manifest", &manifest.encode().unwrap().0), [chunk(0), chunk(1)])
}

#[test]
fn the_golden_snapshot_reads_as_it_was_meant() {
    let (bytes, chunks) = files();
    let (manifest, id) = Manifest::decode(&bytes).unwrap();
    assert_eq!((id.to_string().as_str(), &manifest.space, &manifest.heads), (ID, &space(), &heads()));
    assert_eq!(chunks.each_ref().map(|chunk| chunk[0]), [1, 0], "one is packed, and one is as it is");
    let (mut reader, mut read) = (RowReader::new(&manifest), Vec::new());
    for (index, chunk) in (0..).zip(&chunks) {
        let named = &manifest.chunks[index as usize];
        reader.push(&open_chunk(index, named, chunk, manifest.rows_in(index)).unwrap()).unwrap();
        while let Some((view, row)) = reader.row().unwrap() {
            read.push((manifest.views[view].view.as_str().to_owned(), row.key.to_vec(), row.value.to_vec()));
        }
    }
    reader.end().unwrap();
    let meant = rows()
        .into_iter()
        .flat_map(|(view, rows)| rows.into_iter().map(move |(key, value)| (view.to_owned(), key.to_vec(), value)));
    assert!(read == meant.collect::<Vec<_>>());
}

/// Packed chunks are not compared: a later packer may pack the same rows otherwise.
#[test]
fn the_golden_snapshot_is_written_as_ever() {
    let (bytes, golden_chunks) = files();
    let (golden, _) = Manifest::decode(&bytes).unwrap();
    let (manifest, chunks) = fresh();
    assert_eq!(manifest.views, golden.views);
    assert_eq!((&chunks[1], manifest.chunks[1]), (&golden_chunks[1], golden.chunks[1]));
    let manifest = Manifest { chunks: golden.chunks, ..manifest };
    assert_eq!(manifest.encode().unwrap().0, bytes);
}
