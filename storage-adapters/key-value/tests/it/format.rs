//! Whose map it is, of which version, and that a version stays what it is.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_executor::block_on;
use syncline::StoreError;

use crate::map::{Disk, Entries};
use crate::script;

const FORMAT: [u8; 5] = [0; 5];
/// Version 1 with the script's spaces and nothing in them, and after the script.
const V1_EMPTY: &str = include_str!("../fixtures/v1-empty.txt");
const V1: &str = include_str!("../fixtures/v1.txt");
/// The same of version 2, and after the script its first space is trimmed.
const V2_EMPTY: &str = include_str!("../fixtures/v2-empty.txt");
const V2: &str = include_str!("../fixtures/v2.txt");

/// Keys and values, a line each.
fn parse(listing: &str) -> Entries {
    let bytes = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
    let entry = |line: &str| {
        let (key, value) = line.split_once(' ').unwrap();
        (bytes(key), Bytes::from(bytes(value)))
    };
    listing.lines().map(entry).collect()
}

fn print(entries: &Entries) -> String {
    let line = |(key, value): (&Vec<u8>, &Bytes)| format!("{} {}\n", HEXLOWER.encode(key), HEXLOWER.encode(value));
    entries.iter().map(line).collect()
}

/// What a map is refused for, which it must outlive unchanged.
fn found(entries: Entries) -> String {
    let disk = Disk::with(entries.clone());
    let error = disk.try_open().unwrap_err();
    assert_eq!((disk.entries(), disk.counts().open), (entries, 0));
    match error {
        StoreError::UnsupportedFormat { what, found, newest: 2 } if what == "a map" => found,
        other => panic!("{other}"),
    }
}

#[test]
fn a_new_map_carries_our_mark_and_its_version() {
    let disk = Disk::default();
    disk.open();
    let entries = disk.entries();
    assert!(entries[&FORMAT[..]].starts_with(b"syncline\0\0\0\x02"));
    disk.open();
    assert_eq!(disk.entries(), entries);
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let disk = Disk::default();
    disk.open();
    for (version, name) in [(3u32, "3"), (99, "99"), (u32::MAX, "4294967295"), (0, "0")] {
        let mut entries = disk.entries();
        // Whatever follows: a later format may have another checksum, or none.
        let value = [&b"syncline"[..], &version.to_be_bytes(), b"and more"].concat();
        entries.insert(FORMAT.to_vec(), value.into());
        assert_eq!(found(entries), name);
    }
}

#[test]
fn a_map_of_another_program_is_left_alone() {
    let theirs = [&b"theirs"[..], b"", b"\0", b"\0\0\0\0\0\0", b"\xff\xff\xff\xfe"];
    for key in theirs {
        assert!(found([(key.to_vec(), Bytes::from("data"))].into()).contains("another program"), "{key:?}");
    }
    let mark = |value: &'static [u8]| found([(FORMAT.to_vec(), Bytes::from(value))].into());
    assert!([&b""[..], b"syncline", b"synclime\0\0\0\x01"].into_iter().all(|value| mark(value).contains("another")));
}

#[test]
fn what_version_1_wrote_reads_as_it_was() {
    let fresh = Disk::default().open();
    let (fixture, disk) = (Disk::with(parse(V1)).open(), &fresh);
    block_on(async {
        script::run(disk).await;
        let mut expected = script::images(disk).await;
        for (image, byte) in expected.iter_mut().zip([0xa1, 0xa2]) {
            image.status.log = syncline::LogId::from_bytes([byte; 16]).unwrap();
        }
        assert_eq!(script::images(&fixture).await, expected);
    });
}

#[test]
fn version_1_is_brought_up_to_date_when_it_is_opened() {
    let disk = Disk::with(parse(V1_EMPTY));
    disk.open();
    assert_eq!(print(&disk.entries()), V2_EMPTY);
    let disk = Disk::with(parse(V1));
    block_on(script::trim(&disk.open()));
    assert_eq!(print(&disk.entries()), V2);
}

#[test]
fn version_2_is_written_as_it_was() {
    let disk = Disk::with(parse(V2_EMPTY));
    let storage = disk.open();
    block_on(async {
        script::run(&storage).await;
        script::trim(&storage).await;
    });
    assert_eq!(print(&disk.entries()), V2);
}
