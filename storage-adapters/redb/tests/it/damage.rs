//! Files that are damaged.

use futures_executor::block_on;
use syncline::StoreError;
use syncline_conformance::Image;
use syncline_conformance::file_store::{fill, read_all};

use crate::file::Place;

/// A filled file, closed, and what it says.
fn filled(place: &Place) -> (Vec<u8>, Image) {
    let storage = place.open();
    block_on(fill(&storage));
    let image = block_on(read_all(&storage)).unwrap();
    drop(storage);
    (std::fs::read(place.path()).unwrap(), image)
}

fn reread(place: &Place) -> Result<Image, StoreError> {
    block_on(read_all(&place.options().open()?))
}

fn is_typed(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { backend: "redb", .. } | StoreError::UnsupportedFormat { .. })
}

#[test]
fn a_flipped_bit_gives_an_error_or_the_data_as_it_was() {
    let place = Place::new();
    let (whole, image) = filled(&place);
    let mut errors = 0;
    // Every part of the header, and a sample of all pages.
    for at in (0..320).step_by(13).chain((4_096..whole.len()).step_by(3_701)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(place.path(), bytes).unwrap();
        match reread(&place) {
            Ok(read) => assert!(read == image, "byte {at}: other data"),
            Err(error) => {
                assert!(is_typed(&error), "byte {at}: {error:?}");
                errors += 1;
            }
        }
    }
    assert!(errors > 10, "{errors}");
}

#[test]
fn a_file_that_is_cut_off_is_an_error() {
    let place = Place::new();
    let (whole, _) = filled(&place);
    for length in [1, 8, 9, 100, 319, 320, 4_095, 4_096, 72 * 1024, whole.len() / 2, whole.len() - 1] {
        std::fs::write(place.path(), &whole[..length]).unwrap();
        let error = reread(&place).unwrap_err();
        assert!(is_typed(&error), "cut to {length}: {error:?}");
    }
}

#[test]
fn without_verification_a_damaged_value_is_found_when_it_is_read() {
    let place = Place::new();
    let (mut bytes, _) = filled(&place);
    let values = bytes.windows(200).enumerate().filter(|(_, window)| window.iter().all(|byte| *byte == b'v'));
    let starts: Vec<_> = values.map(|(at, _)| at).collect();
    assert!(starts.len() >= 12, "the rows are in the file as they are");
    starts.into_iter().for_each(|at| bytes[at + 100] = b'w');
    std::fs::write(place.path(), bytes).unwrap();
    assert!(is_typed(&place.options().open().unwrap_err()));
    let error = block_on(read_all(&place.options().verify(false).open().unwrap())).unwrap_err();
    assert!(error.to_string().contains("space notes, row"), "{error}");
}
