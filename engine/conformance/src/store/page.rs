//! How much one read gives, and that cutting changes nothing.

use syncline::Position;
use syncline::format::heads::ChainHash;
use syncline::format::run::VerifiedRun;
use syncline::limits::RUN_BYTES_MAX;
use syncline::store::{Limit, Page};

use crate::{Author, StoreHarness, Subject, appends, placed, unpack};

/// Sixty bundles of growing size by two authors, in runs of one to nine.
async fn filled(harness: &dyn StoreHarness) -> (Subject, Vec<VerifiedRun>) {
    let store = Subject::fresh(harness).await;
    let mut authors = [1, 2].map(Author::new);
    let mut written = Vec::new();
    for turn in [1, 9, 2, 8, 3, 7, 4, 6, 5, 5, 4, 6usize].into_iter().enumerate() {
        let bodies: Vec<_> = (0..turn.1).map(|index| vec![b'x'; 3 * turn.0 + 40 * index]).collect();
        written.push(authors[turn.0 % 2].write_bodies(&bodies));
    }
    for part in written.chunks(5) {
        store.commit(appends(part.to_vec())).await;
    }
    (store, written)
}

fn count(page: &Page) -> u64 {
    page.runs.iter().map(|stored| stored.run.count()).sum()
}

/// A reader with little room asks for few bundles, and must be able to stop at any of them.
pub async fn a_page_holds_at_most_as_many_bundles_as_asked(harness: &dyn StoreHarness) {
    let (store, written) = filled(harness).await;
    let all = placed(1, &written);
    for items in 1..=all.len() as u32 {
        for after in [0, 1, 5, 30, all.len() - 1] {
            let page = store.page(after as u64, Limit::items(items)).await;
            let bundles = unpack(&page.runs);
            assert!((1..=items as usize).contains(&bundles.len()), "{items} behind {after}: {}", bundles.len());
            assert_eq!(bundles, all[after..after + bundles.len()], "{items} behind {after}");
        }
    }
}

/// Memory is bounded by bytes, not by bundles; only a bundle that alone is too large goes beyond.
pub async fn a_page_holds_at_most_as_many_bytes_as_asked(harness: &dyn StoreHarness) {
    let (store, _) = filled(harness).await;
    for bytes in (0..4_000).step_by(97) {
        for after in 0..60 {
            let page = store.page(after, Limit::bytes(bytes)).await;
            let taken: usize = page.runs.iter().map(|stored| stored.run.as_bytes().len()).sum();
            assert!(taken <= bytes as usize || count(&page) == 1, "{taken} of {bytes} bytes behind {after}");
        }
    }
}

/// A page without progress would make the reader ask for ever.
pub async fn a_page_holds_at_least_one_bundle_however_small_the_limit(harness: &dyn StoreHarness) {
    let (store, written) = filled(harness).await;
    let all = placed(1, &written);
    let none = Limit { items: 0, bytes: 0 };
    for limit in [none, Limit::items(0), Limit::bytes(0), Limit::bytes(1), Limit { items: 0, ..Limit::PAGE }] {
        for after in 0..all.len() {
            let page = store.page(after as u64, limit).await;
            assert_same!(unpack(&page.runs), all[after..=after], "{limit:?} behind {after}");
        }
    }
}

/// Runs are packing: however pages cut them, every bundle keeps its bytes, place and hash.
pub async fn pages_of_any_size_give_the_same_bundles(harness: &dyn StoreHarness) {
    let (store, written) = filled(harness).await;
    let all = placed(1, &written);
    let limits = [1, 2, 3, 7, 59, 60, 61].map(Limit::items).into_iter().chain([1, 100, 1_000, 9_999].map(Limit::bytes));
    for limit in limits {
        assert_same!(store.log_after(0, limit).await, all, "{limit:?}");
    }
}

/// Readers stop at the last page: ending early loses the tail, ending late asks for ever.
pub async fn a_page_is_the_last_exactly_when_nothing_is_left(harness: &dyn StoreHarness) {
    let (store, _) = filled(harness).await;
    for after in 0..=60 {
        for limit in [Limit::items(1), Limit::items(13), Limit::bytes(500), Limit::PAGE] {
            let page = store.page(after, limit).await;
            let end = after + count(&page);
            assert_eq!((page.next, page.head), (store.cursor(end).await, Position::new(60)));
            assert_eq!(page.is_last(), end == 60, "{limit:?} behind {after}");
        }
    }
}

/// Pages are read without the log before them, so each run brings the hash that it continues.
pub async fn every_run_of_a_page_brings_the_hash_before_it(harness: &dyn StoreHarness) {
    let (store, written) = filled(harness).await;
    let all = placed(1, &written);
    for after in 0..60 {
        for stored in store.page(after, Limit::items(9)).await.runs {
            let mut before = all[..stored.position.get() as usize - 1].iter().rev();
            let before = before.find(|bundle| bundle.dot.origin == stored.run.origin());
            let expected = before.map_or(ChainHash::GENESIS, |bundle| bundle.chain);
            assert_eq!(stored.previous, expected, "run at {}", stored.position);
        }
    }
}

/// Packing neighbours together may not make a run that no decoder takes.
pub async fn no_run_of_a_page_exceeds_the_limit_of_runs(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let written: Vec<_> = (0..7).map(|_| ann.write_bodies(&[vec![b'x'; 900_000]])).collect();
    store.commit(appends(written.clone())).await;
    let page = store.page(0, Limit::items(u32::MAX)).await;
    for stored in &page.runs {
        let size = stored.run.as_bytes().len();
        assert!(size <= RUN_BYTES_MAX, "a run of {size} bytes");
    }
    assert_same!(store.log().await, placed(1, &written));
}
