//! Bundles written one by one become one value.

use futures_executor::block_on;
use syncline::Position;
use syncline::store::{Limit, Rewrite, WriteBatch};
use syncline_conformance::{Author, Subject, appends, dot, placed, voids};

use crate::map::Disk;

/// Values of runs.
fn runs(disk: &Disk) -> usize {
    disk.entries().keys().filter(|key| key[..5] == [0, 0, 0, 1, 3]).count()
}

/// Values of the index of origins.
fn places(disk: &Disk) -> usize {
    disk.entries().keys().filter(|key| key[..5] == [0, 0, 0, 1, 4]).count()
}

const BODY: [u8; 150] = [7; 150];

#[test]
fn what_an_origin_writes_one_by_one_is_packed_and_reads_the_same() {
    block_on(async {
        let disk = Disk::default();
        let storage = disk.open();
        let store = Subject::open(&storage, "notes").await;
        let (mut ann, mut written) = (Author::new(1), Vec::new());
        for _ in 0..1_000 {
            written.push(ann.write_bodies(&[BODY]));
            store.commit(appends(written.last().cloned())).await;
        }
        assert!(runs(&disk) < 200, "{} runs of 1000 bundles", runs(&disk));
        assert_eq!(places(&disk), runs(&disk));
        let largest = disk.entries().values().map(|value| value.len()).max();
        assert!(largest < Some(30 * 1024) && largest > Some(25 * 1024), "{largest:?}");
        for limit in [Limit::items(7), Limit::PAGE] {
            assert_eq!(store.log_after(0, limit).await, placed(1, &written));
            let rest = store.origin(ann.origin(), 900, limit).await;
            assert_eq!(rest, placed(901, &written[900..])[..rest.len()]);
        }
        drop((store, storage));
        assert_eq!(Subject::open(&disk.open(), "notes").await.log().await, placed(1, &written));
    });
}

#[test]
fn what_two_origins_write_in_turns_stays_as_it_is() {
    block_on(async {
        let disk = Disk::default();
        let store = Subject::open(&disk.open(), "notes").await;
        let mut authors = [Author::new(1), Author::new(2)];
        for turn in 0..500 {
            store.commit(appends([authors[turn % 2].write_bodies(&[BODY])])).await;
        }
        assert_eq!(runs(&disk), 500);
    });
}

#[test]
fn packing_goes_on_within_one_batch_and_after_voids() {
    block_on(async {
        let disk = Disk::default();
        let store = Subject::open(&disk.open(), "notes").await;
        let mut ann = Author::new(1);
        let written: Vec<_> = (0..100).map(|_| ann.write_bodies(&[BODY])).collect();
        let mut expected = placed(1, &written);
        store.commit(appends(written)).await;
        let seqs = [1, 2, 50, 100];
        store.commit(voids(seqs.map(|seq| dot(&ann, seq)))).await;
        for seq in seqs {
            let placed = &mut expected[seq as usize - 1];
            placed.content = placed.content.voided();
        }
        let written: Vec<_> = (0..300).map(|_| ann.write_bodies(&[BODY])).collect();
        expected.extend(placed(101, &written));
        store.commit(appends(written)).await;
        assert!(runs(&disk) < 200, "{}", runs(&disk));
        assert_eq!(store.log().await, expected);
    });
}

#[test]
fn a_tail_that_was_rewritten_is_not_packed_with_what_was_there() {
    block_on(async {
        let disk = Disk::default();
        let store = Subject::open(&disk.open(), "notes").await;
        let mut ann = Author::new(1);
        let mut written: Vec<_> = (0..100).map(|_| ann.write_bodies(&[BODY])).collect();
        store.commit(appends(written.clone())).await;
        let after = written[49].head();
        let mut anew = Author::resume(ann.origin(), after);
        let tail = anew.write_bodies(&[BODY; 50]);
        let rewrite = Rewrite { origin: ann.origin(), after, runs: vec![(Position::new(51), tail.clone())] };
        store.commit(WriteBatch { rewrite: Some(rewrite), ..WriteBatch::default() }).await;
        written.truncate(50);
        written.push(tail);
        let more: Vec<_> = (0..400).map(|_| anew.write_bodies(&[BODY])).collect();
        store.commit(appends(more.clone())).await;
        written.extend(more);
        assert_eq!(store.log().await, placed(1, &written));
    });
}
