//! A replica that trims its log goes on as one that keeps it, and says what it can no longer do.

use std::sync::{Arc, Mutex};

use crate::world::*;
use async_trait::async_trait;
use syncline::authority::AllowAll;
use syncline::projection::{Keys, Reads};
use syncline::replica::{Hold, Outcome, ReplicaError, SyncError, TrimPlan};
use syncline::store::{Committed, EventStore, Limit, Row, RowRange, StoreError, WriteBatch, forward};
use syncline::{
    Dot, Event, EventRef, EventType, MemoryStore, NTP64, Position, Projection, Replica, Service, Storage, Unreadable,
    ViewId,
};

mod properties;

fn open(store: Arc<dyn EventStore>, byte: u8, clock: &Hand) -> Replica {
    block_on(compose(store, clock).checkpoint_every(0).piece_bytes(40).on_fork(|| id(77)).open(id(byte))).unwrap()
}

/// A service that refuses what says "secret".
fn strict(clock: &Hand) -> Arc<Service> {
    let reader = Arc::new(clock.reader());
    Arc::new(Service::new(storage(), Arc::new(AllowAll), reader).with_policy(Arc::new(Forbids("secret"))))
}

fn write(replica: &Replica, key: &str, value: &str) -> Dot {
    block_on(replica.write(&[set(key, value)])).unwrap().dot
}

fn sync(replica: &Replica, service: &Arc<Service>) {
    block_on(replica.sync(&way(service))).unwrap();
}

fn trim(replica: &Replica, keep: u64) -> TrimPlan {
    block_on(replica.trim(keep)).unwrap()
}

fn rows(replica: &Replica) -> Vec<Row> {
    let view = Pairs.view();
    block_on(syncline::store::whole::scan(&**replica.store(), &view, RowRange::all(), Limit::items(u32::MAX))).unwrap()
}

fn base(replica: &Replica) -> u64 {
    block_on(replica.status()).unwrap().base.get()
}

/// A replica with these bundles of its own, all of them at the service.
fn written(byte: u8, bundles: u32, service: &Arc<Service>, clock: &Hand) -> Replica {
    let replica = open(memory(), byte, clock);
    for number in 0..bundles {
        write(&replica, &(number % 3).to_string(), &number.to_string());
    }
    sync(&replica, service);
    replica
}

#[test]
fn a_trim_deletes_all_but_what_is_kept_and_the_last_bundle_that_a_peer_has_answered_for() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let one = written(1, 20, &service, &clock);
    let before = rows(&one);
    let planned = block_on(one.plan_trim(5)).unwrap();
    assert_eq!((planned.to, &planned.bounds[0].hold), (Position::ZERO, &Hold::Checkpoint), "there is none yet");
    assert_eq!(trim(&one, 5).to, Position::new(15));
    assert_eq!((base(&one), rows(&one)), (15, before));
    let last = trim(&one, 0);
    assert_eq!(last.to, Position::new(19));
    assert_eq!(last.bounds[0].hold, Hold::Own(Dot { origin: id(1), seq: syncline::Seq::new(20) }));
    assert_eq!(trim(&one, 0).bundles(), 0, "nothing is left to trim");
}

/// Notes up to where each commit trims.
#[derive(Debug)]
struct NotesTrims(Arc<MemoryStore>, Mutex<Vec<u64>>);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for NotesTrims {
    forward!(self.0: status, read, read_origin, load, scan, commit_folded, changed);

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        self.1.lock().unwrap().extend(batch.trim.map(Position::get));
        self.0.commit(batch).await
    }
}

#[test]
fn a_long_log_is_trimmed_in_steps_so_that_no_writer_waits_for_long() {
    let clock = Hand::at(100);
    let (service, store) = (strict(&clock), Arc::new(NotesTrims(memory(), Mutex::default())));
    let one = open(store.clone(), 1, &clock);
    for number in 0..5_000 {
        write(&one, &number.to_string(), "x");
    }
    sync(&one, &service);
    let done = trim(&one, 0);
    assert_eq!((done.base, done.bundles()), (Position::ZERO, 4_999));
    assert_eq!(*store.1.lock().unwrap(), [4_096, 4_999]);
}

#[test]
fn what_is_pending_or_folded_by_others_is_not_trimmed_and_the_plan_names_it() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let one = written(1, 10, &service, &clock);
    block_on(one.checkpoint()).unwrap();
    for number in 0..10 {
        write(&one, "later", &number.to_string());
    }
    let plan = trim(&one, 0);
    assert_eq!((plan.to, plan.head), (Position::new(9), Position::new(20)));
    let holds: Vec<_> = plan.bounds.iter().map(|bound| (bound.at.get(), bound.hold.to_string())).collect();
    let own = Dot { origin: id(1), seq: syncline::Seq::new(10) };
    assert_eq!(
        holds,
        [
            (9, format!("pushes begin at own bundle {own}")),
            (10, "rows are folded again from the checkpoint on".to_owned()),
            (20, "the newest bundles are to be kept".to_owned()),
        ]
    );
    sync(&one, &service);
    assert_eq!(block_on(one.status()).unwrap().pending, 0);
}

#[test]
fn a_sync_trims_by_itself_if_it_is_told_how_much_to_keep() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let one = block_on(compose(memory(), &clock).checkpoint_every(8).keep_bundles(3).open(id(1))).unwrap();
    for number in 0..20 {
        write(&one, "a", &number.to_string());
        sync(&one, &service);
    }
    assert_eq!(base(&one), 13, "at the checkpoint of bundle 16");
    assert_eq!(pairs(&one)["a"], "19");
}

#[test]
fn a_store_that_a_service_shares_is_not_trimmed_without_a_snapshot() {
    let clock = Hand::at(100);
    let store = memory();
    let one = block_on(compose(store, &clock).shared_with_service().open(id(1))).unwrap();
    write(&one, "a", "1");
    let plan = trim(&one, 0);
    assert_eq!(plan.bundles(), 0);
    assert!(plan.bounds.iter().any(|bound| bound.hold == Hold::Snapshot(None)), "{plan:?}");
}

#[test]
fn a_refusal_after_a_trim_takes_back_what_was_refused_and_nothing_else() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let one = written(1, 20, &service, &clock);
    trim(&one, 0);
    write(&one, "1", "behind");
    let refused = write(&one, "1", "secret");
    let new = write(&one, "new", "secret");
    sync(&one, &service);
    for dot in [refused, new] {
        assert!(matches!(block_on(one.outcome(dot)).unwrap(), Outcome::Refused(_)));
    }
    let fresh = open(memory(), 9, &clock);
    sync(&fresh, &service);
    assert_eq!(rows(&one), rows(&fresh));
    assert_eq!(pairs(&one)["1"], "behind");
}

#[test]
fn a_second_peers_refusal_from_before_the_checkpoint_is_told_and_changes_no_row() {
    let clock = Hand::at(100);
    let (lenient, strict) = (service(&clock), strict(&clock));
    let one = open(memory(), 1, &clock);
    write(&one, "a", "plain");
    sync(&one, &strict);
    let stored = write(&one, "b", "secret");
    write(&one, "c", "later");
    sync(&one, &lenient);
    assert_eq!(trim(&one, 2).to, Position::new(1), "the bundle is still there, and lies before the checkpoint");
    let before = rows(&one);
    let report = block_on(one.sync(&way(&strict))).unwrap();
    assert_eq!(report.refused.iter().map(|(dot, _)| *dot).collect::<Vec<_>>(), [stored]);
    assert_eq!((rows(&one), block_on(one.outcome(stored)).unwrap()), (before, Outcome::Stored));
    write(&one, "d", "goes on");
    sync(&one, &strict);
    assert_eq!(pairs(&one)["d"], "goes on");
}

#[test]
fn what_takes_the_whole_log_fails_by_name_and_changes_nothing() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let store = memory();
    let one = open(store.clone(), 1, &clock);
    write(&one, "a", "1");
    write(&one, "a", "2");
    sync(&one, &service);
    trim(&one, 0);
    let before = rows(&one);
    let view = one.view(Pairs).unwrap();
    let needs = |result: Result<(), ReplicaError>| {
        let error = result.expect_err("the history is gone");
        assert!(matches!(&error, ReplicaError::NeedsHistory { base, .. } if base.get() == 1), "{error}");
    };
    needs(block_on(one.rebuild(&Pairs.view())));
    needs(block_on(view.state_at(NTP64(u64::MAX))).map(drop));
    needs(block_on(view.get_at(b"a", NTP64(u64::MAX))).map(drop));
    assert_eq!(rows(&open(store, 1, &clock)), before);
    assert_eq!(block_on(one.log(Position::new(1), Limit::PAGE)).unwrap().len(), 1);
    assert!(block_on(one.log(Position::ZERO, Limit::PAGE)).is_err());
}

#[test]
fn a_peer_that_lacks_what_was_trimmed_is_named_and_gets_everything_else() {
    let clock = Hand::at(100);
    let (service, other) = (strict(&clock), strict(&clock));
    let one = written(1, 5, &service, &clock);
    let two = written(2, 5, &service, &clock);
    sync(&one, &service);
    trim(&one, 0);
    // The other server has seen nothing of either, but for a third replica's bundle.
    let three = written(3, 1, &other, &clock);
    let report = block_on(one.sync(&way(&other))).unwrap();
    assert_eq!((report.trimmed_here.map(|dot| dot.seq.get()), report.pulled), (Some(1), 1));
    assert!(!report.is_complete() && !block_on(one.status()).unwrap().in_sync());
    // As soon as somebody else has brought the rest, all is well.
    sync(&two, &other);
    let report = block_on(one.sync(&way(&other))).unwrap();
    assert!(report.is_complete(), "{report:?}");
    sync(&three, &other);
    sync(&two, &other);
    for replica in [&two, &three] {
        assert_eq!(rows(replica), rows(&one));
    }
}

#[test]
fn a_replica_behind_a_server_that_has_trimmed_is_told_and_still_hands_over_its_own() {
    let clock = Hand::at(100);
    let log = memory();
    let reader = Arc::new(clock.reader());
    let service = Arc::new(Service::new(Arc::new(Swapped(log.clone())), Arc::new(AllowAll), reader));
    let near = written(1, 5, &service, &clock);
    let far = open(memory(), 2, &clock);
    block_on(log.commit(WriteBatch { trim: Some(Position::new(3)), ..Default::default() })).unwrap();
    write(&far, "far", "1");
    let report = block_on(far.sync(&way(&service))).unwrap();
    let first = Dot { origin: id(1), seq: syncline::Seq::new(1) };
    assert_eq!((report.pushed, report.trimmed_there), (1, Some(first)));
    assert!(!report.is_complete() && !block_on(far.status()).unwrap().in_sync());
    assert!(!pairs(&far).contains_key("0"), "no part of it is taken for the whole");
    // One that is not behind goes on, also from a cursor that is gone.
    let report = block_on(near.sync(&way(&service))).unwrap();
    assert!(report.is_complete() && report.pulled == 1, "{report:?}");
    let anew = open(near.store().clone(), 1, &clock);
    assert!(block_on(anew.sync(&way(&service))).unwrap().is_complete());
}

#[test]
fn a_push_of_what_the_server_has_trimmed_is_answered_as_known() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let one = open(memory(), 1, &clock);
    for text in ["1", "secret", "3", "4"] {
        write(&one, "a", text);
    }
    let lossy = LosesAnswers(way(&service), |request| matches!(request, syncline::protocol::Request::Push(..)));
    assert!(block_on(one.sync(&lossy)).is_err());
    let log = block_on(service.storage().open(&space())).unwrap();
    block_on(log.commit(WriteBatch { trim: Some(Position::new(3)), ..Default::default() })).unwrap();
    let report = block_on(one.sync(&way(&service))).unwrap();
    assert_eq!((report.pushed, report.refused.len()), (4, 1));
    assert_eq!(pairs(&one)["a"], "4");
}

#[test]
fn a_fork_from_before_the_trim_is_told_and_not_healed_by_halves() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let one = written(1, 5, &service, &clock);
    // A clone has gone its own way at the other server, from the second bundle on.
    let other = strict(&clock);
    let clone = open(crate::recovery::copy(&**one.store(), 2, memory()), 1, &clock);
    for number in 0..3 {
        write(&clone, "clone", &number.to_string());
    }
    sync(&clone, &other);
    trim(&one, 0);
    let before = (rows(&one), block_on(one.id()));
    let error = block_on(one.sync(&way(&other))).expect_err("the histories differ");
    assert!(matches!(error, SyncError::Forked { .. }), "{error}");
    assert_eq!((rows(&one), block_on(one.id())), before);
    write(&one, "a", "goes on");
    sync(&one, &service);
}

/// Words by their first letter, of these versions of their event.
#[derive(Clone, Copy)]
struct Words(&'static [u16]);

const WORDS: Words = Words(&[1]);

fn word(version: u16, word: &str) -> Event {
    Event::new(EventType::new("word.added", version), word.to_owned())
}

impl Projection for Words {
    type State = std::collections::BTreeSet<String>;

    fn view(&self) -> ViewId {
        ViewId::new("words@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types(self.0.iter().map(|version| EventType::new("word.added", *version)))
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        keys.push(&event.payload[..1]);
    }

    fn apply(&self, _: &[u8], row: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        row.insert(String::from_utf8_lossy(event.payload).into_owned());
        Ok(())
    }
}

#[test]
fn an_event_of_a_later_version_is_read_by_a_later_program_although_the_log_was_trimmed() {
    let clock = Hand::at(100);
    let (service, store) = (strict(&clock), memory());
    let open = |words: Words| {
        let compose = Replica::compose(space(), store.clone()).clock(clock.reader()).checkpoint_every(1);
        block_on(compose.projection(words).open(id(1))).unwrap()
    };
    let say = |replica: &Replica, version, text| block_on(replica.write(&[word(version, text)])).unwrap();
    let old = open(WORDS);
    for text in ["apple", "bee", "ant"] {
        say(&old, 1, text);
    }
    sync(&old, &service);
    assert_eq!(trim(&old, 0).to, Position::new(2));
    for (version, text) in [(2, "axe"), (1, "arm"), (1, "cat"), (2, "bat")] {
        say(&old, version, text);
    }
    sync(&old, &service);
    let plan = trim(&old, 0);
    assert_eq!(plan.bundles(), 0);
    assert!(matches!(&plan.bounds[0].hold, Hold::Unread(aside) if aside.dot.seq.get() == 4), "{plan:?}");
    drop(old);
    let new = open(Words(&[1, 2]));
    let words = block_on(new.view(WORDS).unwrap().all(RowRange::all())).unwrap();
    let words: Vec<_> = words.into_iter().flat_map(|(_, words)| words).collect();
    assert_eq!(words, ["ant", "apple", "arm", "axe", "bat", "bee", "cat"]);
    assert_eq!(block_on(new.status()).unwrap().unreadable, 0);
    assert_eq!(trim(&new, 0).to, Position::new(6));
}
