//! What an [`Archive`] must do: keep bytes under names, per space, whole and for ever.
//!
//! ```
//! use std::sync::Arc;
//!
//! # use syncline::archive::MemoryArchive as MyArchive;
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let archive = Arc::new(MyArchive::new());
//! // Opens one archive, which is empty, as often as it is called.
//! syncline_conformance::archive::check(async || archive.clone()).await;
//! # });
//! ```

use bytes::Bytes;
use futures_util::future::{join, join_all};
use syncline::archive::{Archive, SegmentName};
use syncline::{LogId, Position, SpaceId};

use crate::{run, space};

/// Checks every law. `open` opens one archive, always the same, which is empty at first.
///
/// # Panics
/// If a law is broken.
pub async fn check<A: Archive>(open: impl AsyncFn() -> A) {
    run::patiently(async {
        let archive = open().await;
        nothing_is_there_before_it_was_put(&archive).await;
        a_segment_comes_back_byte_for_byte(&archive).await;
        a_segment_put_again_is_replaced(&archive).await;
        every_segment_is_listed_once_under_its_name(&archive).await;
        spaces_are_apart(&archive).await;
        segments_put_at_once_are_all_kept(&archive).await;
        a_reader_beside_a_writer_gets_a_whole_segment(&archive).await;
        drop(archive);
        what_was_put_is_there_when_the_archive_is_opened_again(&open().await).await;
    })
    .await;
}

fn name(after: u64, last: u64) -> SegmentName {
    named(after, last, 7)
}

fn named(after: u64, last: u64, log: u8) -> SegmentName {
    let log = LogId::from_bytes([log; 16]).expect("the number is not zero");
    SegmentName { after: Position::new(after), last: Position::new(last), log }
}

/// Bytes that differ from place to place, so that a part that is missing or moved shows.
fn bytes(seed: u8, count: usize) -> Bytes {
    (0..count).map(|at| seed ^ (at % 251) as u8).collect()
}

async fn put(archive: &dyn Archive, space: &SpaceId, name: SegmentName, bytes: &Bytes) {
    archive.put(space, name, bytes.clone()).await.expect("the archive keeps a segment");
}

async fn get(archive: &dyn Archive, space: &SpaceId, name: SegmentName) -> Option<Bytes> {
    archive.get(space, name).await.expect("the archive gives a segment")
}

async fn list(archive: &dyn Archive, space: &SpaceId) -> Vec<SegmentName> {
    let mut names = archive.list(space).await.expect("the archive lists its segments");
    names.sort();
    names
}

/// A space that was never archived is no error.
async fn nothing_is_there_before_it_was_put(archive: &dyn Archive) {
    assert_eq!(list(archive, &space("never")).await, []);
    assert_eq!(get(archive, &space("never"), name(0, 1)).await, None);
    put(archive, &space("once"), name(0, 1), &bytes(1, 9)).await;
    assert_eq!(get(archive, &space("once"), name(0, 2)).await, None, "another name");
}

/// Small and large, up to more than a segment has.
async fn a_segment_comes_back_byte_for_byte(archive: &dyn Archive) {
    for (after, count) in (0..).zip([1, 100, 65_536, 65_537, 9 << 20]) {
        let bytes = bytes(after, count);
        put(archive, &space("bytes"), name(after.into(), 1_000), &bytes).await;
        let found = get(archive, &space("bytes"), name(after.into(), 1_000)).await;
        assert!(found.as_ref() == Some(&bytes), "a segment of {count} bytes comes back as it was put");
    }
}

/// A trim that was interrupted writes its segment again.
async fn a_segment_put_again_is_replaced(archive: &dyn Archive) {
    for count in [500, 90, 2_000] {
        put(archive, &space("again"), name(0, 9), &bytes(3, count)).await;
        assert_eq!(get(archive, &space("again"), name(0, 9)).await, Some(bytes(3, count)));
        assert_eq!(list(archive, &space("again")).await, [name(0, 9)]);
    }
}

/// The end of time and the beginning, and other logs of the same places.
async fn every_segment_is_listed_once_under_its_name(archive: &dyn Archive) {
    let mut names = vec![name(0, 1), name(1, u64::MAX), name(u64::MAX - 1, u64::MAX), named(0, 1, 255), named(0, 2, 1)];
    names.extend((10..60).map(|after| name(after, after + 1)));
    names.sort();
    for (seed, name) in (0..).zip(&names) {
        put(archive, &space("names"), *name, &bytes(seed, 40)).await;
    }
    assert_same!(list(archive, &space("names")).await, names, "every segment is listed");
    for (seed, name) in (0..).zip(&names) {
        assert_eq!(get(archive, &space("names"), *name).await, Some(bytes(seed, 40)), "{name}");
    }
}

/// Also those whose names begin alike.
async fn spaces_are_apart(archive: &dyn Archive) {
    let spaces = ["apart", "apart.2", "apart-2", "apart_2", "apart2", "a"].map(space);
    for (seed, space) in (1..).zip(&spaces) {
        put(archive, space, name(0, 5), &bytes(seed, 70)).await;
        put(archive, space, name(u64::from(seed) + 5, 100), &bytes(seed, 7)).await;
    }
    for (seed, space) in (1..).zip(&spaces) {
        assert_eq!(list(archive, space).await, [name(0, 5), name(u64::from(seed) + 5, 100)], "{space}");
        assert_eq!(get(archive, space, name(0, 5)).await, Some(bytes(seed, 70)), "{space}");
    }
}

/// Several handles on one log trim it side by side.
async fn segments_put_at_once_are_all_kept(archive: &dyn Archive) {
    let (space, at_once) = (&space("at-once"), 16u8);
    let puts = (0..at_once).map(|seed| async move {
        put(archive, space, name(seed.into(), 50), &bytes(seed, 3_000)).await;
    });
    join_all(puts).await;
    for seed in 0..at_once {
        assert_eq!(get(archive, space, name(seed.into(), 50)).await, Some(bytes(seed, 3_000)));
    }
    assert_eq!(list(archive, space).await.len(), usize::from(at_once));
}

/// A person who verifies an archive while its server trims sees no damage.
async fn a_reader_beside_a_writer_gets_a_whole_segment(archive: &dyn Archive) {
    let (space, texts) = (space("beside"), [bytes(1, 300_000), bytes(2, 200_000)]);
    put(archive, &space, name(0, 9), &texts[0]).await;
    let writes = async {
        for round in 0..20 {
            put(archive, &space, name(0, 9), &texts[round % 2]).await;
        }
    };
    let reads = async {
        for _ in 0..60 {
            let found = get(archive, &space, name(0, 9)).await.expect("it is there all the time");
            assert!(texts.contains(&found), "a reader got {} bytes of two segments", found.len());
            assert_eq!(list(archive, &space).await, [name(0, 9)]);
        }
    };
    join(writes, reads).await;
}

/// `put` has returned, so it is durable.
async fn what_was_put_is_there_when_the_archive_is_opened_again(archive: &dyn Archive) {
    assert_eq!(get(archive, &space("once"), name(0, 1)).await, Some(bytes(1, 9)));
    assert_eq!(list(archive, &space("names")).await.len(), 55);
    assert_eq!(list(archive, &space("never")).await, []);
}
