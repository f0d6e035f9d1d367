//! The clock's high-water mark, without which a restart could issue a time twice.

use syncline::format::time::NTP64;
use syncline::store::WriteBatch;

use crate::{Author, StoreHarness, Subject, appends};

async fn assert_keeps_the_largest(store: &Subject, times: &[u64]) {
    let mut largest = store.status().await.clock;
    for time in times.iter().copied().map(NTP64) {
        store.commit(WriteBatch { clock: time, ..WriteBatch::default() }).await;
        largest = largest.max(time);
        assert_eq!(store.status().await.clock, largest, "after {time:?}");
    }
}

/// Commits of several tasks arrive in any order; the mark only rises.
pub async fn the_clock_keeps_the_largest_time(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    assert_keeps_the_largest(&store, &[5, 3, 0, 9, 8, 10, 9, 99, 100]).await;
}

/// Times of the years after 2036 have the highest bit set, which many backends take for a sign.
pub async fn the_clock_covers_all_64_bits(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let times = [1, (1 << 63) - 1, 1 << 63, (1 << 63) - 2, (1 << 63) + 1, u64::MAX - 1, u64::MAX, 1 << 63, 0];
    assert_keeps_the_largest(&store, &times).await;
}

/// Only what the clock has noted counts: a relay keeps bundles of clocks that it does not believe.
pub async fn the_time_of_a_bundle_does_not_move_the_clock(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let far = Author::new(1).write_timed([(NTP64(1 << 62), b"x")]);
    store.commit(WriteBatch { clock: NTP64(7), ..appends([far]) }).await;
    assert_eq!(store.status().await.clock, NTP64(7));
}
