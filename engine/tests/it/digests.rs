//! Syncs that compare digests: what they tell, and peers that do not know digests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::format::codec;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder, VerifiedRun};
use syncline::format::{ChainHash, Head};
use syncline::protocol::{Answer, Code, Compare, PROTOCOL_VERSION, Problem, Reply, Request};
use syncline::store::WriteBatch;
use syncline::transport::forward_watch;
use syncline::{NTP64, Replica, ReplicaId, Seq, Service, Transport, TransportError};
use syncline_memory::MemoryTransport;

use crate::world::{Hand, block_on, id, pairs, replica, service, set, space, way};

/// A way that counts requests and the bytes of both directions.
#[derive(Debug)]
struct Counts(MemoryTransport, Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    bytes: usize,
    requests: BTreeMap<&'static str, usize>,
}

fn counting(service: &Arc<Service>) -> Counts {
    Counts(way(service), Mutex::default())
}

impl Counts {
    fn take(&self) -> Seen {
        std::mem::take(&mut self.1.lock().unwrap())
    }
}

fn kind(request: &Request) -> &'static str {
    match request {
        Request::Hello => "hello",
        Request::Heads(_) | Request::HeadsAfter(..) => "heads",
        Request::Compare(_, Compare { parts, .. }) if parts.is_empty() => "digest",
        Request::Compare(..) => "parts",
        Request::Pull(..) => "pull",
        Request::Push(..) => "push",
        Request::Snapshot(..) | Request::Supply(..) => "snapshot",
    }
}

#[async_trait]
impl Transport for Counts {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let (kind, sent) = (kind(&request), codec::encode(&request).len());
        let answer = self.0.call(request).await?;
        let mut seen = self.1.lock().unwrap();
        seen.bytes += sent + codec::encode(&answer).len();
        *seen.requests.entry(kind).or_default() += 1;
        Ok(answer)
    }

    forward_watch!(self.0);
}

/// A way to a peer of protocol version 1.
#[derive(Debug)]
struct First(MemoryTransport);

#[async_trait]
impl Transport for First {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        if matches!(request, Request::Compare(..)) {
            return Err(Problem::new(Code::Unsupported, "there is no such route").into());
        }
        let mut answer = self.0.call(request).await?;
        match &mut answer.reply {
            Reply::Hello(hello) => hello.versions = vec![PROTOCOL_VERSION],
            Reply::Tail(_) => panic!("a peer of version 1 does not read this"),
            _ => {}
        }
        Ok(answer)
    }

    forward_watch!(self.0);
}

fn origin(number: u32) -> ReplicaId {
    let mut bytes = [0; 16];
    // Spread as ids are that chance has chosen.
    bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    bytes[15] = 1;
    ReplicaId::from_bytes(bytes).unwrap()
}

fn first_run(number: u32) -> VerifiedRun {
    let mut run = RunBuilder::new(origin(number), Seq::new(1), ChainHash::GENESIS);
    run.push(NTP64(100 << 32), Body::Full(&encode_body(&[set(&number.to_string(), "x")]).unwrap()));
    run.finish().unwrap()
}

/// Puts bundles of these origins into a service's log.
fn fill(service: &Service, numbers: std::ops::Range<u32>) {
    let store = block_on(service.storage().open(&space())).unwrap();
    let runs = numbers.map(first_run).collect();
    block_on(store.commit(WriteBatch { runs, ..WriteBatch::default() })).unwrap();
}

fn write(replica: &Replica, key: &str) {
    block_on(replica.write(&[set(key, "a value of some length")])).unwrap();
}

#[test]
fn a_sync_of_one_bundle_takes_600_bytes_at_most_however_many_origins_there_are() {
    let clock = Hand::at(200);
    for origins in [10, 1_000, 20_000] {
        let service = service(&clock);
        fill(&service, 0..origins);
        let (one, other) = (replica(1, &clock), replica(2, &clock));
        let (from_one, from_other) = (counting(&service), counting(&service));
        for (replica, way) in [(&one, &from_one), (&other, &from_other), (&one, &from_one)] {
            write(replica, "first");
            block_on(replica.sync(way)).unwrap();
            way.take();
        }
        block_on(other.sync(&from_other)).unwrap();
        from_other.take();
        write(&one, "second");
        assert_eq!(block_on(one.sync(&from_one)).unwrap().pushed, 1);
        assert_eq!(block_on(other.sync(&from_other)).unwrap().pulled, 1);
        let [pushed, pulled] = [from_one.take(), from_other.take()];
        println!("{origins} origins: {} bytes to push one bundle, {} to pull it", pushed.bytes, pulled.bytes);
        assert!(pushed.bytes <= 600 && pulled.bytes <= 600, "{origins} origins: {pushed:?}, {pulled:?}");
        assert_eq!(pushed.requests, BTreeMap::from([("digest", 1), ("push", 1)]));
        assert_eq!(pulled.requests, BTreeMap::from([("digest", 1), ("pull", 1)]));
    }
}

#[test]
fn a_replica_that_knows_nothing_of_its_peer_any_more_asks_for_what_differs_only() {
    let clock = Hand::at(200);
    let service = service(&clock);
    fill(&service, 0..5_000);
    let store = crate::world::memory();
    let opened = || block_on(crate::world::compose(store.clone(), &clock).open(id(1))).unwrap();
    block_on(opened().sync(&way(&service))).unwrap();
    fill(&service, 5_000..5_001);
    let (again, way) = (opened(), counting(&service));
    assert_eq!(block_on(again.sync(&way)).unwrap().pulled, 1);
    let seen = way.take();
    assert!(!seen.requests.contains_key("heads") && seen.requests["parts"] <= 5, "{seen:?}");
    assert!(seen.bytes < 6_000, "{seen:?}");
}

#[test]
fn peers_of_both_versions_take_turns() {
    let clock = Hand::at(200);
    let (old, new) = (service(&clock), service(&clock));
    fill(&old, 0..40);
    fill(&new, 40..90);
    let (one, other) = (replica(1, &clock), replica(2, &clock));
    for round in 0..4 {
        write(&one, &format!("one {round}"));
        write(&other, &format!("other {round}"));
        for replica in [&one, &other, &one] {
            assert!(block_on(replica.sync(&First(way(&old)))).unwrap().is_complete());
            assert!(block_on(replica.sync(&way(&new))).unwrap().is_complete());
        }
        assert!(block_on(other.sync(&way(&new))).unwrap().is_complete());
        assert_eq!(pairs(&one), pairs(&other), "round {round}");
    }
    assert_eq!(pairs(&one).len(), 90 + 8);
}

/// Tells a digest that is none of its heads'.
#[derive(Debug)]
struct Lies(MemoryTransport);

#[async_trait]
impl Transport for Lies {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let mut answer = self.0.call(request).await?;
        if let Reply::Compare(told) = &mut answer.reply {
            told.digest = syncline::format::Heads::new().digest();
            told.moved = [(origin(7), Head::NONE)].into_iter().collect();
        }
        Ok(answer)
    }

    forward_watch!(self.0);
}

#[test]
fn a_digest_that_no_subtree_explains_leads_to_all_heads() {
    let clock = Hand::at(200);
    let service = service(&clock);
    fill(&service, 0..100);
    let one = replica(1, &clock);
    for round in 0..3 {
        write(&one, &format!("round {round}"));
        assert!(block_on(one.sync(&Lies(way(&service)))).unwrap().is_complete());
    }
    assert_eq!(pairs(&one).len(), 103);
}
