//! What may be rewritten in place: what exists here alone, and nothing that a push may have carried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::recovery::copy;
use crate::world::*;
use futures_util::FutureExt;
use syncline::authority::AllowAll;
use syncline::protocol::{Answer, Code, Problem, Request};
use syncline::replica::{Outcome, SyncReport, WaitCause};
use syncline::store::{EventStore, RowKey, ViewId, WriteBatch};
use syncline::transport::forward_watch;
use syncline::{Dot, Replica, Service, Transport, TransportError};

fn open(store: Arc<dyn EventStore>, clock: &Hand) -> Replica {
    let next = AtomicU8::new(101);
    let identities = move || id(next.fetch_add(1, Ordering::Relaxed));
    block_on(compose(store, clock).on_fork(identities).open(id(1))).unwrap()
}

fn sync(replica: &Replica, service: &Arc<Service>) -> SyncReport {
    block_on(replica.sync(&way(service))).unwrap()
}

/// Syncs, and the answer to every push is lost: the peer has stored what the device does not know to be stored.
fn sync_unanswered(replica: &Replica, service: &Arc<Service>) {
    let lossy = LosesAnswers(way(service), |request| matches!(request, Request::Push(..)));
    assert!(block_on(replica.sync(&lossy)).is_err());
}

/// Two servers that do not know of each other and whose clocks disagree, and a device with the clock of the first.
struct Servers {
    ahead: Arc<Service>,
    behind: Arc<Service>,
    clock: Hand,
}

impl Servers {
    fn apart(seconds: u64) -> Self {
        let clock = Hand::at(1_000 + seconds);
        Self { ahead: service(&clock), behind: service(&Hand::at(1_000)), clock }
    }

    /// A fresh device gets the same from both, and the device itself contradicts neither.
    fn assert_agree(&self, one: &Replica) {
        let reader = replica(9, &self.clock);
        for service in [&self.ahead, &self.behind] {
            block_on(one.sync(&way(service))).unwrap();
            block_on(reader.sync(&way(service))).unwrap();
        }
        let (ours, theirs) = (block_on(one.store().status()).unwrap(), block_on(reader.store().status()).unwrap());
        assert_eq!(ours.heads.fork(&theirs.heads), None);
    }
}

#[test]
fn what_one_server_may_have_is_not_written_anew_for_another() {
    let servers = Servers::apart(100_000);
    let one = open(memory(), &servers.clock);
    let written = block_on(one.write(&[set("a", "1")])).unwrap().dot;
    sync_unanswered(&one, &servers.ahead);
    let report = sync(&one, &servers.behind);
    assert_eq!((report.restamped, report.moved, report.pushed), (0, 1, 1), "it moves under a new identity");
    let Outcome::Superseded(by) = block_on(one.outcome(written)).unwrap() else { panic!("{written} has moved") };
    assert_eq!(block_on(one.outcome(by)).unwrap(), Outcome::Stored);
    servers.assert_agree(&one);
}

#[test]
fn what_may_have_been_sent_is_still_known_after_a_restart() {
    let servers = Servers::apart(100_000);
    let store = memory();
    let one = open(store.clone(), &servers.clock);
    block_on(one.write(&[set("a", "1")])).unwrap();
    sync_unanswered(&one, &servers.ahead);
    drop(one);
    let one = open(store, &servers.clock);
    let report = sync(&one, &servers.behind);
    assert_eq!((report.restamped, report.moved), (0, 1));
    servers.assert_agree(&one);
}

#[test]
fn a_push_given_up_at_any_await_may_have_been_sent() {
    for polls in 0..40 {
        let servers = Servers::apart(100_000);
        let store = Arc::new(Yields(memory()));
        let one = open(store.clone(), &servers.clock);
        block_on(one.write(&[set("a", "1")])).unwrap();
        let service = Service::new(
            Arc::new(Swapped(Arc::new(Yields(memory())))),
            Arc::new(AllowAll),
            Arc::new(servers.clock.reader()),
        );
        let servers = Servers { ahead: Arc::new(service), ..servers };
        let (to, mut polled) = (way(&servers.ahead), 0);
        let mut syncing = Box::pin(one.sync(&to));
        while polled < polls && (&mut syncing).now_or_never().is_none() {
            polled += 1;
        }
        drop(syncing);
        // Whether the handle continues or another takes its place: nothing that the server has is rewritten.
        let one = if polls % 2 == 0 { one } else { open(store, &servers.clock) };
        sync(&one, &servers.behind);
        servers.assert_agree(&one);
    }
}

#[test]
fn a_short_wait_is_waited_and_told() {
    let servers = Servers::apart(170);
    let one = open(memory(), &servers.clock);
    let dot = block_on(one.write(&[set("a", "1")])).unwrap().dot;
    sync_unanswered(&one, &servers.ahead);
    block_on(one.write(&[set("b", "2")])).unwrap();
    let report = sync(&one, &servers.behind);
    let waiting = report.waiting.unwrap();
    assert_eq!((waiting.dot, waiting.bundles, waiting.cause), (dot, 2, WaitCause::Sent));
    assert_eq!((waiting.drift.ahead.as_secs(), waiting.drift.allowed.as_secs()), (170, 60));
    assert!(matches!(report.stopped.unwrap().code, Code::ClockAhead { .. }));
    assert_eq!((report.restamped, report.moved), (0, 0));
    assert_eq!(block_on(one.status()).unwrap().pending, 2);
    // What a server is known to have waits just so, however long.
    assert_eq!(sync(&one, &servers.ahead).pushed, 2);
    assert_eq!(sync(&one, &servers.behind).waiting.unwrap().cause, WaitCause::Stored);
}

#[test]
fn without_new_identities_it_waits_and_says_so() {
    let servers = Servers::apart(100_000);
    let one = replica(1, &servers.clock);
    block_on(one.write(&[set("a", "1")])).unwrap();
    sync_unanswered(&one, &servers.ahead);
    for _ in 0..2 {
        let report = sync(&one, &servers.behind);
        assert_eq!((report.restamped, report.moved), (0, 0));
        assert_eq!(report.waiting.unwrap().cause, WaitCause::Sent);
    }
    assert_eq!(sync(&one, &servers.ahead).pushed, 1);
}

#[test]
fn what_was_never_sent_gets_new_times_in_place_even_after_restarts() {
    let (now, ahead) = (Hand::at(1_000), Hand::at(1_000));
    let (service, store) = (service(&now), memory());
    let one = open(store.clone(), &ahead);
    block_on(one.write(&[set("a", "in time")])).unwrap();
    sync(&one, &service);
    drop(one);
    for round in 0..3 {
        ahead.set(1_000_000 + round);
        let one = open(store.clone(), &ahead);
        block_on(one.write(&[set("b", "offline")])).unwrap();
    }
    let one = open(store, &ahead);
    let report = sync(&one, &service);
    assert_eq!((report.restamped, report.moved, report.pushed), (3, 0, 3));
    assert_eq!(block_on(one.id()), id(1));
}

#[test]
fn a_bundle_too_far_ahead_is_not_sent_at_all() {
    /// Says which bundles a push carries, and fails if their times are far off.
    #[derive(Debug)]
    struct Watches<T>(T);

    #[async_trait::async_trait]
    impl<T: Transport> Transport for Watches<T> {
        async fn call(&self, request: Request) -> Result<Answer, TransportError> {
            if let Request::Push(_, _, push) = &request {
                assert!(push.runs.iter().all(|run| run.last_time().as_secs() < 2_000), "{push:?}");
            }
            self.0.call(request).await
        }

        forward_watch!(self.0);
    }

    let (now, ahead) = (Hand::at(1_000), Hand::at(1_000));
    let (service, one) = (service(&now), open(memory(), &ahead));
    block_on(one.write(&[set("a", "in time")])).unwrap();
    ahead.set(1_000_000);
    block_on(one.write(&[set("b", "too early")])).unwrap();
    let report = block_on(one.sync(&Watches(way(&service)))).unwrap();
    assert_eq!((report.pushed, report.restamped, report.stopped), (2, 1, None));
}

#[test]
fn a_device_back_from_a_backup_learns_at_first_contact_what_it_has_sent() {
    let servers = Servers::apart(100_000);
    let one = open(memory(), &servers.clock);
    block_on(one.write(&[set("a", "1")])).unwrap();
    let backup = copy(&**one.store(), 1, memory());
    sync(&one, &servers.ahead);
    // The backup is of before the push. The device meets the server that has the bundle, and no push comes of it.
    drop(open(backup.clone(), &servers.clock));
    mark(&*backup, Some(&golden(&[0], 0)));
    let one = open(backup, &servers.clock);
    let syncing = LosesAnswers(way(&servers.ahead), |request| matches!(request, Request::Push(..)));
    assert!(block_on(one.sync(&syncing)).is_err());
    let report = sync(&one, &servers.behind);
    assert_eq!((report.restamped, report.moved), (0, 1));
    servers.assert_agree(&one);
}

#[test]
fn own_bundles_that_come_back_from_a_peer_are_not_written_anew() {
    let servers = Servers::apart(100_000);
    let one = open(memory(), &servers.clock);
    for number in ["1", "2"] {
        block_on(one.write(&[set("a", number)])).unwrap();
    }
    let backup = copy(&**one.store(), 1, memory());
    sync(&one, &servers.ahead);
    drop(open(backup.clone(), &servers.clock));
    mark(&*backup, Some(&golden(&[0], 0)));
    let one = open(backup.clone(), &servers.clock);
    // They come back, and the device dies before it pushes anything.
    let dies = LosesAnswers(way(&servers.ahead), |request| matches!(request, Request::Push(..)));
    assert!(block_on(one.sync(&dies)).is_err());
    assert_eq!(block_on(one.store().status()).unwrap().head.get(), 2);
    let one = open(backup, &servers.clock);
    assert_eq!(sync(&one, &servers.behind).restamped, 0);
    servers.assert_agree(&one);
}

#[test]
fn another_handle_on_the_same_store_writes_nothing_anew_that_the_first_has_sent() {
    for first_is_last in [true, false] {
        let servers = Servers::apart(100_000);
        servers.clock.set(1_000);
        let store = memory();
        let (first, second) = (open(store.clone(), &servers.clock), open(store, &servers.clock));
        // Each has had the last word about the mark before, in this order or the other.
        for replica in if first_is_last { [&second, &first] } else { [&first, &second] } {
            block_on(replica.write(&[set("x", "y")])).unwrap();
            sync(replica, &servers.behind);
        }
        servers.clock.set(101_000);
        block_on(first.write(&[set("a", "1")])).unwrap();
        sync_unanswered(&first, &servers.ahead);
        block_on(second.write(&[set("b", "2")])).unwrap();
        let report = sync(&second, &servers.behind);
        assert_eq!((report.restamped, report.moved), (0, 2), "the first may have been sent");
        servers.assert_agree(&second);
        servers.assert_agree(&first);
    }
}

#[test]
fn in_the_store_of_an_older_build_everything_may_have_been_sent() {
    let servers = Servers::apart(100_000);
    let one = open(memory(), &servers.clock);
    block_on(one.write(&[set("a", "1")])).unwrap();
    let store = one.store().clone();
    mark(&*store, None);
    let one = open(store, &servers.clock);
    let report = sync(&one, &servers.behind);
    assert_eq!((report.restamped, report.moved), (0, 1));
    block_on(one.write(&[set("b", "2")])).unwrap();
    assert_eq!(sync(&one, &servers.behind).pushed, 1);
}

#[test]
fn the_mark_costs_no_commit_of_its_own_while_syncs_follow_writes() {
    let clock = Hand::at(1_000);
    let (service, one) = (service(&clock), open(memory(), &clock));
    let commits = |what: &dyn Fn()| {
        let before = block_on(one.store().status()).unwrap().revision.get();
        what();
        block_on(one.store().status()).unwrap().revision.get() - before
    };
    let write = || assert!(block_on(one.write(&[set("a", "1")])).is_ok());
    let synced = || drop(sync(&one, &service));
    assert_eq!((commits(&write), commits(&synced)), (1, 2), "the first sync stores the mark, then the answer");
    for _ in 0..3 {
        assert_eq!((commits(&write), commits(&synced)), (1, 1), "then the answer alone");
    }
    assert_eq!(commits(&synced), 0, "nothing to exchange, nothing to store");
}

fn mark_key() -> RowKey {
    RowKey::new(ViewId::new("syncline.sent@1").unwrap(), bytes::Bytes::new())
}

/// Puts another mark into a store.
fn mark(store: &dyn EventStore, value: Option<&[u8]>) {
    let value = value.map(bytes::Bytes::copy_from_slice);
    let rows = vec![syncline::store::RowWrite { key: mark_key(), value }];
    block_on(store.commit(WriteBatch { rows, ..WriteBatch::default() })).unwrap();
}

/// The stored mark of replica 1: its identity, the last bundle, the writer.
fn golden(through: &[u8], writer: u8) -> Vec<u8> {
    [&id(1).to_bytes()[..], through, &[writer]].concat()
}

#[test]
fn the_stored_mark_has_a_fixed_form() {
    let clock = Hand::at(1_000);
    let (service, one) = (service(&clock), open(memory(), &clock));
    let stored = || block_on(one.store().load(&[mark_key()])).unwrap().remove(0).unwrap().to_vec();
    assert_eq!(stored(), golden(&[0], 0));
    for _ in 0..300 {
        block_on(one.write(&[set("a", "1")])).unwrap();
    }
    assert_eq!(stored(), golden(&[0], 0), "nothing was sent");
    sync(&one, &service);
    assert_eq!(stored(), golden(&[251, 44, 1], 1), "300, as the codec writes it");
    block_on(one.write(&[set("a", "1")])).unwrap();
    assert_eq!(stored(), golden(&[251, 45, 1], 1), "it will be sent soon");
}

/// A peer that stores a push and says that its clock does not take it: no answer of it proves anything.
#[derive(Debug)]
struct StoresAndRefuses<T>(T);

#[async_trait::async_trait]
impl<T: Transport> Transport for StoresAndRefuses<T> {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let pushed = match &request {
            Request::Push(_, _, push) => push.runs.first().map(|run| Dot { origin: run.origin(), seq: run.first() }),
            _ => None,
        };
        let answer = self.0.call(request).await?;
        let Some(at) = pushed else { return Ok(answer) };
        Err(Problem::new(Code::ClockAhead { at, ahead_ms: 1 << 40, allowed_ms: 0 }, "no").into())
    }

    forward_watch!(self.0);
}

#[test]
fn a_refusal_proves_nothing_for_later() {
    for restarts in [false, true] {
        let servers = Servers::apart(0);
        let mut one = open(memory(), &servers.clock);
        block_on(one.write(&[set("a", "1")])).unwrap();
        let report = block_on(one.sync(&StoresAndRefuses(way(&servers.ahead)))).unwrap();
        assert_eq!(report.restamped, 0);
        if restarts {
            one = open(one.store().clone(), &servers.clock);
        }
        sync(&one, &servers.behind);
        servers.assert_agree(&one);
    }
}
