//! A reader's resumable place.

use syncline::store::{Limit, StoreError};
use syncline::{Cursor, Position};

use crate::{Author, StoreHarness, Subject, appends, new_log_id, placed};

pub(super) async fn assert_gone(store: &Subject, cursor: Cursor) {
    let status = store.status().await;
    let refusal = store.store().read(cursor, Limit::PAGE).await.expect_err("the cursor must be refused");
    let right = matches!(refusal, StoreError::CursorGone { cursor: theirs, log, base, head }
        if theirs == cursor && (log, base, head) == (status.log, status.base, status.head));
    assert!(right, "{cursor}: {refusal:?}");
}

/// A replaced or restored log counts again: its positions mean other bundles.
pub async fn a_cursor_of_another_log_is_refused(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let foreign = new_log_id();
    assert_gone(&store, Cursor::start(foreign)).await;
    store.commit(appends([Author::new(1).write(3)])).await;
    for position in 0..=4 {
        assert_gone(&store, Cursor { log: foreign, position: Position::new(position) }).await;
    }
}

/// Such a reader has seen bundles that this log has lost: an empty page would hide that for ever.
pub async fn a_cursor_beyond_the_head_is_refused(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    assert_gone(&store, store.cursor(1).await).await;
    store.commit(appends([Author::new(1).write(3)])).await;
    for position in [4, 5, 1 << 63, u64::MAX] {
        assert_gone(&store, store.cursor(position).await).await;
    }
}

/// Who has read everything is told so, and stays where they are.
pub async fn a_cursor_at_the_head_reads_an_empty_last_page(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    store.commit(appends([Author::new(1).write(3)])).await;
    let page = store.page(3, Limit::PAGE).await;
    assert!(page.runs.is_empty() && page.is_last(), "{page:?}");
    assert_eq!((page.next, page.head), (store.cursor(3).await, Position::new(3)));
}

/// Pages end where they are full, which is in the middle of a packed run.
pub async fn a_cursor_in_the_middle_of_a_run_reads_its_rest(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let written = [ann.write(6), bob.write(3), ann.write(2)];
    store.commit(appends(written.clone())).await;
    let all = placed(1, &written);
    for after in 0..=all.len() {
        assert_same!(store.log_after(after as u64, Limit::PAGE).await, all[after..], "behind {after}");
    }
}

/// A reader that comes back later gets what has been appended since, and nothing twice.
pub async fn a_cursor_goes_on_where_it_stopped(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let (mut read, mut written) = (Vec::new(), Vec::new());
    let mut cursor = store.cursor(0).await;
    for count in 1..=5 {
        for append in [ann.write(count), bob.write(1)] {
            written.push(append.clone());
            store.commit(appends([append])).await;
        }
        read.extend(store.read_on(&mut cursor, Limit::PAGE).await.0);
    }
    assert_same!(read, placed(1, &written));
}
