//! One replica on its own.

use std::sync::Arc;

use crate::world::*;
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use syncline::replica::{Outcome, ReplicaError};
use syncline::store::{EventStore, Limit, RowRange};
use syncline::{Cursor, Position};

#[test]
fn a_write_is_in_the_log_and_in_the_rows() {
    let replica = replica(1, &Hand::at(100));
    let written = block_on(replica.write(&[set("a", "1"), set("b", "2")])).unwrap();
    assert_eq!((written.dot.origin, written.dot.seq.get()), (id(1), 1));
    assert_eq!(pairs(&replica), [("a".into(), "1".into()), ("b".into(), "2".into())].into());
    assert_eq!(block_on(replica.outcome(written.dot)).unwrap(), Outcome::Pending);
}

#[test]
fn a_write_of_nothing_is_refused_and_leaves_no_trace() {
    let replica = replica(1, &Hand::at(100));
    assert!(matches!(block_on(replica.write::<syncline::Event>(&[])), Err(ReplicaError::Invalid(_))));
    assert_eq!(block_on(replica.status()).unwrap().head, Position::ZERO);
}

#[test]
fn writers_that_wait_share_the_next_commit_and_get_bundles_of_their_own() {
    let store = Arc::new(Yields(memory()));
    let replica = block_on(compose(store, &Hand::at(100)).open(id(1))).unwrap();
    let before = block_on(replica.store().status()).unwrap().revision;
    let events: Vec<_> = (0..50).map(|number| [set(&number.to_string(), "x")]).collect();
    let written = block_on(join_all(events.iter().map(|event| replica.write(event))));
    let mut seqs: Vec<_> = written.into_iter().map(|written| written.unwrap().dot.seq.get()).collect();
    seqs.sort();
    assert_eq!(seqs, (1..=50).collect::<Vec<_>>());
    let after = block_on(replica.store().status()).unwrap();
    assert_eq!(after.head.get(), 50);
    assert!(after.revision.since(before) <= 2, "50 writes took {} commits", after.revision.since(before));
}

#[test]
fn a_write_whose_future_is_dropped_is_settled_by_the_next() {
    for polls in 1..4 {
        let store = Arc::new(Yields(memory()));
        let replica = block_on(compose(store, &Hand::at(100)).open(id(1))).unwrap();
        let (first, second) = ([set("a", "1")], [set("b", "2")]);
        let mut leader = Box::pin(replica.write(&first));
        let follower = replica.write(&second);
        let polled = (0..polls).filter(|_| (&mut leader).now_or_never().is_some()).count();
        drop(leader);
        assert_ne!(block_on(replica.status()).unwrap().pending, 0, "what may have been written is not forgotten");
        assert_eq!(polled, usize::from(polls == 3), "the commit takes three polls");
        assert_eq!(block_on(follower).unwrap().dot.seq.get(), 2, "dropped after {polls} polls");
        assert_eq!(pairs(&replica), [("a".into(), "1".into()), ("b".into(), "2".into())].into());
        assert_eq!(block_on(replica.store().status()).unwrap().head.get(), 2);
    }
}

#[test]
fn two_handles_on_one_store_write_one_history() {
    let (store, clock) = (memory(), Hand::at(100));
    let open = || block_on(compose(store.clone(), &clock).open(id(1))).unwrap();
    let (one, other) = (open(), open());
    for round in 0..5 {
        block_on(one.write(&[set("one", &round.to_string())])).unwrap();
        block_on(other.write(&[set("other", &round.to_string())])).unwrap();
    }
    assert_eq!(block_on(store.status()).unwrap().head.get(), 10);
    assert_eq!(pairs(&one), pairs(&other));
}

#[test]
fn a_reopened_replica_keeps_its_identity_and_its_clock() {
    let (store, clock) = (memory(), Hand::at(1_000_000));
    let first = block_on(compose(store.clone(), &clock).open(id(1))).unwrap();
    let early = block_on(first.write(&[set("a", "1")])).unwrap();
    clock.set(5);
    let again = block_on(compose(store, &clock).open(id(2))).unwrap();
    let late = block_on(again.write(&[set("a", "2")])).unwrap();
    assert_eq!(late.dot.origin, id(1));
    assert!(late.time > early.time, "times rise although the clock went back");
    assert_eq!(pairs(&again)["a"], "2");
}

#[test]
fn a_view_added_later_is_folded_from_the_log_before_it_is_read() {
    let (store, clock) = (memory(), Hand::at(100));
    let bare = syncline::Replica::compose(space(), store.clone()).clock(clock.reader());
    let bare = block_on(bare.open(id(1))).unwrap();
    block_on(bare.write(&[set("a", "1")])).unwrap();
    assert!(matches!(bare.view(Pairs), Err(ReplicaError::NoSuchView { .. })));
    let full = block_on(compose(store, &clock).open(id(1))).unwrap();
    assert_eq!(pairs(&full)["a"], "1");
}

#[test]
fn rebuilding_a_view_gives_the_same_rows() {
    let replica = replica(1, &Hand::at(100));
    for number in 0..20 {
        block_on(replica.write(&[set(&(number % 7).to_string(), &number.to_string())])).unwrap();
    }
    let view = replica.view(Pairs).unwrap();
    let before = block_on(view.all(RowRange::all())).unwrap();
    block_on(replica.rebuild(&syncline::ViewId::new("pairs@1").unwrap())).unwrap();
    assert_eq!(block_on(view.all(RowRange::all())).unwrap(), before);
}

#[test]
fn a_past_state_has_what_was_written_until_then() {
    let (clock, mut times) = (Hand::at(100), Vec::new());
    let replica = replica(1, &clock);
    for number in 0..5u64 {
        clock.set(100 + number);
        let written = block_on(replica.write(&[set("a", &number.to_string())])).unwrap();
        times.push(syncline::format::Timestamp::new(written.time, id(1).to_uhlc()));
    }
    let view = replica.view(Pairs).unwrap();
    let past = block_on(view.state_at(times[2])).unwrap();
    assert_eq!(past[&b"a"[..]].value, "2");
    assert_eq!(past[&b"a"[..]].stamps.len(), 3);
    for (number, time) in times.iter().enumerate() {
        let whole = block_on(view.state_at(*time)).unwrap();
        let alone = block_on(view.get_at(b"a", *time)).unwrap();
        assert_eq!(alone.as_ref(), whole.get(&b"a"[..]), "one row alone, after write {number}");
    }
    assert_eq!(block_on(view.get_at(b"a", syncline::NTP64(0))).unwrap(), None, "before the first write");
    assert_eq!(block_on(view.get_at(b"b", times[4])).unwrap(), None, "never written");
}

#[test]
fn a_watcher_sees_which_rows_changed_and_misses_none() {
    let replica = replica(1, &Hand::at(100));
    let mut changes = replica.watch();
    assert_eq!(changes.next().now_or_never(), None);
    block_on(replica.write(&[set("a", "1")])).unwrap();
    block_on(replica.write(&[set("b", "1")])).unwrap();
    let changed = block_on(changes.next()).unwrap();
    let keys: Vec<_> = changed.rows.unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!((changed.head.get(), keys), (2, vec!["a".into(), "b".into()]));
    assert_eq!(changes.next().now_or_never(), None);
}

#[test]
fn an_event_that_a_projection_cannot_read_is_counted_and_stops_nothing() {
    let replica = replica(1, &Hand::at(100));
    let broken = syncline::Event::new(SET, &b"a=\xff"[..]);
    block_on(replica.write(&[broken, set("b", "1")])).unwrap();
    assert_eq!(pairs(&replica), [("b".into(), "1".into())].into(), "no row comes of it");
    assert_eq!(block_on(replica.status()).unwrap().unreadable, 1);
}

#[test]
fn the_log_can_be_read_as_it_is() {
    let replica = replica(1, &Hand::at(100));
    block_on(replica.write(&[set("a", "1")])).unwrap();
    let log = block_on(replica.store().status()).unwrap().log;
    let page = block_on(replica.store().read(Cursor::start(log), Limit::PAGE)).unwrap();
    let bundle = page.runs[0].run.bundles().next().unwrap();
    assert_eq!(bundle.events().next().unwrap().unwrap().payload, b"a=1");
}
