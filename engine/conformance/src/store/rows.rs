//! Rows by key.

use bytes::Bytes;
use syncline::store::{RowKey, WriteBatch};

use crate::{StoreHarness, Subject, deletes, puts, row_key, view, writes};

/// A fold reads back the state that it wrote, an empty one included.
pub async fn a_row_reads_back_as_written(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    let every_byte: Vec<u8> = (0..=255).collect();
    let rows = [("empty", vec![]), ("zero", vec![0]), ("every", every_byte), ("text", b"null".to_vec())];
    store.commit(writes(puts(&todo, &rows))).await;
    for (key, value) in rows {
        assert_eq!(store.row(&todo, key).await, Some(value.into()), "{key}");
    }
}

/// "No row" and "an empty row" are two things: the first is a fold's beginning.
pub async fn an_absent_row_is_none(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    assert_eq!(store.row(&todo, "a").await, None);
    store.commit(writes(puts(&todo, &[("a", "")]))).await;
    assert_eq!(store.row(&todo, "a").await, Some(Bytes::new()));
    assert_eq!(store.row(&todo, "b").await, None);
    assert_eq!(store.row(&todo, "").await, None);
}

/// A row is its last state, whatever its size was before.
pub async fn a_later_write_replaces_a_row(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    for value in ["one", "", "a longer state than before", "x"] {
        store.commit(writes(puts(&todo, &[("a", value)]))).await;
        assert_eq!(store.rows(&todo).await, [(Bytes::from("a"), Bytes::from(value))]);
    }
}

/// A deleted row is absent, may come again, and deleting what is not there is nothing special.
pub async fn a_deleted_row_is_absent(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    store.commit(writes(puts(&todo, &[("a", "1"), ("b", "2")]))).await;
    store.commit(writes(deletes(&todo, &["a", "never"]))).await;
    assert_eq!(store.row(&todo, "a").await, None);
    assert_eq!(store.rows(&todo).await, [(Bytes::from("b"), Bytes::from("2"))]);
    store.commit(writes(puts(&todo, &[("a", "3")]))).await;
    assert_eq!(store.row(&todo, "a").await, Some("3".into()));
}

/// Answers carry no keys: their order alone says which is which.
pub async fn rows_are_answered_in_the_order_asked(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (todo, tags) = (view("todo@1"), view("tags@1"));
    let rows = [puts(&todo, &[("a", "1"), ("b", "2"), ("c", "3")]), puts(&tags, &[("b", "4")])].concat();
    store.commit(writes(rows)).await;
    let asked = [(&todo, "c"), (&tags, "b"), (&todo, "x"), (&todo, "a"), (&todo, "c"), (&tags, "a"), (&todo, "b")];
    let keys: Vec<RowKey> = asked.iter().map(|(view, key)| row_key(view, key)).collect();
    let expected = [Some("3"), Some("4"), None, Some("1"), Some("3"), None, Some("2")];
    assert_eq!(store.load(&keys).await, expected.map(|value| value.map(Bytes::from)));
    assert_eq!(store.load(&[]).await, Vec::<Option<Bytes>>::new());
}

/// Keys are bytes, not text: none is a prefix, an end, or a wildcard for another.
pub async fn keys_of_any_bytes_are_kept_apart(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    let keys: [&[u8]; 16] = [
        b"",
        b"\0",
        b"\0\0",
        b"\0\xff",
        b"\x01",
        b"a",
        b"a\0",
        b"a\0b",
        b"A",
        b"a ",
        b"%",
        b"_",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xff\xff",
    ];
    let rows: Vec<_> = keys.iter().enumerate().map(|(index, key)| (key, index.to_string())).collect();
    store.commit(writes(puts(&todo, &rows))).await;
    for (key, value) in &rows {
        assert_eq!(store.row(&todo, key).await.as_deref(), Some(value.as_bytes()), "{key:?}");
    }
    for (index, key) in keys.iter().enumerate() {
        store.commit(writes(deletes(&todo, &[key]))).await;
        assert_eq!(store.rows(&todo).await.len(), keys.len() - index - 1, "{key:?}");
    }
}

/// Two views may well use the same keys, and views whose names begin alike are as far apart as any.
pub async fn one_key_of_two_views_is_two_rows(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let views = ["todo@1", "todo@10", "todo@2", "todo.a@1", "tod@1"].map(view);
    for (index, view) in views.iter().enumerate() {
        store.commit(writes(puts(view, &[("a", index.to_string())]))).await;
    }
    for (index, view) in views.iter().enumerate() {
        assert_eq!(store.row(view, "a").await, Some(index.to_string().into()), "{view}");
    }
    store.commit(writes(deletes(&views[0], &["a"]))).await;
    assert_eq!(store.row(&views[0], "a").await, None);
    assert_eq!(store.row(&views[1], "a").await, Some("1".into()));
}

/// A bootstrap folds pages of many thousand events: more keys than one statement takes parameters.
pub async fn many_rows_pass_in_one_batch_and_one_load(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    let rows: Vec<_> = (0..40_000u32).map(|number| (number.to_be_bytes(), number.to_le_bytes())).collect();
    store.commit(writes(puts(&todo, &rows))).await;
    let keys: Vec<_> = rows.iter().rev().map(|(key, _)| row_key(&todo, key)).collect();
    let loaded = store.load(&keys).await;
    let right = loaded.iter().zip(rows.iter().rev()).all(|(value, row)| value.as_deref() == Some(&row.1[..]));
    assert!(right && loaded.len() == rows.len(), "{} rows came back", loaded.len());
    let batch =
        WriteBatch { rows: deletes(&todo, &rows.iter().map(|row| row.0).collect::<Vec<_>>()), ..writes(vec![]) };
    store.commit(batch).await;
    assert_eq!(store.rows(&todo).await, []);
}
