//! Segments of an archive: as they are, and below their hash.

use bytes::Bytes;
use syncline::archive::Segment;

/// How every segment begins: the magic bytes, and the format's version.
const BEGIN: &[u8] = b"\x89syncseg\r\n\x1a\n\x01";

/// What a fuzzer thinks of is a segment, or what lies between its beginning and its hash.
pub fn segment(bytes: &[u8]) {
    check(Bytes::copy_from_slice(bytes));
    let mut sealed = [BEGIN, bytes].concat();
    let hash = *blake3::hash(&sealed).as_bytes();
    sealed.extend_from_slice(&hash);
    check(sealed.into());
}

/// What decodes has as many bundles as its name says, and reads back the same however it was packed.
fn check(bytes: Bytes) {
    let Ok(segment) = Segment::decode(&bytes) else { return };
    let bundles: u64 = segment.runs.iter().map(|run| run.count()).sum();
    assert_eq!(segment.name.last.since(segment.name.after), bundles);
    let again = segment.encode().expect("it was within the limit");
    assert_eq!(Segment::decode(&again), Ok(segment));
}

/// What [`segment`] takes for this segment.
///
/// # Panics
/// If it is none.
pub fn unsealed_segment(segment: &[u8]) -> Vec<u8> {
    segment.strip_prefix(BEGIN).expect("a segment")[..segment.len() - BEGIN.len() - 32].to_vec()
}
