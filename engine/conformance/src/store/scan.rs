//! Rows by range, in the order of their keys' bytes.

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;
use syncline::store::{Limit, Row, RowRange};

use crate::{StoreHarness, Subject, deletes, puts, view, writes};

/// Keys at which byte order, text order and lengths disagree, in byte order.
const KEYS: [&[u8]; 14] =
    [b"", b"\0", b"\0\xff", b"\x01", b"A", b"a", b"a\0", b"aa", b"a\xff", b"b", b"\x7f", b"\x80", b"\xff", b"\xff\xff"];
/// Any number of rows.
const ALL: Limit = Limit::items(u32::MAX);

async fn filled(harness: &dyn StoreHarness) -> Subject {
    let store = Subject::fresh(harness).await;
    let mut rows: Vec<_> = KEYS.iter().map(|key| (*key, [&b"state of "[..], key].concat())).collect();
    rows.rotate_left(5);
    store.commit(writes(puts(&view("todo@1"), &rows))).await;
    store
}

async fn keys(store: &Subject, range: RowRange) -> Vec<Bytes> {
    store.scan(&view("todo@1"), range, ALL).await.into_iter().map(|row| row.key).collect()
}

/// Rows sort by bytes without a sign and without a locale, so that every store lists alike.
pub async fn rows_are_scanned_in_the_order_of_their_bytes(harness: &dyn StoreHarness) {
    let store = filled(harness).await;
    assert_eq!(keys(&store, RowRange::all()).await, KEYS);
    let rows = store.rows(&view("todo@1")).await;
    assert!(rows.iter().all(|(key, value)| value[..] == [b"state of ", &key[..]].concat()), "{rows:?}");
}

/// Bounds may be in or out, present or not, and need not be keys themselves.
pub async fn a_scan_keeps_its_bounds(harness: &dyn StoreHarness) {
    let store = filled(harness).await;
    let edges = || [&b""[..], b"\0", b"a", b"aZ", b"b", b"\xff", b"\xff\xff\xff"].map(Bytes::from_static);
    let bounds = || {
        let both = |edge: Bytes| [Bound::Included(edge.clone()), Bound::Excluded(edge)];
        edges().into_iter().flat_map(both).chain([Bound::Unbounded])
    };
    for start in bounds() {
        for end in bounds() {
            let range = RowRange::new(start.clone(), end.clone());
            let inside =
                |key: &&&[u8]| !range.is_empty() && (start.clone(), end.clone()).contains(&Bytes::copy_from_slice(key));
            let expected: Vec<_> = KEYS.iter().filter(inside).collect();
            assert_eq!(keys(&store, range.clone()).await, expected, "{range:?}");
        }
    }
}

/// The newest entries of a list come first: a range is read from its end, within the same bounds, and continues by pages.
pub async fn a_scan_backward_is_the_same_scan_from_its_end(harness: &dyn StoreHarness) {
    let store = filled(harness).await;
    let edges = [&b""[..], b"a", b"aZ", b"b", b"\xff\xff\xff"].map(Bytes::from_static);
    let bounds = || {
        let both = |edge: &Bytes| [Bound::Included(edge.clone()), Bound::Excluded(edge.clone())];
        edges.iter().flat_map(both).chain([Bound::Unbounded])
    };
    let all = bounds().flat_map(|start| bounds().map(move |end| RowRange::new(start.clone(), end)));
    for range in all.chain([RowRange::prefix(b"a"), RowRange::prefix(b"\xff")]) {
        let mut expected = keys(&store, range.clone()).await;
        expected.reverse();
        assert_eq!(keys(&store, range.clone().backward()).await, expected, "{range:?}");
        for limit in [Limit::items(1), Limit::items(3), Limit::bytes(30)] {
            let rows = scan_by_pages(&store, range.clone().backward(), limit, async |_| {}).await;
            assert_eq!(rows.into_iter().map(|row| row.key).collect::<Vec<_>>(), expected, "{range:?} {limit:?}");
        }
    }
}

/// An end before its start is an empty range, not a failure: callers compute both.
pub async fn a_range_that_holds_nothing_scans_empty(harness: &dyn StoreHarness) {
    let store = filled(harness).await;
    let [low, high] = [&b"a"[..], b"b"].map(Bytes::from_static);
    let none = [
        RowRange::new(Bound::Included(high.clone()), Bound::Included(low.clone())),
        RowRange::new(Bound::Excluded(low.clone()), Bound::Excluded(low.clone())),
        RowRange::new(Bound::Included(low.clone()), Bound::Excluded(low)),
        RowRange::prefix(b"c"),
        RowRange::all().after(Bytes::from_static(b"\xff\xff")),
    ];
    for range in none {
        assert_eq!(keys(&store, range.clone()).await, Vec::<Bytes>::new(), "{range:?}");
    }
    assert_eq!(store.rows(&view("other@1")).await, []);
}

/// All rows of an entity share a prefix; prefixes may end in the largest byte.
pub async fn a_prefix_scans_exactly_its_keys(harness: &dyn StoreHarness) {
    let store = filled(harness).await;
    for prefix in [&b""[..], b"\0", b"a", b"a\xff", b"\x7f", b"\xff", b"\xff\xff"] {
        let expected: Vec<_> = KEYS.iter().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(keys(&store, RowRange::prefix(prefix)).await, expected, "{prefix:?}");
    }
}

/// A scan is shorter than its limit only at the range's end: callers stop there.
pub async fn a_scan_holds_as_many_rows_as_asked(harness: &dyn StoreHarness) {
    let store = filled(harness).await;
    for items in 0..=20 {
        let rows = store.scan(&view("todo@1"), RowRange::all(), Limit::items(items)).await;
        let expected = (items.max(1) as usize).min(KEYS.len());
        assert_eq!(rows.iter().map(|row| &row.key[..]).collect::<Vec<_>>(), KEYS[..expected], "{items}");
    }
}

/// Rows may be large: a scan is bounded by bytes, too, and still makes progress.
pub async fn a_scan_holds_at_most_as_many_bytes_as_asked(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    let rows: Vec<_> = (0..20u8).map(|number| ([number], vec![b'x'; 10 * usize::from(number)])).collect();
    store.commit(writes(puts(&todo, &rows))).await;
    for bytes in (0..2_500).step_by(50) {
        let found = store.scan(&todo, RowRange::all(), Limit::bytes(bytes)).await;
        let taken: usize = found.iter().map(|row| row.key.len() + row.value.len()).sum();
        assert!(!found.is_empty() && (found.len() == 1 || taken <= bytes as usize), "{taken} of {bytes} bytes");
        assert!(found.iter().zip(&rows).all(|(found, row)| found.key[..] == row.0), "{found:?}");
    }
}

/// Reads a view page by page, and does something behind the last key of each.
async fn scan_by_pages(
    store: &Subject,
    mut range: RowRange,
    limit: Limit,
    mut between: impl AsyncFnMut(&[u8]),
) -> Vec<Row> {
    let mut all = Vec::new();
    loop {
        let page = store.scan(&view("todo@1"), range.clone(), limit).await;
        let Some(last) = page.last().map(|row| row.key.clone()) else { return all };
        assert!(range.contains(&page[0].key), "a page begins behind the last: {page:?}");
        between(&last).await;
        range = range.after(last);
        all.extend(page);
    }
}

/// A scan that continues after the last key neither repeats nor skips, wherever the page ended.
pub async fn pages_of_a_scan_join_without_repeats_or_gaps(harness: &dyn StoreHarness) {
    let store = filled(harness).await;
    for limit in [Limit::items(1), Limit::items(3), Limit::bytes(1), Limit::bytes(30), ALL] {
        let rows = scan_by_pages(&store, RowRange::all(), limit, async |_| {}).await;
        assert_eq!(rows.iter().map(|row| &row.key[..]).collect::<Vec<_>>(), KEYS, "{limit:?}");
    }
}

/// A list on a screen is read by pages while sync continues: rows that nobody touches come exactly once.
pub async fn a_scan_by_pages_under_writes_gives_untouched_rows_once(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    let kept: Vec<_> = (0..50u8).map(|number| ([2 * number], [number])).collect();
    store.commit(writes(puts(&todo, &kept))).await;
    let rows = scan_by_pages(&store, RowRange::all(), Limit::items(4), async |last| {
        let last = last[0];
        let odd = |key: u8| [key.min(97) | 1];
        store.commit(writes(puts(&todo, &[(odd(last + 9), "ahead"), (odd(last.saturating_sub(5)), "behind")]))).await;
        store.commit(writes(deletes(&todo, &[odd(last + 7)]))).await;
    })
    .await;
    let untouched: Vec<_> = rows.into_iter().filter(|row| row.key[0] % 2 == 0).map(|row| row.key).collect();
    assert_eq!(untouched, kept.iter().map(|(key, _)| Bytes::copy_from_slice(key)).collect::<Vec<_>>());
}

/// A scan ends with its view: the rows of the next one begin right behind.
pub async fn scans_of_two_views_do_not_mix(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let views = ["todo@1", "todo@10", "todo@2", "todo.a@1", "todo_@1", "tod@1"].map(view);
    for view in &views {
        store.commit(writes(puts(view, &[("", view.as_str()), ("m", view.as_str()), ("\u{ff}", view.as_str())]))).await;
    }
    for view in &views {
        let rows = store.rows(view).await;
        assert!(rows.len() == 3 && rows.iter().all(|(_, value)| value == view.as_str()), "{view}: {rows:?}");
    }
}
