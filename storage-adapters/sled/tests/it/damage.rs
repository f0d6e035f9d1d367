//! Files that are damaged.

use std::path::PathBuf;

use futures_executor::block_on;
use syncline::StoreError;
use syncline_conformance::Image;
use syncline_conformance::file_store::{fill, read_all};

use crate::directory::{Files, Place};

/// The files of a filled directory, closed, and what it says.
fn filled() -> (Files, Image) {
    let place = Place::new();
    let storage = place.open();
    block_on(fill(&storage));
    let image = block_on(read_all(&storage)).unwrap();
    drop(storage);
    (place.files(), image)
}

/// Changes one file, and reads what the directory then says.
fn reread(files: &Files, name: &PathBuf, change: impl FnOnce(&mut Vec<u8>)) -> Result<Image, StoreError> {
    let place = Place::new();
    let mut files = files.clone();
    change(files.get_mut(name).unwrap());
    place.put(&files);
    block_on(read_all(&place.options().open()?))
}

fn assert_same_or_typed(read: Result<Image, StoreError>, image: &Image, what: std::fmt::Arguments<'_>) {
    match read {
        Ok(read) => assert!(read == *image, "{what}: other data"),
        Err(StoreError::Corrupt { backend: "sled", .. } | StoreError::UnsupportedFormat { .. }) => {}
        Err(other) => panic!("{what}: {other:?}"),
    }
}

#[test]
fn a_flipped_bit_gives_an_error_or_the_data_as_it_was() {
    let (files, image) = filled();
    for (name, content) in &files {
        for at in (0..content.len()).step_by(content.len() / 60 + 1) {
            let read = reread(&files, name, |bytes| bytes[at] ^= 1 << (at % 8));
            assert_same_or_typed(read, &image, format_args!("byte {at} of {name:?}"));
        }
    }
}

#[test]
fn a_file_that_is_cut_off_gives_an_error_or_the_data_as_it_was() {
    let (files, image) = filled();
    for (name, content) in &files {
        for length in (0..content.len()).step_by(content.len() / 20 + 1) {
            let read = reread(&files, name, |bytes| bytes.truncate(length));
            assert_same_or_typed(read, &image, format_args!("{length} bytes of {name:?}"));
        }
    }
}

#[test]
fn a_log_that_lost_its_last_write_is_noticed() {
    let (files, _) = filled();
    let log = PathBuf::from("notes/db");
    let error = reread(&files, &log, |bytes| bytes.truncate(bytes.len() - 1)).unwrap_err();
    assert!(error.to_string().contains("sled gives back 14 of 15 writes"), "{error}");
}
