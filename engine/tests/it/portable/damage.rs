//! Files that are cut off, changed or something else.

use proptest::prelude::*;
use syncline::portable::Fault;

use super::*;
use crate::world::block_on;

/// A log of a few frames, small enough to be damaged at every byte.
async fn small() -> Arc<MemoryStore> {
    let mut writer = Writer::default();
    log(vec![writer.bundle(1, b"one"), writer.run(2, &[b"two", b"three"]), writer.bundle(1, b"four")]).await
}

fn reads(file: &[u8]) -> Result<usize, ReadError> {
    let mut reader = Reader::new();
    reader.push(file);
    let mut parts = 0;
    while reader.part()?.is_some() {
        parts += 1;
    }
    reader.finish().map(|()| parts)
}

/// What an import of a damaged file says, and that nothing was committed but what whole frames before the damage hold.
async fn spoiled(file: &[u8], whole: u64) -> ReadError {
    let copy = memory();
    let stopped = import(file, &copy).await.unwrap_err();
    assert_eq!(head(&copy).await.get(), whole);
    match stopped {
        Stopped::Read(error) => error,
        Stopped::Import(error) => panic!("{error}"),
    }
}

#[test]
fn a_file_cut_off_anywhere_says_where() {
    block_on(async {
        let frames = frames(&small().await).await;
        let file = frames.concat();
        let ends: Vec<usize> = frames
            .iter()
            .scan(0, |end, frame| Some(std::mem::replace(end, *end + frame.len()) + frame.len()))
            .collect();
        for length in 0..file.len() {
            let whole = ends.iter().filter(|end| **end <= length).count();
            let begins = if whole == 0 { 14.min(length) } else { ends[whole - 1] };
            let at = if length < 14 { 0 } else { begins as u64 };
            let expected = ReadError::Truncated { frame: whole as u64, at, end: length as u64 };
            let bundles = if whole >= 3 { 4 } else { 0 };
            assert_eq!(spoiled(&file[..length], bundles).await, expected, "{length} bytes");
        }
    });
}

#[test]
fn a_bit_changed_anywhere_is_found_before_anything_of_its_frame_is_committed() {
    block_on(async {
        let frames = frames(&small().await).await;
        let file = frames.concat();
        let runs_end: usize = frames[..3].iter().map(Bytes::len).sum();
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1 << (at % 8);
            let error = spoiled(&changed, if at >= runs_end { 4 } else { 0 }).await;
            match at {
                0..12 => assert_eq!(error, ReadError::NotALog, "byte {at}"),
                12..14 => {
                    assert!(matches!(error, ReadError::UnsupportedVersion { newest: 2, .. }), "byte {at}: {error}")
                }
                _ => {
                    let begins = |place: u64| place <= at as u64;
                    let placed = match &error {
                        ReadError::Damaged { at: place, .. } => begins(*place),
                        // A length that has grown asks for bytes that never come.
                        ReadError::Truncated { at: place, .. } => begins(*place),
                        _ => false,
                    };
                    assert!(placed, "byte {at}: {error}");
                }
            }
        }
    });
}

#[test]
fn frames_that_are_missing_repeated_or_exchanged_are_found() {
    block_on(async {
        let frames = frames(&small().await).await;
        assert_eq!(frames.len(), 4);
        for order in [&[0, 1, 3][..], &[0, 2, 3], &[0, 1, 2, 2, 3], &[0, 2, 1, 3], &[0, 1, 2, 3, 3], &[0, 1, 2, 3, 0]] {
            let file: Vec<u8> = order.iter().flat_map(|index| frames[*index].iter().copied()).collect();
            let error = reads(&file).unwrap_err();
            assert!(matches!(error, ReadError::Damaged { .. }), "{order:?}: {error}");
        }
    });
}

#[test]
fn bytes_behind_the_end_are_refused() {
    block_on(async {
        let mut file = export(&small().await).await;
        file.push(0);
        let end = file.len() as u64 - 1;
        let expected = ReadError::Damaged { frame: 4, at: end, why: Fault::Order };
        assert_eq!(reads(&file).unwrap_err(), expected);
    });
}

#[test]
fn an_error_stays() {
    let mut reader = Reader::new();
    reader.push(b"SQLite format 3\0");
    assert_eq!(reader.part().unwrap_err(), ReadError::NotALog);
    reader.push(&[0; 100]);
    assert_eq!(reader.part().unwrap_err(), ReadError::NotALog);
    assert_eq!(reader.finish().unwrap_err(), ReadError::NotALog);
}

#[test]
fn another_file_is_known_by_its_first_byte_and_a_newer_format_by_name() {
    assert_eq!(reads(b"S").unwrap_err(), ReadError::NotALog);
    let newer = ReadError::UnsupportedVersion { found: 3, newest: 2 };
    assert_eq!(reads(b"\x89synclog\r\n\x1a\n\0\x03").unwrap_err(), newer);
    assert!(newer.to_string().contains("version 3") && newer.to_string().contains("up to 2"));
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_comes() {
    let error = reads(b"\x89synclog\r\n\x1a\n\0\x01\x01\xff\xff\xff\xff").unwrap_err();
    assert!(matches!(error, ReadError::Damaged { frame: 0, at: 14, why: Fault::Length { .. } }), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut file = b"\x89synclog\r\n\x1a\n\0\x01".to_vec();
        file.extend_from_slice(&bytes);
        prop_assert!(reads(&file).is_err() && reads(&bytes).is_err());
    }
}
