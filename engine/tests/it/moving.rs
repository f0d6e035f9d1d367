//! Peers whose logs grow between any two answers of a sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use syncline::authority::AllowAll;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, Run, RunBuilder};
use syncline::protocol::{Answer, Code, PROTOCOL_VERSION, Problem, Push, Reply, Request};
use syncline::store::{EventStore, WriteBatch};
use syncline::transport::forward_watch;
use syncline::{LogId, MemoryStore, NTP64, Replica, ReplicaId, Service, Transport, TransportError};
use syncline_memory::MemoryTransport;

use crate::recovery::SmallPages;
use crate::world::*;

/// What the peer says of its heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    /// Digests of subtrees.
    Digests,
    /// A digest that no subtree explains, so that all heads are asked for.
    WrongDigest,
    /// All heads: it is of protocol version 1.
    Heads,
}

/// Answers before which others push.
const MOVES: u32 = 6;

/// A way to a peer into whose log others push before some of its answers, one bundle of each of some origins.
#[derive(Debug)]
struct Moving {
    way: MemoryTransport,
    store: Arc<MemoryStore>,
    tells: Tells,
    /// The first requests pass unmoved.
    unmoved: u32,
    calls: AtomicU32,
}

#[async_trait]
impl Transport for Moving {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        if self.tells == Tells::Heads && matches!(request, Request::Compare(..)) {
            return Err(Problem::new(Code::Unsupported, "there is no such route").into());
        }
        if (self.unmoved..self.unmoved + MOVES).contains(&self.calls.fetch_add(1, Ordering::Relaxed)) {
            append(&self.store, 40..60).await;
        }
        let mut answer = self.way.call(request).await?;
        match &mut answer.reply {
            Reply::Hello(hello) if self.tells == Tells::Heads => hello.versions = vec![PROTOCOL_VERSION],
            Reply::Compare(told) if self.tells == Tells::WrongDigest => {
                told.digest = syncline::format::Heads::new().digest();
            }
            _ => {}
        }
        Ok(answer)
    }

    forward_watch!(self.way);
}

fn serve(store: &Arc<MemoryStore>, clock: &Hand) -> Arc<Service> {
    Arc::new(Service::new(Arc::new(Swapped(store.clone())), Arc::new(AllowAll), Arc::new(clock.reader())))
}

fn origin(number: u8) -> ReplicaId {
    id(number.reverse_bits())
}

/// Appends a bundle of each of these origins.
async fn append(store: &MemoryStore, numbers: std::ops::Range<u8>) {
    let heads = store.status().await.unwrap().heads;
    let run = |number| {
        let head = heads.get(origin(number));
        let mut run = RunBuilder::new(origin(number), head.seq.plus(1), head.chain);
        let body = encode_body(&[set(&number.to_string(), "x")]).unwrap();
        run.push(NTP64((100 << 32) + head.seq.get()), Body::Full(&body));
        run.finish().unwrap()
    };
    let runs = numbers.map(run).collect();
    store.commit(WriteBatch { runs, ..WriteBatch::default() }).await.unwrap();
}

#[test]
fn a_log_that_grows_between_any_two_answers_is_no_contradiction() {
    for tells in [Tells::Digests, Tells::WrongDigest, Tells::Heads] {
        for unmoved in 0..6 {
            let (clock, store) = (Hand::at(200), memory());
            let service = serve(&store, &clock);
            block_on(append(&store, 1..120));
            let one = replica(1, &clock);
            for round in 0..3 {
                let moving =
                    Moving { way: way(&service), store: store.clone(), tells, unmoved, calls: AtomicU32::new(0) };
                let synced = block_on(one.sync(&SmallPages(moving, 1)));
                assert!(synced.is_ok(), "{tells:?}, {unmoved} answers unmoved, round {round}: {synced:?}");
            }
            block_on(one.sync(&way(&service))).unwrap();
            assert_eq!(block_on(one.store().status()).unwrap().heads, block_on(store.status()).unwrap().heads);
        }
    }
}

/// A way on which the writer of what this replica hands on is faster, and has written more.
#[derive(Debug)]
struct Overtaken(MemoryTransport, Arc<MemoryStore>);

#[async_trait]
impl Transport for Overtaken {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let hands_on = |run: &Run| run.origin() == origin(3);
        if matches!(&request, Request::Push(_, _, Push { runs }) if runs.iter().any(hands_on)) {
            // Others come before the rest of it.
            for number in [3, 5, 5, 3] {
                append(&self.1, number..number + 1).await;
            }
        }
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

#[test]
fn a_writer_that_overtakes_the_one_who_hands_its_bundles_on_is_no_contradiction() {
    let (clock, store) = (Hand::at(200), memory());
    let service = serve(&store, &clock);
    let kept = memory();
    block_on(append(&kept, 3..4));
    let relay = block_on(compose(kept.clone(), &clock).open(id(1))).unwrap();
    let overtaken = SmallPages(Overtaken(way(&service), store.clone()), 1);
    let report = block_on(relay.sync(&overtaken)).unwrap();
    assert_eq!(report.supplied, 1);
    block_on(relay.sync(&way(&service))).unwrap();
    assert_eq!(block_on(relay.store().status()).unwrap().heads, block_on(store.status()).unwrap().heads);
}

/// The cursor is into the log from before, so only what the peer has said it has tells that something is missing.
#[test]
fn what_a_peer_says_it_has_beyond_its_heads_is_missing() {
    let (clock, log, kept) = (Hand::at(200), LogId::from_bytes([9; 16]).unwrap(), memory());
    let [before, restored] = [(); 2].map(|()| Arc::new(MemoryStore::new(log)));
    let relay = block_on(compose(kept.clone(), &clock).open(id(1))).unwrap();
    block_on(relay.write(&[set("own", "x")])).unwrap();
    block_on(relay.sync(&way(&serve(&before, &clock)))).unwrap();
    block_on(append(&kept, 3..4));
    let service = serve(&restored, &clock);
    let report = block_on(relay.sync(&Overtaken(way(&service), restored.clone()))).unwrap();
    assert_eq!((report.pushed, report.supplied, report.pulled), (1, 1, 0));
    let status = block_on(relay.status()).unwrap();
    let told = status.peer.as_ref().map(|peer| (peer.unread, peer.lacking));
    assert!(!status.in_sync() && told == Some((1, Some(0))), "{status:?}");
    block_on(relay.sync(&way(&service))).unwrap();
    assert_eq!(block_on(kept.status()).unwrap().heads, block_on(restored.status()).unwrap().heads);
    assert!(block_on(relay.status()).unwrap().in_sync());
}

/// A way on which the application writes on while a push is under way, and others push, too.
#[derive(Debug)]
struct WritesOn(MemoryTransport, Arc<MemoryStore>, Replica);

#[async_trait]
impl Transport for WritesOn {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        if matches!(request, Request::Push(..)) {
            self.2.write(&[set("meanwhile", "x")]).await.unwrap();
        }
        let answer = self.0.call(request).await;
        append(&self.1, 3..4).await;
        answer
    }

    forward_watch!(self.0);
}

#[test]
fn an_application_that_writes_on_while_it_is_pushed_is_no_contradiction() {
    let (clock, store) = (Hand::at(200), memory());
    let (service, one) = (serve(&store, &clock), replica(1, &clock));
    block_on(append(&store, 3..6));
    for round in 0..3 {
        block_on(one.write(&[set("first", "x")])).unwrap();
        let writes_on = WritesOn(way(&service), store.clone(), one.clone());
        let synced = block_on(one.sync(&SmallPages(writes_on, 1)));
        assert!(synced.is_ok(), "round {round}: {synced:?}");
    }
    block_on(one.sync(&way(&service))).unwrap();
    assert_eq!(block_on(one.store().status()).unwrap().heads, block_on(store.status()).unwrap().heads);
}

/// A way that is lost after so many answers.
#[derive(Debug)]
struct Ends(MemoryTransport, AtomicU32);

#[async_trait]
impl Transport for Ends {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        match self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => self.0.call(request).await,
            Err(_) => Err(TransportError::Unreachable("the way is lost".into())),
        }
    }

    forward_watch!(self.0);
}

#[test]
fn a_peer_that_has_told_a_part_of_its_heads_is_no_peer_that_all_is_in_sync_with() {
    let (clock, stores) = (Hand::at(200), [memory(), memory()]);
    let [near, far] = stores.each_ref().map(|store| serve(store, &clock));
    block_on(append(&stores[0], 1..3));
    block_on(append(&stores[1], 1..120));
    let (one, mut answers) = (replica(1, &clock), 0);
    loop {
        block_on(one.sync(&way(&near))).unwrap();
        assert!(block_on(one.status()).unwrap().in_sync());
        let synced = block_on(one.sync(&Ends(way(&far), AtomicU32::new(answers))));
        let status = block_on(one.status()).unwrap();
        assert_eq!(status.in_sync(), answers == 0 || synced.is_ok(), "after {answers} answers: {status:?}");
        answers += 1;
        if synced.is_ok() {
            break;
        }
    }
    assert!(answers > 3, "{answers}");
}

/// A way on which ten seconds pass before each answer.
#[derive(Debug)]
struct Slow(MemoryTransport, Hand, AtomicU32);

#[async_trait]
impl Transport for Slow {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        self.1.set(200 + 10 * u64::from(self.2.fetch_add(1, Ordering::Relaxed)));
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

#[test]
fn clocks_are_compared_at_one_moment_though_heads_take_several_answers() {
    let (clock, store) = (Hand::at(200), memory());
    block_on(append(&store, 1..120));
    let (service, one) = (serve(&store, &clock), replica(1, &clock));
    let slow = Slow(way(&service), clock, AtomicU32::new(0));
    let near = serve(&memory(), &Hand::at(200));
    block_on(one.write(&[set("own", "x")])).unwrap();
    block_on(one.sync(&way(&near))).unwrap();
    assert_eq!(block_on(one.sync(&slow)).unwrap().skew_ms, 0);
    assert!(slow.2.load(Ordering::Relaxed) > 4);
}
