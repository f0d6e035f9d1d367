//! A directory of the first version, written when that was the newest.

use futures_executor::block_on;
use syncline_conformance::file_store::{fill, read_all};
use syncline_conformance::{Author, Subject, appends};

use crate::directory::Place;

const V1: [(&str, &[u8]); 3] = [
    ("notes/conf", include_bytes!("../fixtures/v1/conf")),
    ("notes/db", include_bytes!("../fixtures/v1/db")),
    ("notes/syncline.lock", include_bytes!("../fixtures/v1/syncline.lock")),
];

#[test]
fn a_directory_of_version_1_reads_as_it_was_and_goes_on() {
    let (place, new) = (Place::new(), Place::new());
    place.put(&V1.map(|(name, content)| (name.into(), content.to_vec())).into());
    let (old, fresh) = (place.open(), new.open());
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
