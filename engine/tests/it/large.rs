//! Rows of any size: they converge, are read whole, and go whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use syncline::attributes::{Attribute, Attributes, Value};
use syncline::authority::AllowAll;
use syncline::format::Stamp;
use syncline::projection::{Keys, Reads};
use syncline::replica::ReplicaError;
use syncline::store::{Limit, RowRange, whole};
use syncline::{Event, EventRef, EventStore, EventType, MemoryStore, Projection, Replica, Service, Unreadable, ViewId};

use crate::world::*;

/// 190 KB of text, another for each number.
fn large(number: usize) -> Value {
    Value::string(&format!("{number:03}{}", "x".repeat(190_000))).unwrap()
}

fn tags() -> Attribute {
    Attribute::new("article/7", "pictures").unwrap()
}

fn attributes_on(byte: u8, clock: &Hand) -> Replica {
    let stack = Replica::compose(space(), memory()).clock(clock.reader()).projection(Attributes);
    block_on(stack.open(id(byte))).unwrap()
}

fn elements(replica: &Replica) -> Vec<String> {
    let row = block_on(replica.attributes().unwrap().read(&tags())).unwrap();
    row.elements().into_iter().map(|element| element[1..4].to_owned()).collect()
}

#[test]
fn a_set_that_two_devices_fill_beyond_a_stored_row_has_all_its_elements_everywhere() {
    let clock = Hand::at(100);
    let (service, one, other) = (service(&clock), attributes_on(1, &clock), attributes_on(2, &clock));
    for number in 0..12 {
        block_on(one.attributes().unwrap().insert(&tags(), large(number))).unwrap();
        block_on(other.attributes().unwrap().insert(&tags(), large(100 + number))).unwrap();
    }
    for replica in [&one, &other, &one] {
        block_on(replica.sync(&way(&service))).unwrap();
    }
    let all: Vec<_> = (0..12).chain(100..112).map(|number| format!("{number:03}")).collect();
    for replica in [&one, &other] {
        assert_eq!(elements(replica), all);
        let status = block_on(replica.status()).unwrap();
        assert!(status.in_sync(), "{status:?}");
    }
}

const NOTE: EventType = EventType::new("book.note", 1);

/// Everything that was said of a book: key, `=`, text.
struct Book;

impl Projection for Book {
    type State = Vec<(Stamp, Vec<u8>)>;

    fn view(&self) -> ViewId {
        ViewId::new("book@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([NOTE])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        if let Some(at) = event.payload.iter().position(|byte| *byte == b'=') {
            keys.push(&event.payload[..at]);
        }
    }

    fn apply(&self, _: &[u8], row: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        if let Err(at) = row.binary_search_by_key(&event.stamp, |(stamp, _)| *stamp) {
            row.insert(at, (event.stamp, event.payload.to_vec()));
        }
        Ok(())
    }
}

/// A device that keeps rows of more than 100 bytes in pieces.
fn reader_on(store: Arc<MemoryStore>, byte: u8, clock: &Hand) -> Replica {
    let stack = Replica::compose(space(), store).clock(clock.reader()).projection(Book).piece_bytes(100);
    block_on(stack.open(id(byte))).unwrap()
}

fn note(key: &str, bytes: usize) -> Event {
    Event::new(NOTE, format!("{key}={}", "n".repeat(bytes)))
}

fn all(replica: &Replica) -> BTreeMap<Bytes, usize> {
    let rows = block_on(replica.view(Book).unwrap().all(RowRange::all())).unwrap();
    rows.into_iter().map(|(key, row)| (key, row.len())).collect()
}

/// How many pieces of rows a store holds, in the view that docs/format.md names.
fn pieces(store: &MemoryStore) -> usize {
    let hash = blake3::hash(b"book@1").to_hex();
    let view = ViewId::new(&format!("syncline.pieces.{}@1", &hash[..32])).unwrap();
    block_on(store.scan(&view, RowRange::all(), Limit::items(u32::MAX))).unwrap().len()
}

#[test]
fn large_rows_are_read_whole_by_every_way_there_is() {
    let (clock, store) = (Hand::at(100), memory());
    let book = reader_on(store.clone(), 1, &clock);
    let mut last = None;
    for (key, bytes) in [("a", 10), ("b", 450), ("c", 20), ("b", 800), ("d", 101)] {
        let written = block_on(book.write(&[note(key, bytes)])).unwrap();
        last = Some(Stamp { time: written.time, origin: id(1), index: 0 }.timestamp());
    }
    let view = book.view(Book).unwrap();
    let expected = [("a", 1), ("b", 2), ("c", 1), ("d", 1)].map(|(key, notes)| (Bytes::from(key), notes));
    assert_eq!(all(&book), BTreeMap::from(expected.clone()));
    assert_eq!(block_on(view.get(b"b")).unwrap().unwrap().len(), 2);
    let until = block_on(view.state_at(last.unwrap())).unwrap();
    assert_eq!(until.into_iter().map(|(key, row)| (key, row.len())).collect::<Vec<_>>(), expected);
    // Anyone who reads the store finds whole rows, too.
    let keys = ["b", "x", "c"].map(|key| syncline::store::RowKey::new(Book.view(), key));
    let rows = block_on(whole::load(&*store, &keys)).unwrap();
    assert_eq!(rows.iter().map(|row| row.as_ref().map_or(0, Bytes::len)).collect::<Vec<_>>()[1..], [0, 50]);
    assert!(rows[0].as_ref().unwrap().len() > 1_250);
    // A page counts the bytes of whole rows.
    let scan = |bytes| block_on(view.scan(RowRange::all(), Limit::bytes(bytes))).unwrap().len();
    assert_eq!((scan(1_000), scan(5_000)), (1, 4));
    assert_eq!(block_on(store.load(&keys)).unwrap()[2], rows[2], "a small row is stored as it is");
}

#[test]
fn a_row_that_shrinks_leaves_no_pieces_behind() {
    let (clock, store) = (Hand::at(100), memory());
    let storage = storage();
    let policy =
        Service::new(storage, Arc::new(AllowAll), Arc::new(clock.reader())).with_policy(Arc::new(Forbids("n900")));
    let book = reader_on(store.clone(), 1, &clock);
    block_on(book.write(&[note("a", 20)])).unwrap();
    assert_eq!(pieces(&store), 0);
    block_on(book.write(&[Event::new(NOTE, format!("a=n900{}", "n".repeat(900)))])).unwrap();
    assert_eq!(pieces(&store), 10);
    block_on(book.sync(&way(&Arc::new(policy)))).unwrap();
    assert_eq!((pieces(&store), all(&book)), (0, BTreeMap::from([(Bytes::from("a"), 1)])));
}

#[test]
fn a_rebuild_leaves_the_same_rows_and_no_pieces_too_many() {
    let (clock, store) = (Hand::at(100), memory());
    let book = reader_on(store.clone(), 1, &clock);
    for bytes in [50, 500, 5_000] {
        block_on(book.write(&[note("a", bytes), note("b", bytes)])).unwrap();
    }
    let before = (pieces(&store), all(&book));
    block_on(book.rebuild(&Book.view())).unwrap();
    assert_eq!((pieces(&store), all(&book)), before);
    // A program that keeps larger pieces reads these, and continues with its own.
    let stack = Replica::compose(space(), store.clone()).clock(clock.reader()).projection(Book);
    let other = block_on(stack.open(id(1))).unwrap();
    assert_eq!(all(&other), before.1);
    block_on(other.write(&[note("a", 7), note("b", 7)])).unwrap();
    assert_eq!(pieces(&store), 0, "the rows fit a stored row of it");
    assert_eq!(all(&other).into_values().collect::<Vec<_>>(), [4, 4]);
}

#[test]
fn large_rows_are_healed_whole() {
    let (now, ahead) = (Hand::at(1_000), Hand::at(1_000));
    let (service, store) = (service(&now), memory());
    let (one, other) = (reader_on(store.clone(), 1, &ahead), reader_on(memory(), 2, &now));
    block_on(one.write(&[note("a", 300)])).unwrap();
    ahead.set(1_000_000);
    block_on(one.write(&[note("a", 700)])).unwrap();
    assert_eq!(block_on(one.sync(&way(&service))).unwrap().restamped, 1);
    block_on(other.sync(&way(&service))).unwrap();
    let rows = |replica: &Replica| block_on(replica.view(Book).unwrap().get(b"a")).unwrap().unwrap();
    assert_eq!(rows(&one), rows(&other));
    assert_eq!(rows(&one).len(), 2);
}

#[test]
fn rows_do_not_depend_on_where_they_are_cut() {
    let clock = Hand::at(100);
    let service = service(&clock);
    let devices: Vec<_> = (1..=3).map(|byte| reader_on(memory(), byte, &clock)).collect();
    for (device, round) in devices.iter().zip(1..) {
        for bytes in [40 * round, 130 * round, 99] {
            block_on(device.write(&[note("a", bytes), note("b", 3)])).unwrap();
        }
    }
    let stack = Replica::compose(space(), memory()).clock(clock.reader()).projection(Book);
    let whole = block_on(stack.open(id(9))).unwrap();
    for device in devices.iter().chain([&whole]).chain(&devices) {
        block_on(device.sync(&way(&service))).unwrap();
    }
    for device in &devices {
        assert_eq!(all(device), all(&whole));
        let keys = ["a", "b"].map(|key| syncline::store::RowKey::new(Book.view(), key));
        let rows = |replica: &Replica| block_on(whole::load(&**replica.store(), &keys)).unwrap();
        assert_eq!(rows(device), rows(&whole));
    }
}

/// A device whose own writes may let rows grow to 1,000 bytes.
fn small_door(store: Arc<dyn EventStore>, byte: u8, clock: &Hand) -> Replica {
    let stack = Replica::compose(space(), store).clock(clock.reader()).projection(Book);
    block_on(stack.row_bytes_max(1_000).piece_bytes(100).open(id(byte))).unwrap()
}

#[test]
fn a_write_that_would_let_a_row_grow_too_large_is_refused_alone() {
    let book = small_door(memory(), 1, &Hand::at(100));
    block_on(book.write(&[note("a", 700)])).unwrap();
    let error = block_on(book.write(&[note("b", 1), note("a", 300)])).unwrap_err();
    let ReplicaError::RowTooLarge { view, key, bytes, max: 1_000 } = &error else { panic!("{error:?}") };
    assert_eq!((view.as_str(), key.as_str()), ("book@1", "a"));
    assert!(*bytes > 1_000 && error.to_string().contains("row \"a\" of book@1 would grow to"), "{error}");
    assert_eq!(block_on(book.status()).unwrap().head.get(), 1, "nothing of it was written");
    block_on(book.write(&[note("a", 100), note("b", 1)])).unwrap();
    assert_eq!(all(&book), BTreeMap::from([(Bytes::from("a"), 2), (Bytes::from("b"), 1)]));
}

#[test]
fn of_writers_that_share_a_commit_only_those_that_do_not_fit_are_refused() {
    let book = small_door(Arc::new(Yields(memory())), 1, &Hand::at(100));
    let sizes = [300, 20, 300, 700, 25, 300, 20, 2_000, 20];
    let events: Vec<_> = sizes.iter().map(|bytes| [note("a", *bytes), note("b", 1)]).collect();
    let written = block_on(futures_util::future::join_all(events.iter().map(|events| book.write(events))));
    let refused: Vec<_> = (0..sizes.len()).filter(|index| written[*index].is_err()).collect();
    assert_eq!(refused, [3, 5, 7], "each is judged by what was written before it");
    assert!(written.iter().all(|result| matches!(result, Ok(_) | Err(ReplicaError::RowTooLarge { .. }))));
    let seqs: Vec<_> = written.iter().flatten().map(|written| written.dot.seq.get()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
    assert_eq!(all(&book), BTreeMap::from([(Bytes::from("a"), 6), (Bytes::from("b"), 6)]));
}

#[test]
fn a_row_that_others_have_let_grow_may_still_be_made_smaller() {
    let clock = Hand::at(100);
    let (service, one, other) = (service(&clock), attributes_on(1, &clock), attributes_on(2, &clock));
    let door = |replica: &Replica| {
        let stack = Replica::compose(space(), replica.store().clone()).clock(clock.reader()).projection(Attributes);
        block_on(stack.row_bytes_max(1_000_000).open(id(1))).unwrap()
    };
    let narrow = door(&one);
    for (replica, number) in [(&narrow, 1), (&narrow, 2), (&other, 3), (&other, 4)] {
        block_on(replica.attributes().unwrap().insert(&tags(), large(number))).unwrap();
    }
    let insert = |number| block_on(narrow.attributes().unwrap().insert(&tags(), large(number)));
    assert!(matches!(insert(5), Err(ReplicaError::RowTooLarge { .. })));
    for replica in [&narrow, &other, &narrow] {
        block_on(replica.sync(&way(&service))).unwrap();
    }
    assert_eq!(elements(&narrow), ["001", "002", "003", "004"]);
    assert!(matches!(insert(5), Err(ReplicaError::RowTooLarge { .. })));
    for number in [4, 3, 2] {
        block_on(narrow.attributes().unwrap().remove(&tags(), large(number))).unwrap();
    }
    insert(5).unwrap();
    for replica in [&narrow, &other, &narrow] {
        block_on(replica.sync(&way(&service))).unwrap();
        assert_eq!(block_on(replica.status()).unwrap().unreadable, 0);
    }
    assert_eq!((elements(&narrow), elements(&other)), (elements(&other), vec!["001".to_owned(), "005".to_owned()]));
}
