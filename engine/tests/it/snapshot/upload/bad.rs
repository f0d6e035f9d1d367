//! Uploads that are refused: in words that say why, without a trace.

use syncline::format::{ChainHash, Head};
use syncline::protocol::{Code, Piece, Supply};
use syncline::snapshot::{RowWriter, RowsDigest, seal_chunk};
use syncline::store::WriteBatch;
use syncline::{NTP64, Position, Seq, SpaceId};

use super::{COMPLETE, Desk, EACH, Made};
use crate::world::id;

/// The service refuses this with this code, in these words, and has stored nothing.
fn assert_refused(desk: &Desk, supply: Supply, code: Code, words: &str) {
    let (before, list) = (desk.status().revision, desk.list());
    let problem = desk.supply(supply).unwrap_err();
    assert!(problem.code == code && problem.detail.contains(words), "{problem:?} does not say `{words}`");
    assert_eq!((desk.status().revision, desk.list()), (before, list), "{words}");
}

fn assert_bad(desk: &Desk, supply: Supply, words: &str) {
    assert_refused(desk, supply, Code::BadSnapshot, words);
}

/// The service refuses the rows of a snapshot whose chunks are all there. The offer stays, and the log and the list are as before.
fn assert_bad_rows(desk: &Desk, offer: Supply, words: &str) {
    let (before, list) = (desk.status(), desk.list());
    let problem = desk.supply(offer).unwrap_err();
    assert!(problem.code == Code::BadSnapshot && problem.detail.contains(words), "{problem:?} does not say `{words}`");
    let after = desk.status();
    assert_eq!((after.heads, after.head, desk.list()), (before.heads, before.head, list), "{words}");
}

#[test]
fn a_manifest_that_does_not_read_is_refused() {
    let desk = Desk::new();
    let made = Made::of(desk.heads([4, 4]), "a");
    for (at, words) in [(0, "begins with other bytes"), (12, "format version 2"), (40, "damaged: its hash differs")] {
        let mut bytes = made.bytes().to_vec();
        bytes[at] = if at == 12 { 2 } else { bytes[at] ^ 1 };
        assert_bad(&desk, Supply::Manifest(Piece(bytes.into())), words);
    }
    let cut = made.bytes().slice(..made.bytes().len() - 1);
    assert_bad(&desk, Supply::Manifest(Piece(cut)), "damaged: its hash differs");
    assert_bad(&desk, Supply::Manifest(Piece("".into())), "begins with other bytes");
    desk.upload(&made);
}

#[test]
fn a_snapshot_of_another_space_is_refused() {
    let desk = Desk::new();
    let made = Made::of(desk.heads([4, 4]), "a");
    let mut other = made.clone();
    other.manifest.space = SpaceId::new("another").unwrap();
    assert_bad(&desk, other.offer(), "is of another space: another");
    desk.upload(&made);
}

#[test]
fn heads_that_contradict_the_log_or_lie_beyond_it_are_refused() {
    let desk = Desk::new();
    let good = desk.heads([3, 4]);
    let (third, last) = (good.get(id(1)), good.get(id(2)));
    for (origin, head, words) in [
        (id(2), Head { seq: Seq::new(5), ..last }, "which this log lacks; push it before the snapshot"),
        (id(9), last, "which this log lacks"),
        (id(2), Head { chain: ChainHash::from_bytes([7; 32]), ..last }, "which is another one in this log"),
        (id(2), Head { time: NTP64(last.time.0 + 1), ..last }, "which is another one in this log"),
        (id(1), Head { chain: ChainHash::from_bytes([7; 32]), ..third }, "which is another one in this log"),
        (id(1), Head { time: NTP64(40), ..third }, "which is another one in this log"),
    ] {
        let mut heads = good.clone();
        heads.set(origin, head);
        assert_bad(&desk, Made::of(heads, "a").offer(), words);
    }
    desk.upload(&Made::of(good, "a"));
}

#[test]
fn a_snapshot_that_lacks_what_the_log_has_trimmed_is_refused() {
    let desk = Desk::new();
    desk.commit(WriteBatch { trim: Some(Position::new(5)), ..WriteBatch::default() });
    for bundles in [[0, 0], [1, 4], [2, 2], [3, 1]] {
        assert_bad(&desk, Made::of(desk.heads(bundles), "a").offer(), "make a newer one");
    }
    for bundles in [[3, 2], [3, 4], [EACH, EACH]] {
        desk.upload(&Made::of(desk.heads(bundles), "a"));
    }
}

#[test]
fn a_damaged_chunk_is_refused_by_its_number() {
    let desk = Desk::new();
    let made = Made::of(desk.heads([4, 4]), "a");
    desk.supply(made.offer()).unwrap();
    let damaged = |index: u32, change: fn(&mut Vec<u8>)| {
        let mut bytes = made.chunks[index as usize].to_vec();
        change(&mut bytes);
        Supply::Chunk(made.id(), index, Piece(bytes.into()))
    };
    assert_bad(&desk, damaged(1, |bytes| bytes[9] ^= 1), "chunk 1 of the snapshot is damaged: its hash differs");
    assert_bad(
        &desk,
        damaged(2, |bytes| bytes.truncate(bytes.len() - 1)),
        "chunk 2 of the snapshot is damaged: it has another length",
    );
    assert_bad(&desk, damaged(0, Vec::clear), "chunk 0 of the snapshot is damaged");
    let swapped = Supply::Chunk(made.id(), 1, Piece(made.chunks[0].clone()));
    assert_bad(&desk, swapped, "chunk 1 of the snapshot is damaged");
    desk.upload(&made);
}

#[test]
fn a_chunk_of_nothing_that_was_offered_is_unknown() {
    let desk = Desk::new();
    let made = Made::of(desk.heads([4, 4]), "a");
    assert_refused(&desk, made.chunk(0), Code::UnknownSnapshot, "send its manifest first");
    desk.supply(made.offer()).unwrap();
    let beyond = Supply::Chunk(made.id(), 3, Piece(made.chunks[0].clone()));
    assert_refused(&desk, beyond, Code::UnknownSnapshot, "with a chunk 3");
    desk.upload(&made);
}

#[test]
fn rows_that_are_not_those_of_the_manifest_are_refused_and_their_chunks_serve_a_sound_one() {
    let desk = Desk::new();
    let made = Made::of(desk.heads([4, 4]), "a");
    let lies = [0, 1].map(|view| {
        let mut lies = made.clone();
        lies.manifest.views[view].digest = RowsDigest::from_bytes([7; 32]);
        lies
    });
    for index in desk.supply(lies[0].offer()).unwrap().missing {
        desk.supply(lies[0].chunk(index)).unwrap();
    }
    for (lies, words) in lies.iter().zip(["view board@1", "view todo@2"]) {
        assert_bad_rows(&desk, lies.offer(), words);
        assert_bad_rows(&desk, lies.offer(), "their digest differs");
    }
    let mut fewer = made.clone();
    fewer.manifest.views[1].rows += 1;
    assert_bad_rows(&desk, fewer.offer(), "more or fewer than announced");
    assert_eq!(desk.supply(made.offer()), Ok(COMPLETE), "its chunks are there already");
}

#[test]
fn rows_in_another_order_are_refused() {
    let desk = Desk::new();
    let mut made = Made::of(desk.heads([4, 4]), "a");
    let mut writer = RowWriter::new(made.manifest.views[0].view.clone());
    writer.push([(&b"b"[..], &b"1"[..]), (&b"a"[..], &b"2"[..])]).unwrap();
    let (rows, views) = writer.finish();
    let (chunk, named) = seal_chunk(&rows.unwrap());
    (made.manifest.views, made.manifest.chunks, made.chunks) = (views, vec![named], vec![chunk]);
    desk.supply(made.offer()).unwrap();
    desk.supply(made.chunk(0)).unwrap();
    assert_bad_rows(&desk, made.offer(), "their keys are not in order");
}
