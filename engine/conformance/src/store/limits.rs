//! What the limits allow passes; one byte more does not.

use bytes::Bytes;
use syncline::limits::{BODY_BYTES_MAX, KEY_BYTES_MAX, ROW_BYTES_MAX, RUN_BYTES_MAX, SPACE_BYTES_MAX, VIEW_BYTES_MAX};
use syncline::store::StoreError;

use crate::{Author, StoreHarness, Subject, appends, deletes, placed, puts, row_key, view, writes};

async fn assert_too_large(store: &Subject, batch: syncline::store::WriteBatch, got: usize, limit: usize) {
    let refusal = store.refusal(batch).await;
    let right = matches!(refusal, StoreError::TooLarge { size, max, .. } if (size, max) == (got, limit));
    assert!(right, "{got} of {limit}: {refusal:?}");
}

/// One photograph as a bundle is the largest there is.
pub async fn the_largest_body_passes(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let written = [ann.write(1), ann.write_bodies(&[vec![0xa5; BODY_BYTES_MAX]]), ann.write(1)];
    store.commit(appends(written.clone())).await;
    assert_same!(store.log().await, placed(1, &written));
}

/// A full run is what a bootstrap consists of.
pub async fn the_largest_run_passes(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let full = ann.write_bodies(&[vec![1; BODY_BYTES_MAX], vec![2; BODY_BYTES_MAX - 1_000]]);
    assert!(full.run().as_bytes().len() > RUN_BYTES_MAX - 1_100);
    store.commit(appends([full.clone(), ann.write(1)])).await;
    assert_same!(store.log().await[..2], placed(1, [&full]));
}

/// Half a key is another key: backends that cut long keys must refuse them.
pub async fn the_longest_key_passes_and_one_byte_more_does_not(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    let longest = [vec![0xff; KEY_BYTES_MAX], [vec![0xff; KEY_BYTES_MAX - 1], vec![0xfe]].concat()];
    let rows: Vec<_> = longest.iter().enumerate().map(|(index, key)| (key, index.to_string())).collect();
    store.commit(writes(puts(&todo, &rows))).await;
    for (key, value) in &rows {
        assert_eq!(store.row(&todo, key).await.as_deref(), Some(value.as_bytes()));
    }
    let longer = vec![0xff; KEY_BYTES_MAX + 1];
    assert_too_large(&store, writes(puts(&todo, &[(&longer, "x")])), KEY_BYTES_MAX + 1, KEY_BYTES_MAX).await;
    assert_too_large(&store, writes(deletes(&todo, &[&longer])), KEY_BYTES_MAX + 1, KEY_BYTES_MAX).await;
    assert_eq!(store.rows(&todo).await.len(), 2);
}

/// A row may hold a whole document.
pub async fn the_largest_row_passes_and_one_byte_more_does_not(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    let largest = vec![0x5a; ROW_BYTES_MAX];
    store.commit(writes(puts(&todo, &[("a", &largest)]))).await;
    let larger = writes(puts(&todo, &[("a", vec![0; ROW_BYTES_MAX + 1])]));
    assert_too_large(&store, larger, ROW_BYTES_MAX + 1, ROW_BYTES_MAX).await;
    assert!(store.row(&todo, "a").await.is_some_and(|row| row == largest), "the row is as it was");
}

/// A row of a projection that is larger than a store's is kept in such pieces, written and read at once.
pub async fn many_of_the_largest_rows_pass_in_one_batch_and_one_load(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let pieces = view("pieces@1");
    let rows: Vec<_> = (1..=5).map(|piece| (vec![piece; KEY_BYTES_MAX], vec![piece; ROW_BYTES_MAX])).collect();
    store.commit(writes(puts(&pieces, &rows))).await;
    let keys: Vec<_> = rows.iter().map(|(key, _)| row_key(&pieces, key)).collect();
    let loaded = store.load(&keys).await;
    let whole = |(found, (_, piece)): (&Option<Bytes>, &(_, Vec<u8>))| found.as_ref().is_some_and(|row| row == piece);
    assert!(loaded.len() == rows.len() && loaded.iter().zip(&rows).all(whole), "every row is whole");
}

/// A page of a chatty space is thousands of runs of one bundle.
pub async fn many_runs_pass_in_one_batch(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut authors: Vec<_> = (1..=100).map(Author::new).collect();
    let written: Vec<_> = (0..5_000).map(|turn| authors[turn % 100].write(1)).collect();
    store.commit(appends(written.clone())).await;
    assert_same!(store.log().await, placed(1, &written));
    assert_eq!(store.status().await.heads.len(), 100);
}

/// Names at their limits are names; schemas that allow less would mix them up.
pub async fn the_longest_names_pass(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let space = |last: char| format!("{}{last}", "s".repeat(SPACE_BYTES_MAX - 1));
    let long_view = |last: char| view(&format!("{}{last}@1", "v".repeat(VIEW_BYTES_MAX - 3)));
    for name in ['a', 'b'] {
        let store = Subject::open(&*storage, &space(name)).await;
        for view in ['a', 'b'] {
            store.commit(writes(puts(&long_view(view), &[("k", format!("{name}{view}"))]))).await;
        }
    }
    for name in ['a', 'b'] {
        let store = Subject::open(&*storage, &space(name)).await;
        for view in ['a', 'b'] {
            assert_eq!(store.row(&long_view(view), "k").await, Some(format!("{name}{view}").into()));
        }
    }
}
