//! How far each view is folded, and starting one again.

use std::collections::BTreeMap;

use bytes::Bytes;
use syncline::Position;
use syncline::store::WriteBatch;

use crate::{Author, StoreHarness, Subject, appends, puts, view, writes};

/// A view that fell behind is caught up from its own place, not from that of another.
pub async fn progress_is_kept_for_each_view(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (todo, tags) = (view("todo@1"), view("tags@1"));
    let views = vec![(todo.clone(), Position::new(2)), (tags.clone(), Position::ZERO)];
    store.commit(WriteBatch { views, ..appends([Author::new(1).write(3)]) }).await;
    let expected = BTreeMap::from([(todo, Position::new(2)), (tags.clone(), Position::ZERO)]);
    assert_eq!(store.status().await.views, expected);
    store.commit(WriteBatch { views: vec![(tags.clone(), Position::new(3))], ..WriteBatch::default() }).await;
    assert_eq!(store.status().await.views, BTreeMap::from_iter(expected.into_iter().chain([(tags, Position::new(3))])));
}

/// A view that is rebuilt in place goes back: the log stores the progress that it is given.
pub async fn progress_is_what_was_written_last(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    for position in [3, 1, 2] {
        let views = vec![(todo.clone(), Position::new(position))];
        store.commit(WriteBatch { views, ..WriteBatch::default() }).await;
        assert_eq!(store.status().await.views[&todo], Position::new(position));
    }
}

/// A rebuild starts from nothing: one row left behind would be wrong for ever.
pub async fn clearing_a_view_removes_its_rows_and_its_progress(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    let rows: Vec<_> = (0..3_000u32).map(|number| (number.to_be_bytes(), "x")).collect();
    store.commit(WriteBatch { views: vec![(todo.clone(), Position::ZERO)], ..writes(puts(&todo, &rows)) }).await;
    store.commit(WriteBatch { clear: vec![todo.clone()], ..WriteBatch::default() }).await;
    assert_eq!(store.rows(&todo).await, []);
    assert_eq!(store.row(&todo, 7u32.to_be_bytes()).await, None);
    assert_eq!(store.status().await.views, BTreeMap::new());
}

/// The old version of a view is dropped while the new one is read.
pub async fn clearing_a_view_leaves_all_others(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let views = ["todo@1", "todo@10", "todo@2", "todo.a@1", "todo_@1", "tod@1"].map(view);
    for view in &views {
        let views = vec![(view.clone(), Position::ZERO)];
        store.commit(WriteBatch { views, ..writes(puts(view, &[("a", view.as_str())])) }).await;
    }
    store.commit(WriteBatch { clear: vec![views[0].clone()], ..WriteBatch::default() }).await;
    for view in &views[1..] {
        assert_eq!(store.row(view, "a").await, Some(Bytes::copy_from_slice(view.as_str().as_bytes())), "{view}");
    }
    assert_eq!(store.status().await.views.len(), views.len() - 1);
}

/// A rebuild clears and writes its first rows in one commit: what is written stays.
pub async fn a_cleared_view_may_be_written_in_the_same_batch(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    store.commit(writes(puts(&todo, &[("a", "old"), ("b", "old")]))).await;
    let (clear, views) = (vec![todo.clone()], vec![(todo.clone(), Position::ZERO)]);
    store.commit(WriteBatch { clear, views, ..writes(puts(&todo, &[("b", "new"), ("c", "new")])) }).await;
    assert_eq!(store.rows(&todo).await, [("b".into(), "new".into()), (Bytes::from("c"), Bytes::from("new"))]);
    assert_eq!(store.status().await.views, BTreeMap::from([(todo, Position::ZERO)]));
}

/// A rebuild of a view never folded is the same call.
pub async fn clearing_an_unknown_view_is_nothing_special(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    store.commit(writes(puts(&view("todo@1"), &[("a", "1")]))).await;
    let before = store.image(&[view("todo@1")]).await;
    store.commit(WriteBatch { clear: vec![view("never@1")], ..WriteBatch::default() }).await;
    let after = store.image(&[view("todo@1")]).await;
    assert_eq!((after.rows, after.status.views), (before.rows, before.status.views));
}
