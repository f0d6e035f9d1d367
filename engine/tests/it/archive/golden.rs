//! A segment as it was first written: these bytes must read for ever.
//!
//! `SYNCLINE_GOLDEN=write cargo test -p syncline golden` writes the file if it is missing, and never changes it.

use std::fs;
use std::path::PathBuf;

use syncline::archive::Segment;
use syncline::format::ChainHash;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, Run, RunBuilder};
use syncline::{LogId, Seq};

use super::*;

/// Two runs: one with bodies that compress and a void, and one of another origin.
fn fresh() -> Segment {
    let mut first = RunBuilder::new(id(1), Seq::new(5), ChainHash::from_bytes([3; 32]));
    let body = encode_body(&[set("key", &"value".repeat(40))]).unwrap();
    for time in 1..4 {
        first.push(NTP64(time << 32), Body::Full(&body));
    }
    let first = first.finish().unwrap();
    let first = first.with_voids(&[Seq::new(6)]).run().clone();
    let mut second = RunBuilder::new(id(2), Seq::new(1), ChainHash::GENESIS);
    second.push(NTP64(9 << 32), Body::Full(&encode_body(&[set("a", "b")]).unwrap()));
    let runs: Vec<Run> = vec![first, second.finish().unwrap().run().clone()];
    let log = LogId::from_bytes([9; 16]).unwrap();
    Segment { space: space(), name: SegmentName { after: Position::new(300), last: Position::new(304), log }, runs }
}

#[test]
fn the_golden_segment_reads_as_it_was_meant() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/segment-v1.seg");
    if !path.exists() && std::env::var_os("SYNCLINE_GOLDEN").is_some() {
        fs::write(&path, fresh().encode().unwrap()).unwrap();
    }
    let golden = Bytes::from(fs::read(&path).unwrap());
    // What was packed by another packer may have other bytes.
    assert_eq!(Segment::decode(&golden).unwrap(), fresh());
    assert_eq!(Segment::decode(&fresh().encode().unwrap()).unwrap(), fresh());
}
