use std::sync::Mutex;

use futures_executor::block_on;
use futures_util::FutureExt as _;

use super::*;
use crate::MemoryStore;
use crate::id::LogId;
use crate::store::{WriteBatch, forward};

fn store() -> MemoryStore {
    MemoryStore::new(LogId::from_bytes([1; 16]).unwrap())
}

fn view() -> ViewId {
    ViewId::new("todo@1").unwrap()
}

fn key(key: &str) -> RowKey {
    RowKey::new(view(), key.to_owned())
}

/// Writes rows, in pieces of ten bytes.
fn put(store: &MemoryStore, rows: &[(&str, Option<&[u8]>)]) {
    let keys: Vec<_> = rows.iter().map(|(name, _)| key(name)).collect();
    let old = stubs(&keys, &at_once(store.load(&keys)).unwrap()).unwrap();
    let row =
        |(name, value): &(&str, Option<&[u8]>)| RowWrite { key: key(name), value: value.map(Bytes::copy_from_slice) };
    let rows = writes(rows.iter().map(row).collect(), &old, 10);
    at_once(store.commit(WriteBatch { rows, ..WriteBatch::default() })).unwrap();
}

/// What a store in memory answers without waiting.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().unwrap()
}

fn pieces_of(store: &MemoryStore) -> Vec<Row> {
    block_on(store.scan(&pieces_view(&view()), RowRange::all(), Limit::items(u32::MAX))).unwrap()
}

fn loaded(store: &dyn EventStore, name: &str) -> Result<Option<Bytes>, StoreError> {
    block_on(load(store, &[key(name)])).map(|mut rows| rows.remove(0))
}

#[test]
fn rows_around_the_size_of_a_piece_read_back_and_small_ones_are_stored_as_they_are() {
    for size in [0, 1, 9, 10, 11, 19, 20, 21, 100] {
        let (store, value) = (store(), vec![7; size]);
        put(&store, &[("a", Some(&value))]);
        assert_eq!(loaded(&store, "a").unwrap().as_deref(), Some(&value[..]), "{size} bytes");
        let expected = if size > 10 { size.div_ceil(10) } else { 0 };
        assert_eq!(pieces_of(&store).len(), expected, "{size} bytes");
        assert!(pieces_of(&store).iter().all(|piece| piece.value.len() <= 10));
    }
}

#[test]
fn a_row_that_looks_like_a_stub_is_not_taken_for_one() {
    let stub = Stub::of(&[1; 35], 10).to_bytes();
    for value in [&MARK[..], &stub, &[&stub[..], b"more"].concat()] {
        let store = store();
        put(&store, &[("a", Some(value))]);
        assert_eq!(loaded(&store, "a").unwrap().as_deref(), Some(value));
    }
}

#[test]
fn rows_whose_keys_are_prefixes_of_each_other_keep_their_pieces_apart() {
    let store = store();
    let long = "k".repeat(crate::limits::KEY_BYTES_MAX);
    put(&store, &[("", Some(&[0; 25])), ("k", Some(&[1; 35])), ("kk", Some(&[2; 45])), (&long, Some(&[3; 55]))]);
    put(&store, &[("k", None)]);
    let found = ["", "k", "kk", &long].map(|name| loaded(&store, name).unwrap().map(|row| (row[0], row.len())));
    assert_eq!(found, [Some((0, 25)), None, Some((2, 45)), Some((3, 55))]);
    assert_eq!(pieces_of(&store).len(), 3 + 5 + 6);
}

#[test]
fn a_row_that_shrinks_or_goes_takes_its_pieces_along() {
    let store = store();
    for (size, pieces) in [(95, 10), (41, 5), (100, 10), (10, 0), (30, 3)] {
        put(&store, &[("a", Some(&vec![1; size]))]);
        assert_eq!(pieces_of(&store).len(), pieces, "{size} bytes");
    }
    put(&store, &[("a", None)]);
    assert_eq!((pieces_of(&store).len(), loaded(&store, "a").unwrap()), (0, None));
}

#[test]
fn pieces_that_are_not_those_of_the_row_are_damage_and_not_a_row() {
    for change in [None, Some(Bytes::from("other")), Some(Bytes::from("1111111112"))] {
        let store = store();
        put(&store, &[("a", Some(&[b'1'; 30]))]);
        let first = pieces_of(&store).remove(1).key;
        let rows = vec![RowWrite { key: RowKey::new(pieces_view(&view()), first), value: change }];
        block_on(store.commit(WriteBatch { rows, ..WriteBatch::default() })).unwrap();
        assert!(matches!(loaded(&store, "a"), Err(StoreError::Corrupt { .. })));
    }
}

#[test]
fn a_page_counts_whole_rows() {
    let store = store();
    put(&store, &[("a", Some(&[0; 5])), ("b", Some(&[1; 250])), ("c", Some(&[2; 5])), ("d", Some(&[3; 500]))]);
    let page = |limit| block_on(scan(&store, &view(), RowRange::all(), limit)).unwrap();
    let keys = |limit| page(limit).into_iter().map(|row| row.key[0] as char).collect::<String>();
    assert_eq!([1, 256, 257, 263, 764].map(|bytes| keys(Limit::bytes(bytes))), ["a", "a", "ab", "abc", "abcd"]);
    assert_eq!(keys(Limit::items(3)), "abc");
    assert_eq!(page(Limit::items(9)).iter().map(|row| row.value.len()).collect::<Vec<_>>(), [5, 250, 5, 500]);
}

/// A store that somebody changes just after the first time a row was read.
#[derive(Debug)]
struct Changes(MemoryStore, Mutex<Option<Change>>);

type Change = fn(&MemoryStore);

impl Changes {
    fn change(&self) {
        if let Some(change) = self.1.lock().unwrap().take() {
            change(&self.0);
        }
    }
}

#[async_trait::async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Changes {
    forward!(self.0: status, read, read_origin, commit, commit_folded, changed);

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let loaded = self.0.load(keys).await;
        self.change();
        loaded
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        let rows = self.0.scan(view, range, limit).await;
        self.change();
        rows
    }
}

#[test]
fn a_row_that_changes_while_it_is_read_is_read_as_it_is_then() {
    let changes: [(Change, Option<usize>); 4] = [
        (|store| put(store, &[("a", Some(&[2; 35]))]), Some(35)),
        (|store| put(store, &[("a", Some(&[2; 350]))]), Some(350)),
        (|store| put(store, &[("a", Some(&[2; 5]))]), Some(5)),
        (|store| put(store, &[("a", None)]), None),
    ];
    for (change, expected) in changes {
        let store = store();
        put(&store, &[("a", Some(&[1; 35])), ("b", Some(&[3; 50]))]);
        let changing = Changes(store, Mutex::new(Some(change)));
        let row = loaded(&changing, "a").unwrap();
        assert_eq!(row.as_ref().map(Bytes::len), expected);
        assert!(row.iter().all(|row| row.iter().all(|byte| *byte == 2)));
    }
}

#[test]
fn a_page_whose_only_row_goes_while_it_is_read_is_not_taken_for_the_end() {
    let store = store();
    put(&store, &[("a", Some(&[1; 35])), ("b", Some(&[3; 50]))]);
    let changing = Changes(store, Mutex::new(Some(|store| put(store, &[("a", None)]))));
    let rows = block_on(scan(&changing, &view(), RowRange::all(), Limit::bytes(1))).unwrap();
    assert_eq!(rows, [Row { key: "b".into(), value: vec![3; 50].into() }]);
}
