//! A file of the first version, written when that was the newest.

use futures_executor::block_on;
use syncline_conformance::file_store::{fill, read_all};
use syncline_conformance::{Author, Subject, appends};

use crate::file::Place;

const V1: &[u8] = include_bytes!("../fixtures/v1.redb");

#[test]
fn a_file_of_version_1_reads_as_it_was_and_goes_on() {
    let place = Place::new();
    std::fs::write(place.path(), V1).unwrap();
    let (old, new) = (place.open(), Place::new());
    let fresh = new.open();
    block_on(async {
        fill(&fresh).await;
        let (read, mut expected) = (read_all(&old).await.unwrap(), read_all(&fresh).await.unwrap());
        expected.status.log = read.status.log;
        assert!(read == expected);
        let store = Subject::open(&old, "notes").await;
        let committed = store.commit(appends([Author::new(3).write(1)])).await;
        assert_eq!(committed.head, read.status.head.plus(1));
    });
}
