//! Reading views: by pages, from either end, in the past, and as they change.

use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use syncline::authority::AllowAll;
use syncline::store::RowRange;
use syncline::{NTP64, Replica, Service, Storage as _};

use crate::world::*;

fn filled(count: usize) -> Replica {
    let clock = Hand::at(100);
    let replica = block_on(compose(memory(), &clock).open(id(1))).unwrap();
    let events: Vec<_> = (0..count).map(|number| set(&format!("{number:03}"), "x")).collect();
    block_on(replica.write(&events)).unwrap();
    replica
}

fn keys<S>(rows: Vec<(bytes::Bytes, S)>) -> Vec<String> {
    rows.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect()
}

#[test]
fn a_stream_gives_every_row_once_in_either_direction() {
    let view = filled(300).view(Pairs).unwrap();
    let expected: Vec<_> = (0..300).map(|number| format!("{number:03}")).collect();
    let read = |range: RowRange| keys(block_on(view.stream(range).try_collect::<Vec<_>>()).unwrap());
    assert_eq!(read(RowRange::all()), expected);
    let backward = read(RowRange::all().backward());
    assert_eq!(backward.iter().rev().cloned().collect::<Vec<_>>(), expected);
    assert_eq!(read(RowRange::prefix(b"29").backward()).first().unwrap(), "299");
    assert_eq!(read(RowRange::prefix(b"x")), [""; 0]);
}

#[test]
fn the_last_rows_are_read_without_those_before() {
    let view = filled(300).view(Pairs).unwrap();
    let last = view.scan(RowRange::all().backward(), syncline::store::Limit::items(2));
    assert_eq!(keys(block_on(last).unwrap()), ["299", "298"]);
}

#[test]
fn a_watcher_of_a_range_is_woken_for_its_rows_only() {
    let replica = filled(1);
    let mut changes = replica.view(Pairs).unwrap().watch(RowRange::prefix(b"a"));
    block_on(replica.write(&[set("b1", "1")])).unwrap();
    assert_eq!(changes.next().now_or_never(), None);
    block_on(replica.write(&[set("a1", "1"), set("b2", "1")])).unwrap();
    block_on(replica.write(&[set("a2", "1")])).unwrap();
    let changed = block_on(changes.next()).unwrap();
    let rows: Vec<_> = changed.rows.unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(rows, ["a1", "a2"]);
    assert_eq!(changes.next().now_or_never(), None);
}

#[test]
fn a_watcher_is_told_to_read_anew_when_its_view_is_rebuilt() {
    let replica = filled(3);
    let view = replica.view(Pairs).unwrap();
    let (mut some, mut all) = (view.watch(RowRange::prefix(b"a")), replica.watch());
    block_on(replica.rebuild(&syncline::ViewId::new("pairs@1").unwrap())).unwrap();
    assert_eq!(block_on(some.next()).unwrap().rows, None);
    assert_eq!(block_on(all.next()).unwrap().rows, None);
}

#[test]
fn a_past_state_is_asked_for_by_the_time_on_the_wall() {
    let clock = Hand::at(100);
    let replica = block_on(compose(memory(), &clock).open(id(1))).unwrap();
    let mut written = Vec::new();
    for seconds in [100, 200, 300] {
        clock.set(seconds);
        written.push(block_on(replica.write(&[set("a", &seconds.to_string())])).unwrap().time);
    }
    let view = replica.view(Pairs).unwrap();
    let value = |until: NTP64| block_on(view.state_at(until)).unwrap().remove(&b"a"[..]).map(|row| row.value);
    assert_eq!(value(NTP64(written[1].0 - 1)).as_deref(), Some("100"));
    assert_eq!(value(written[1]).as_deref(), Some("200"), "the moment itself belongs to it");
    assert_eq!(value(NTP64::parse_rfc3339("2026-11-28T12:00:00Z").unwrap()).as_deref(), Some("300"));
    assert_eq!(value(NTP64::parse_rfc3339("1970-01-01T00:00:01Z").unwrap()), None);
}

#[test]
fn catching_up_folds_what_others_have_committed_to_the_same_store() {
    let (storage, clock) = (storage(), Hand::at(100));
    let store = block_on(storage.open(&space())).unwrap();
    let beside = block_on(compose(store, &clock).shared_with_service().open(id(9))).unwrap();
    let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(clock.reader())));
    let writer = replica(1, &clock);
    for value in ["1", "2"] {
        block_on(writer.write(&[set("a", value)])).unwrap();
        block_on(writer.sync(&way(&service))).unwrap();
        block_on(beside.catch_up()).unwrap();
        assert_eq!(pairs(&beside), pairs(&writer));
    }
}
