//! Troubles that end without a person: a clock that was far off, a device that was cloned or restored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::recovery::copy;
use crate::world::*;
use syncline::attributes::{Attribute, Attributes, Value};
use syncline::authority::AllowAll;
use syncline::limits::PAYLOAD_BYTES_MAX;
use syncline::projection::{Keys, Moved, Reads};
use syncline::protocol::Code;
use syncline::replica::Outcome;
use syncline::store::EventStore;
use syncline::{Event, EventRef, EventType, Projection, Replica, ReplicaId, Service, Unreadable, ViewId};

/// Mints identities from `first` on.
fn minted(first: u8) -> impl Fn() -> ReplicaId + Send + Sync + 'static {
    let next = AtomicU8::new(first);
    move || id(next.fetch_add(1, Ordering::Relaxed))
}

fn device(store: Arc<dyn EventStore>, byte: u8, clock: &Hand) -> Replica {
    block_on(compose(store, clock).projection(Attributes).on_fork(minted(byte + 100)).open(id(byte))).unwrap()
}

fn read(replica: &Replica, attribute: &Attribute) -> Option<String> {
    let row = block_on(replica.attributes().unwrap().read(attribute)).unwrap();
    row.value().map(|value| value.into_owned())
}

#[test]
fn writes_under_a_clock_far_ahead_get_the_times_they_should_have_had() {
    let (now, ahead) = (Hand::at(1_000), Hand::at(1_000));
    let (service, one, other) = (service(&now), device(memory(), 1, &ahead), device(memory(), 2, &now));
    block_on(one.write(&[set("a", "in time")])).unwrap();
    ahead.set(1_000_000);
    let early = block_on(one.write(&[set("a", "too early")])).unwrap();
    let report = block_on(one.sync(&way(&service))).unwrap();
    assert_eq!((report.pushed, report.restamped, report.stopped), (2, 1, None));
    assert_eq!(block_on(one.outcome(early.dot)).unwrap(), Outcome::Stored, "it keeps its name");
    // It no longer wins over what is written later elsewhere, and later writes here come after that.
    now.set(1_100);
    block_on(other.sync(&way(&service))).unwrap();
    block_on(other.write(&[set("a", "later")])).unwrap();
    block_on(other.sync(&way(&service))).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    assert_eq!(pairs(&one)["a"], "later");
    block_on(one.write(&[set("a", "latest")])).unwrap();
    let report = block_on(one.sync(&way(&service))).unwrap();
    assert_eq!((report.pushed, report.restamped), (1, 0), "the clock stays corrected");
    block_on(other.sync(&way(&service))).unwrap();
    assert_eq!(pairs(&other), pairs(&one));
    assert_eq!(pairs(&one)["a"], "latest");
}

#[test]
fn a_glitch_of_the_clock_that_is_over_leaves_no_trace() {
    let (now, glitching) = (Hand::at(1_000), Hand::at(9_000_000));
    let (service, one) = (service(&now), device(memory(), 1, &glitching));
    block_on(one.write(&[set("a", "glitch")])).unwrap();
    glitching.set(1_000);
    assert_eq!(block_on(one.sync(&way(&service))).unwrap().restamped, 1);
    let written = block_on(one.write(&[set("a", "after")])).unwrap();
    assert!(written.time.as_secs() < 1_060, "times are true again");
}

#[test]
fn a_clock_that_stays_far_ahead_is_named_by_how_much() {
    let (now, ahead) = (Hand::at(1_000), Hand::at(4_600));
    let service = service(&now);
    let one = device(memory(), 1, &ahead);
    block_on(one.write(&[set("a", "1")])).unwrap();
    let report = block_on(one.sync(&way(&service))).unwrap();
    assert_eq!((report.skew_ms, report.restamped), (-3_600_000, 1));
    assert_eq!(block_on(one.status()).unwrap().peer.unwrap().skew_ms, -3_600_000);
    // A peer that says nothing of its clock is told the distance.
    let raw = replica(7, &ahead);
    block_on(raw.write(&[set("a", "2")])).unwrap();
    let store = raw.store().clone();
    let runs = block_on(store.read_origin(id(7), syncline::Seq::ZERO, syncline::store::Limit::PAGE)).unwrap();
    let push = syncline::protocol::Push { runs: runs.into_iter().map(|stored| stored.run).collect() };
    let error =
        block_on(service.answer(&principal(), syncline::protocol::Request::Push(space(), None, push))).unwrap_err();
    let problem = error.to_problem();
    assert!(matches!(problem.code, Code::ClockAhead { ahead_ms: 3_600_000, allowed_ms: 60_000, .. }), "{problem}");
}

#[test]
fn operations_that_build_on_restamped_ones_still_count() {
    let (now, ahead) = (Hand::at(1_000), Hand::at(1_000_000));
    let (service, one, other) = (service(&now), device(memory(), 1, &ahead), device(memory(), 2, &now));
    let (stock, tags) = (Attribute::new("article", "stock").unwrap(), Attribute::new("article", "tags").unwrap());
    let tag = |name: &str| Value::string(name).unwrap();
    block_on(async {
        let attributes = one.attributes().unwrap();
        attributes.set(&stock, 10).await.unwrap();
        attributes.add(&stock, 5).await.unwrap();
        attributes.insert(&tags, tag("red")).await.unwrap();
        attributes.insert(&tags, tag("blue")).await.unwrap();
        attributes.remove(&tags, tag("red")).await.unwrap();
    });
    assert_eq!(block_on(one.sync(&way(&service))).unwrap().restamped, 5);
    block_on(other.sync(&way(&service))).unwrap();
    for replica in [&one, &other] {
        assert_eq!(
            (read(replica, &stock).as_deref(), read(replica, &tags).as_deref()),
            (Some("15"), Some("[\"blue\"]"))
        );
        assert_eq!(block_on(replica.status()).unwrap().unreadable, 0);
    }
}

#[test]
fn a_cloned_device_goes_on_under_a_new_identity_and_nothing_is_lost() {
    let clock = Hand::at(1_000);
    let (service, one) = (service(&clock), device(memory(), 1, &clock));
    for number in 0..10 {
        block_on(one.write(&[set(&format!("before {number}"), "x")])).unwrap();
    }
    block_on(one.sync(&way(&service))).unwrap();
    for (extra, byte) in [(1, 40), (3, 60), (20, 80)] {
        let clone = copy(&**one.store(), 10, memory());
        let clone = block_on(compose(clone, &clock).projection(Attributes).on_fork(minted(byte)).open(id(1))).unwrap();
        block_on(one.write(&[set(&format!("one {extra}"), "x")])).unwrap();
        block_on(one.write(&[set(&format!("one again {extra}"), "x")])).unwrap();
        let mut written = Vec::new();
        for number in 0..extra {
            written.push(block_on(clone.write(&[set(&format!("clone {extra} {number}"), "x")])).unwrap().dot);
        }
        block_on(one.sync(&way(&service))).unwrap();
        let report = block_on(clone.sync(&way(&service))).unwrap();
        assert_eq!(report.rehomed, extra);
        assert_eq!(block_on(clone.id()), id(byte));
        for dot in written {
            let Outcome::Superseded(by) = block_on(clone.outcome(dot)).unwrap() else { panic!("{dot} has moved") };
            assert_eq!((by.origin, block_on(clone.outcome(by)).unwrap()), (id(byte), Outcome::Stored));
        }
        block_on(one.sync(&way(&service))).unwrap();
        assert_eq!(pairs(&clone), pairs(&one));
        assert_eq!(block_on(clone.store().status()).unwrap().heads, block_on(one.store().status()).unwrap().heads);
    }
}

#[test]
fn a_device_restored_from_a_backup_keeps_what_it_wrote_since() {
    let clock = Hand::at(1_000);
    let (service, one) = (service(&clock), device(memory(), 1, &clock));
    let stock = Attribute::new("article", "stock").unwrap();
    block_on(one.attributes().unwrap().set(&stock, 10)).unwrap();
    let backup = copy(&**one.store(), 1, memory());
    block_on(one.attributes().unwrap().add(&stock, 1)).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    // Restored: it knows the set and not the add, nor that anything was acknowledged, and writes before it asks.
    let restored = device(backup, 1, &clock);
    block_on(restored.attributes().unwrap().add(&stock, 5)).unwrap();
    let report = block_on(restored.sync(&way(&service))).unwrap();
    assert_eq!(report.rehomed, 1, "only what no peer has");
    let reader = device(memory(), 9, &clock);
    block_on(reader.sync(&way(&service))).unwrap();
    assert_eq!(read(&reader, &stock).as_deref(), Some("16"), "both adds count, once each");
    assert_eq!(read(&reader, &stock), read(&restored, &stock));
    assert!(block_on(restored.status()).unwrap().pending == 0);
}

#[test]
fn an_acknowledgement_older_than_what_the_server_has_lost_is_not_believed() {
    let clock = Hand::at(1_000);
    let (before, one) = (service(&clock), device(memory(), 1, &clock));
    for number in 0..10 {
        block_on(one.write(&[set(&format!("{number}"), "x")])).unwrap();
    }
    block_on(one.sync(&way(&before))).unwrap();
    // The server falls back to six bundles under its old identity, and a clone of the device from then continues there.
    let log = block_on(before.storage().open(&space())).unwrap();
    let same_log = Arc::new(syncline::MemoryStore::new(block_on(log.status()).unwrap().log));
    let after = Service::new(Arc::new(Swapped(copy(&*log, 6, same_log))), Arc::new(AllowAll), Arc::new(clock.reader()));
    let after = Arc::new(after);
    let clone = block_on(compose(copy(&*log, 6, memory()), &clock).open(id(1))).unwrap();
    block_on(clone.write(&[set("clone", "x")])).unwrap();
    block_on(clone.sync(&way(&after))).unwrap();
    let report = block_on(one.sync(&way(&after))).unwrap();
    assert_eq!(report.rehomed, 4, "what the server has lost moves along, acknowledged or not");
    let reader = device(memory(), 9, &clock);
    block_on(reader.sync(&way(&after))).unwrap();
    assert_eq!(pairs(&reader).len(), 11);
    assert_eq!(pairs(&reader), pairs(&one));
}

#[test]
fn a_bundle_that_is_a_void_at_the_peer_becomes_one_when_the_history_forks() {
    let clock = Hand::at(1_000);
    let service = Service::new(storage(), Arc::new(AllowAll), Arc::new(clock.reader()));
    let service = Arc::new(service.with_policy(Arc::new(Forbids("secret"))));
    let one = device(memory(), 1, &clock);
    block_on(one.write(&[set("a", "secret")])).unwrap();
    let clone = device(copy(&**one.store(), 1, memory()), 1, &clock);
    block_on(one.write(&[set("b", "one")])).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    block_on(clone.write(&[set("c", "clone")])).unwrap();
    assert_eq!(block_on(clone.sync(&way(&service))).unwrap().rehomed, 1);
    block_on(one.sync(&way(&service))).unwrap();
    assert_eq!(pairs(&clone), pairs(&one));
    assert!(!pairs(&clone).contains_key("a"));
}

#[test]
fn a_replica_that_serves_others_reports_a_fork_and_rewrites_nothing() {
    let clock = Hand::at(1_000);
    let (service, one) = (service(&clock), device(memory(), 1, &clock));
    block_on(one.write(&[set("a", "1")])).unwrap();
    let serving = compose(copy(&**one.store(), 1, memory()), &clock).on_fork(minted(50)).shared_with_service();
    let serving = block_on(serving.open(id(1))).unwrap();
    block_on(one.write(&[set("b", "one")])).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    block_on(serving.write(&[set("c", "serving")])).unwrap();
    let error = block_on(serving.sync(&way(&service))).unwrap_err();
    assert!(matches!(error, syncline::replica::SyncError::Forked { .. }), "{error}");
    assert_eq!(block_on(serving.id()), id(1));
}

#[test]
fn another_handle_on_the_same_store_follows_to_the_new_identity() {
    let clock = Hand::at(1_000);
    let (service, one) = (service(&clock), device(memory(), 1, &clock));
    block_on(one.write(&[set("a", "1")])).unwrap();
    let store = copy(&**one.store(), 1, memory());
    let (heals, other) = (device(store.clone(), 1, &clock), device(store, 1, &clock));
    block_on(one.write(&[set("b", "one")])).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    block_on(heals.write(&[set("c", "clone")])).unwrap();
    assert_eq!(block_on(heals.sync(&way(&service))).unwrap().rehomed, 1);
    let written = block_on(other.write(&[set("d", "other")])).unwrap();
    assert_eq!(written.dot.origin, block_on(heals.id()), "nothing is written under an identity given up");
}

const LINE: EventType = EventType::new("line", 1);

/// Counts lines. A line that is moved grows by ten bytes, as one does that names more stamps.
struct Lines;

impl Projection for Lines {
    type State = u64;

    fn view(&self) -> ViewId {
        ViewId::new("lines@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([LINE])
    }

    fn keys(&self, _: &EventRef<'_>, keys: &mut Keys) {
        keys.push(b"all");
    }

    fn apply(&self, _: &[u8], row: &mut u64, _: &EventRef<'_>) -> Result<(), Unreadable> {
        *row += 1;
        Ok(())
    }

    fn moved(&self, event: &EventRef<'_>, _: &Moved) -> Option<Event> {
        Some(Event::new(LINE, [event.payload, &[b'+'; 10]].concat()))
    }
}

#[test]
fn a_bundle_that_outgrows_its_limit_when_it_is_moved_is_a_dead_letter_and_holds_up_nothing() {
    let (now, ahead) = (Hand::at(1_000), Hand::at(1_000_000));
    let (service, other) = (service(&now), device(memory(), 2, &now));
    let one = block_on(compose(memory(), &ahead).projection(Lines).open(id(1))).unwrap();
    let fits = |bytes| Event::new(LINE, vec![b'x'; bytes]);
    block_on(one.write(&[fits(10)])).unwrap();
    let outgrown = block_on(one.write(&[fits(PAYLOAD_BYTES_MAX)])).unwrap();
    block_on(one.write(&[fits(PAYLOAD_BYTES_MAX - 10), set("a", "after")])).unwrap();
    let report = block_on(one.sync(&way(&service))).unwrap();
    assert_eq!((report.restamped, report.pushed, report.stopped), (3, 3, None));
    block_on(other.sync(&way(&service))).unwrap();
    assert_eq!((&pairs(&other)["a"], &pairs(&one)["a"]), (&"after".to_owned(), &"after".to_owned()));
    let view = one.view(Lines).unwrap();
    assert_eq!(block_on(view.get(b"all")).unwrap(), Some(2));
    // The application hears of it, has what it said, and deals with it.
    let outcome = block_on(one.outcome(outgrown.dot)).unwrap();
    assert!(matches!(outcome, Outcome::Refused(refusal) if refusal.code == "outgrown"));
    assert!(!block_on(one.status()).unwrap().in_sync());
    let letters = block_on(one.dead_letters()).unwrap();
    assert_eq!((letters[0].dot, letters[0].events[0].payload.len()), (outgrown.dot, PAYLOAD_BYTES_MAX));
    block_on(one.rewrite_dead_letter(outgrown.dot, &[fits(1)])).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    assert!(block_on(one.status()).unwrap().in_sync());
}
