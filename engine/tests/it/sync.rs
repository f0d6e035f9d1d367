//! Replicas that exchange logs through a service.

use crate::world::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::FutureExt;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder};
use syncline::protocol::{Answer, Reply, Request};
use syncline::replica::{Outcome, Pause, Schedule, SyncError, SyncReport};
use syncline::store::{EventStore, WriteBatch};
use syncline::transport::forward_watch;
use syncline::{MemoryStore, NTP64, Replica, Transport, TransportError};
use syncline_memory::MemoryTransport;

fn sync(replica: &Replica, way: &dyn Transport) -> SyncReport {
    block_on(replica.sync(way)).unwrap()
}

#[test]
fn replicas_that_wrote_offline_end_with_the_same_state() {
    let clock = Hand::at(100);
    let (service, one, other) = (service(&clock), replica(1, &clock), replica(2, &clock));
    let way = way(&service);
    for round in 0..30u64 {
        block_on(one.write(&[set(&(round % 5).to_string(), &format!("one {round}"))])).unwrap();
        clock.set(100 + round % 3);
        block_on(other.write(&[set(&(round % 7).to_string(), &format!("other {round}"))])).unwrap();
    }
    assert_eq!(sync(&one, &way).pushed, 30);
    let report = sync(&other, &way);
    assert_eq!((report.pushed, report.pulled), (30, 30));
    assert_eq!(sync(&one, &way).pulled, 30);
    assert_eq!(pairs(&one), pairs(&other));
    for replica in [&one, &other] {
        let status = block_on(replica.status()).unwrap();
        assert!(status.pending == 0 && status.head.get() == 60);
    }
    let last = sync(&other, &way);
    assert_eq!(last, SyncReport::default(), "nothing is left to exchange");
    assert!(block_on(other.status()).unwrap().in_sync());
}

#[test]
fn a_fresh_replica_gets_everything_and_its_rows_are_the_same() {
    let clock = Hand::at(100);
    let (service, one) = (service(&clock), replica(1, &clock));
    for number in 0..500 {
        block_on(one.write(&[set(&number.to_string(), "x"), set("last", &number.to_string())])).unwrap();
    }
    sync(&one, &way(&service));
    let fresh = replica(9, &clock);
    assert_eq!(sync(&fresh, &way(&service)).pulled, 500);
    assert_eq!(pairs(&fresh), pairs(&one));
}

#[test]
fn a_lost_acknowledgement_changes_nothing() {
    let clock = Hand::at(100);
    let (service, one) = (service(&clock), replica(1, &clock));
    let written = block_on(one.write(&[set("a", "1")])).unwrap();
    let lossy = LosesAnswers(way(&service), |request| matches!(request, Request::Push(..)));
    assert!(matches!(block_on(one.sync(&lossy)), Err(SyncError::Transport(_))));
    assert_eq!(block_on(one.outcome(written.dot)).unwrap(), Outcome::Pending, "no answer, no claim");
    assert_eq!(sync(&one, &way(&service)).pushed, 1);
    assert_eq!(block_on(one.outcome(written.dot)).unwrap(), Outcome::Stored);
    let store = block_on(service.storage().open(&space())).unwrap();
    assert_eq!(block_on(store.status()).unwrap().head.get(), 1, "the bundle is there once");
}

#[test]
fn a_resync_from_nothing_and_from_a_point_give_the_same() {
    let clock = Hand::at(100);
    let (service, one) = (service(&clock), replica(1, &clock));
    let way = way(&service);
    let late = replica(2, &clock);
    for number in 0..10 {
        block_on(one.write(&[set("a", &number.to_string())])).unwrap();
        sync(&one, &way);
        if number == 4 {
            sync(&late, &way);
        }
    }
    assert_eq!(sync(&late, &way).pulled, 5);
    let fresh = replica(3, &clock);
    assert_eq!(sync(&fresh, &way).pulled, 10);
    assert_eq!(pairs(&fresh), pairs(&late));
}

#[test]
fn a_far_future_bundle_is_held_back_and_not_lost_on_the_way_in() {
    let (now, server) = (Hand::at(1_000), Hand::at(1_000));
    let lax = syncline::Service::new(
        storage(),
        std::sync::Arc::new(syncline::authority::AllowAll),
        std::sync::Arc::new(server.reader()),
    );
    let lax = std::sync::Arc::new(lax.with_max_drift(std::time::Duration::from_secs(1 << 30)));
    let ahead = replica(1, &Hand::at(500_000));
    block_on(ahead.write(&[set("a", "future")])).unwrap();
    sync(&ahead, &way(&lax));
    let one = replica(2, &now);
    let report = sync(&one, &way(&lax));
    assert_eq!((report.pulled, report.held.unwrap().drift.ahead.as_secs()), (0, 499_000));
    assert!(!block_on(one.status()).unwrap().in_sync());
    now.set(500_000);
    assert_eq!(sync(&one, &way(&lax)).pulled, 1);
    assert_eq!(pairs(&one)["a"], "future");
}

#[test]
fn a_slow_clock_does_not_stop_a_device_from_reading() {
    let (now, slow) = (Hand::at(1_000_000), Hand::at(5));
    let (service, one, behind) = (service(&now), replica(1, &now), replica(2, &slow));
    block_on(one.write(&[set("a", "1")])).unwrap();
    sync(&one, &way(&service));
    assert_eq!(sync(&behind, &way(&service)).pulled, 1);
    block_on(behind.write(&[set("a", "2")])).unwrap();
    assert_eq!(pairs(&behind)["a"], "2", "a write comes after what it has seen");
}

#[derive(Debug)]
struct NoPause;

#[async_trait::async_trait]
impl Schedule for NoPause {
    async fn synced(&self, _: &SyncReport) {}

    async fn pause(&self, why: Pause<'_>) {
        assert!(matches!(why, Pause::Polling { error: None, .. } | Pause::Watching), "no failure is expected: {why:?}");
        std::future::pending().await
    }
}

#[test]
fn live_replicas_see_each_others_writes_without_being_asked() {
    let clock = Hand::at(100);
    let (service, one, other) = (service(&clock), replica(1, &clock), replica(2, &clock));
    let (way_one, way_other) = (way(&service), way(&service));
    block_on(async {
        let mut live =
            Box::pin(futures_util::future::join(one.live(&way_one, &NoPause), other.live(&way_other, &NoPause)));
        assert!((&mut live).now_or_never().is_none());
        for round in 0..20 {
            let (writer, reader) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
            let mut changes = reader.watch();
            writer.write(&[set("a", &round.to_string())]).await.unwrap();
            let seen = futures_util::StreamExt::next(&mut changes);
            futures_util::future::select(&mut live, seen).await;
            assert_eq!(reader.view(Pairs).unwrap().get(b"a").await.unwrap().unwrap().value, round.to_string());
        }
    });
}

#[test]
fn every_place_where_a_page_may_be_cut_gives_the_same_log() {
    let clock = Hand::at(100);
    let (service, one) = (service(&clock), replica(1, &clock));
    for number in 0..7 {
        block_on(one.write(&[set("a", &number.to_string())])).unwrap();
        sync(&one, &way(&service));
    }
    let expected = block_on(one.store().status()).unwrap().heads;
    for items in 1..=8 {
        let fresh = replica(9, &clock);
        sync(&fresh, &crate::recovery::SmallPages(way(&service), items));
        assert_eq!(block_on(fresh.store().status()).unwrap().heads, expected, "pages of {items}");
        assert_eq!(pairs(&fresh), pairs(&one));
    }
}

/// Appends eight bundles of another replica, as another handle on the store does: more than a push carries.
async fn append(store: &MemoryStore) {
    for _ in 0..8 {
        let head = store.status().await.unwrap().heads.get(id(9));
        let mut builder = RunBuilder::new(id(9), head.seq.plus(1), head.chain);
        let body = encode_body(&[set("nine", &"9".repeat(200_000))]).unwrap();
        builder.push(NTP64((1_000 << 32) + head.seq.get()), Body::Full(&body));
        let run = builder.finish().unwrap();
        let clock = run.head().time;
        store.commit(WriteBatch { runs: vec![run], clock, ..WriteBatch::default() }).await.unwrap();
    }
}

/// A way on which the replica's log has grown again by the time that a push arrives.
#[derive(Debug)]
struct Outrun(MemoryTransport, Arc<MemoryStore>, AtomicU32);

#[async_trait]
impl Transport for Outrun {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        if matches!(request, Request::Push(..)) {
            let number = self.2.fetch_add(1, Ordering::SeqCst);
            assert!(number < 20, "the sync does not end as long as others append");
            append(&self.1).await;
        }
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

#[test]
fn a_sync_ends_though_others_append_faster_than_it_hands_over() {
    let clock = Hand::at(1_000);
    let (service, store) = (service(&clock), memory());
    let relay = block_on(compose(store.clone(), &clock).open(id(1))).unwrap();
    block_on(append(&store));
    let outrun = Outrun(way(&service), store.clone(), AtomicU32::new(0));
    sync(&relay, &outrun);
    sync(&relay, &way(&service));
    let there = block_on(way(&service).call(Request::Heads(space()))).unwrap();
    let Reply::Heads(there) = there.reply else { panic!("no heads: {there:?}") };
    assert_eq!(there.heads.get(id(9)), block_on(store.status()).unwrap().heads.get(id(9)));
}
