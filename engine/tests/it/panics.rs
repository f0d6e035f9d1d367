//! A projection's code may panic: the replica continues, the event is put aside, and an own write is refused to its writer.

use std::sync::Arc;

use crate::world::*;
use syncline::projection::{Cause, Keys, Moved, Reads, RowState};
use syncline::replica::ReplicaError;
use syncline::{Event, EventRef, EventType, Projection, Replica, Unreadable, ViewId};

const ADDED: EventType = EventType::new("touchy.added", 1);

/// Keeps the words added to a row, and panics where a word tells it to.
struct Touchy;

#[derive(Debug, Clone, Default, PartialEq)]
struct Words(Vec<String>);

impl Words {
    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|known| known == word)
    }
}

impl RowState for Words {
    fn encode(&self) -> Vec<u8> {
        assert!(!self.has("encode"), "no word was expected to be `encode`");
        self.0.join("\n").into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let words = Self(String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect());
        assert!(!words.has("decode"), "no row was expected to hold `decode`");
        if words.has("layout") { Err(Unreadable::new("another layout")) } else { Ok(words) }
    }
}

impl Projection for Touchy {
    type State = Words;

    fn view(&self) -> ViewId {
        ViewId::new("touchy@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([ADDED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        match &event.payload[1..] {
            b"keys" => panic!("no key for `keys`"),
            b"loop" => loop {
                keys.push(b"again");
            },
            b"many" => (0..2_000u32).for_each(|key| keys.push(&key.to_be_bytes())),
            b"long" => keys.push(&[b'k'; 1_025]),
            _ => keys.push(&event.payload[..1]),
        }
    }

    fn apply(&self, _: &[u8], row: &mut Words, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let word = std::str::from_utf8(&event.payload[1..]).unwrap();
        if word == "unreadable" {
            return Err(Unreadable::new("x".repeat(5 << 20)));
        }
        row.0.push(word.to_owned());
        row.0.sort();
        assert!(word != "apply", "the row is half changed by now");
        Ok(())
    }

    fn moved(&self, event: &EventRef<'_>, _: &Moved) -> Option<Event> {
        assert!(!event.payload.ends_with(b"moved"), "no stamp was expected to move");
        None
    }
}

fn added(row: char, word: &str) -> Event {
    Event::new(ADDED, format!("{row}{word}"))
}

fn device(byte: u8, clock: &Hand) -> Replica {
    block_on(compose(memory(), clock).projection(Touchy).open(id(byte))).unwrap()
}

fn words(replica: &Replica, row: &str) -> Vec<String> {
    let row = block_on(replica.view(Touchy).unwrap().get(row.as_bytes())).unwrap();
    row.map(|words| words.0).unwrap_or_default()
}

const WORDS_THAT_FAIL: [&str; 6] = ["keys", "apply", "encode", "loop", "many", "long"];

#[test]
fn an_own_write_that_cannot_be_folded_is_refused_to_its_writer_and_the_next_one_works() {
    let replica = device(1, &Hand::at(100));
    for word in WORDS_THAT_FAIL {
        let error = block_on(replica.write(&[added('a', "fine"), added('a', word)])).unwrap_err();
        let ReplicaError::Unfoldable { view, index: 1, cause } = &error else { panic!("{error:?}") };
        assert_eq!(view.as_str(), "touchy@1");
        match word {
            "keys" | "apply" | "encode" => assert!(matches!(cause, Cause::Panicked(_)), "{word}: {cause:?}"),
            _ => assert!(matches!(cause, Cause::TooLarge { size, max, .. } if size > max), "{word}: {cause:?}"),
        }
    }
    block_on(replica.write(&[added('a', "good")])).unwrap();
    let status = block_on(replica.status()).unwrap();
    assert_eq!((status.head.get(), status.unreadable, words(&replica, "a")), (1, 0, vec!["good".to_owned()]));
}

#[test]
fn a_limit_that_is_exceeded_is_named_with_its_numbers() {
    let replica = device(1, &Hand::at(100));
    let message = |word| block_on(replica.write(&[added('a', word)])).unwrap_err().to_string();
    assert!(message("many").contains("row keys of one event would be 2000, the limit is 1024"), "{}", message("many"));
    assert!(message("long").contains("bytes of a row key would be 1025, the limit is 1024"), "{}", message("long"));
    assert!(message("loop").contains("row keys of one event"), "{}", message("loop"));
}

#[test]
fn of_writers_that_share_a_commit_only_the_culprit_is_refused() {
    let replica = block_on(compose(Arc::new(Yields(memory())), &Hand::at(100)).projection(Touchy).open(id(1))).unwrap();
    let events: Vec<[Event; 1]> = (0..9)
        .map(|number| match number {
            2 => [added('a', "apply")],
            5 => [added('b', "keys")],
            _ => [added('a', &format!("word {number}"))],
        })
        .collect();
    let written = block_on(futures_util::future::join_all(events.iter().map(|events| replica.write(events))));
    let refused: Vec<_> = (0..9).filter(|index| written[*index].is_err()).collect();
    assert_eq!(refused, [2, 5]);
    assert_eq!(words(&replica, "a").len(), 7);
    let seqs: Vec<_> = written.iter().flatten().map(|written| written.dot.seq.get()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6, 7], "each has a place of its own in the log, without a hole");
    assert_eq!(block_on(replica.status()).unwrap().head.get(), 7);
}

#[test]
fn a_foreign_event_that_makes_a_projection_panic_stops_neither_syncs_nor_writes() {
    let clock = Hand::at(100);
    let service = service(&clock);
    // It does not maintain the view, so that it takes any event.
    let writer = replica(1, &clock);
    for word in ["one", "keys", "apply", "two", "encode", "loop", "many", "three", "long", "unreadable"] {
        block_on(writer.write(&[added('a', word)])).unwrap();
    }
    block_on(writer.write(&[Event::new(ADDED, "")])).unwrap();
    block_on(writer.sync(&way(&service))).unwrap();
    let reader = device(2, &clock);
    block_on(reader.sync(&way(&service))).unwrap();
    assert_eq!(words(&reader, "a"), ["one", "three", "two"], "a row half changed is as it was before");
    block_on(reader.write(&[added('a', "four")])).unwrap();
    block_on(reader.sync(&way(&service))).unwrap();
    let status = block_on(reader.status()).unwrap();
    assert_eq!((status.unreadable, status.pending, status.in_sync()), (8, 0, false));
    assert_eq!(words(&reader, "a"), ["four", "one", "three", "two"]);
    block_on(reader.rebuild(&Projection::view(&Touchy))).unwrap();
    assert_eq!(words(&reader, "a"), ["four", "one", "three", "two"], "a rebuild gives the same rows");
    assert_eq!(block_on(reader.status()).unwrap().unreadable, 8);
}

#[test]
fn a_panic_while_own_events_move_does_not_stop_the_healing() {
    let (now, ahead) = (Hand::at(1_000), Hand::at(1_000_000));
    let (service, one) = (service(&now), device(1, &ahead));
    block_on(one.write(&[added('a', "moved")])).unwrap();
    block_on(one.write(&[added('a', "fine")])).unwrap();
    assert_eq!(block_on(one.sync(&way(&service))).unwrap().restamped, 2);
    assert_eq!(words(&one, "a"), ["fine", "moved"]);
}

#[test]
fn a_stored_row_that_does_not_read_back_is_folded_anew_from_the_log() {
    for damage in ["layout", "decode"] {
        let clock = Hand::at(100);
        let replica = device(1, &clock);
        block_on(replica.write(&[added('a', "one"), added('b', "two")])).unwrap();
        spoil(&replica, damage);
        let read = block_on(replica.view(Touchy).unwrap().get(b"a"));
        assert!(matches!(&read, Err(ReplicaError::Row { key, .. }) if key == "a"), "{damage}: {read:?}");
        // Another handle has written: what was kept of the row is forgotten.
        block_on(replica.sync(&way(&service(&clock)))).unwrap();
        block_on(replica.write(&[added('a', "three")])).unwrap();
        assert_eq!(
            (words(&replica, "a"), words(&replica, "b")),
            (vec!["one".into(), "three".into()], vec!["two".into()])
        );
        block_on(replica.sync(&way(&service(&clock)))).unwrap();
        let status = block_on(replica.status()).unwrap();
        assert_eq!((status.unreadable, status.views_behind), (0, 0), "{damage}");
    }
}

#[test]
fn a_row_that_the_program_itself_cannot_read_back_does_not_stop_the_replica() {
    let clock = Hand::at(100);
    let (service, one, other) = (service(&clock), device(1, &clock), device(2, &clock));
    for word in ["one", "layout"] {
        block_on(one.write(&[added('a', word)])).unwrap();
    }
    for _ in 0..3 {
        let error = block_on(one.write(&[added('a', "more")])).unwrap_err();
        assert!(matches!(error, ReplicaError::Unfoldable { cause: Cause::Row(_), .. }), "{error}");
        block_on(one.write(&[added('b', "other")])).unwrap();
        block_on(one.sync(&way(&service))).unwrap();
        block_on(other.sync(&way(&service))).unwrap();
    }
    assert_eq!((words(&one, "b").len(), words(&other, "b").len()), (3, 3));
}

/// Writes other bytes into a row, as damage does.
fn spoil(replica: &Replica, bytes: &'static str) {
    use syncline::store::{RowKey, RowWrite, WriteBatch};
    let key = RowKey::new(Projection::view(&Touchy), &b"a"[..]);
    let rows = vec![RowWrite { key, value: Some(bytes.into()) }];
    block_on(replica.store().commit(WriteBatch { rows, ..WriteBatch::default() })).unwrap();
}

#[test]
fn a_newer_version_of_an_event_is_put_aside_and_an_own_write_of_one_goes_through() {
    let clock = Hand::at(100);
    let (service, old, other) = (service(&clock), device(1, &clock), device(2, &clock));
    let newer = Event::new(EventType::new("touchy.added", 2), "anew");
    block_on(old.write(&[added('a', "one"), newer])).unwrap();
    block_on(old.sync(&way(&service))).unwrap();
    block_on(other.sync(&way(&service))).unwrap();
    for replica in [&old, &other] {
        let status = block_on(replica.status()).unwrap();
        assert_eq!((words(replica, "a"), status.unreadable, status.in_sync()), (vec!["one".into()], 1, false));
    }
}

/// Whatever it is asked for, it panics while it is told to.
#[derive(Debug)]
struct Panics<T>(T, Arc<std::sync::atomic::AtomicBool>);

impl<T> Panics<T> {
    fn check(&self) {
        assert!(!self.1.load(std::sync::atomic::Ordering::Relaxed), "it was told to");
    }
}

#[async_trait::async_trait]
impl syncline::authority::Policy for Panics<()> {
    async fn admit(
        &self,
        _: &syncline::authority::Principal,
        _: &syncline::SpaceId,
        _: &syncline::format::Bundle<'_>,
    ) -> Result<(), syncline::protocol::Refusal> {
        self.check();
        Ok(())
    }
}

fn switch(on: bool) -> Arc<std::sync::atomic::AtomicBool> {
    Arc::new(std::sync::atomic::AtomicBool::new(on))
}

#[test]
fn a_policy_that_panics_refuses_nothing_and_stops_no_pull() {
    use syncline::protocol::Code;
    let (clock, bad) = (Hand::at(100), switch(false));
    let service = syncline::Service::new(storage(), Arc::new(syncline::authority::AllowAll), Arc::new(clock.reader()));
    let service = Arc::new(service.with_policy(Arc::new(Panics((), bad.clone()))));
    let (one, other) = (replica(1, &clock), replica(2, &clock));
    block_on(other.write(&[set("a", "1")])).unwrap();
    block_on(other.sync(&way(&service))).unwrap();
    bad.store(true, std::sync::atomic::Ordering::Relaxed);
    block_on(one.write(&[set("b", "2")])).unwrap();
    let report = block_on(one.sync(&way(&service))).unwrap();
    assert!(report.stopped.is_some_and(|problem| problem.code == Code::Internal));
    assert_eq!((pairs(&one).len(), block_on(one.status()).unwrap().pending), (2, 1));
    bad.store(false, std::sync::atomic::Ordering::Relaxed);
    block_on(one.sync(&way(&service))).unwrap();
    assert!(block_on(one.status()).unwrap().in_sync());
}

#[test]
fn a_clock_that_panics_is_one_that_was_never_set() {
    let (bad, now) = (switch(false), Hand::at(100));
    let (panics, read) = (Panics((), bad.clone()), now.reader());
    let source = move || {
        panics.check();
        read()
    };
    let replica = block_on(Replica::compose(space(), memory()).clock(source).open(id(1))).unwrap();
    let before = block_on(replica.write(&[set("a", "1")])).unwrap();
    bad.store(true, std::sync::atomic::Ordering::Relaxed);
    let after = block_on(replica.write(&[set("a", "2")])).unwrap();
    assert!(after.time > before.time);
}

#[async_trait::async_trait]
#[deny(clippy::missing_trait_methods)]
impl syncline::store::EventStore for Panics<Arc<syncline::MemoryStore>> {
    syncline::store::forward!(self.0: status, read, read_origin, load, scan, changed);

    async fn commit(
        &self,
        batch: syncline::store::WriteBatch,
    ) -> Result<syncline::store::Committed, syncline::store::StoreError> {
        let committed = self.0.commit(batch).await;
        self.check();
        committed
    }

    async fn commit_folded(
        &self,
        batch: syncline::store::WriteBatch,
        fold: syncline::store::RowFold,
    ) -> Result<Option<syncline::store::Committed>, syncline::store::StoreError> {
        let committed = self.0.commit_folded(batch, fold).await;
        self.check();
        committed
    }
}

#[test]
fn a_store_that_panics_in_a_commit_leaves_the_turn_to_the_next_writer() {
    use futures_util::FutureExt as _;
    let bad = switch(false);
    let store = Arc::new(Panics(memory(), bad.clone()));
    let replica = block_on(compose(store, &Hand::at(100)).open(id(1))).unwrap();
    bad.store(true, std::sync::atomic::Ordering::Relaxed);
    let events = [set("a", "1")];
    let panic = block_on(std::panic::AssertUnwindSafe(replica.write(&events)).catch_unwind());
    assert!(panic.is_err());
    bad.store(false, std::sync::atomic::Ordering::Relaxed);
    block_on(replica.write(&[set("b", "2")])).unwrap();
    assert_eq!((pairs(&replica).len(), block_on(replica.status()).unwrap().head.get()), (2, 2), "each is there once");
}
