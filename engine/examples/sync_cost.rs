//! What a sync of one bundle costs, by the number of origins in the log: bytes of both directions, and time in memory on one core. The
//! device that writes pushes the bundle; another device pulls it.
//!
//! `cargo run --release -p syncline --example sync_cost`

#![allow(clippy::print_stdout, reason = "it tells what it has measured")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_executor::block_on;
use syncline::authority::AllowAll;
use syncline::format::ChainHash;
use syncline::format::codec;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder};
use syncline::protocol::{Answer, Request};
use syncline::store::WriteBatch;
use syncline::transport::forward_watch;
use syncline::{
    Event, EventType, LogId, MemoryStorage, MemoryStore, NTP64, Replica, ReplicaId, Seq, Service, SpaceId, Transport,
    TransportError,
};
use syncline_memory::MemoryTransport;

const NOTE: EventType = EventType::new("note", 1);
const ROUNDS: u32 = 1_000;

fn main() {
    let mut first = None;
    for origins in [10, 1_000, 65_000, 100_000] {
        let [pushed, pulled] = cost(origins);
        let time = pushed.time + pulled.time;
        let ratio = time.as_secs_f64() / first.get_or_insert(time).as_secs_f64();
        println!(
            "{origins:>6} origins: push {} bytes {:?}, pull {} bytes {:?}, time x {ratio:.2}",
            pushed.bytes, pushed.time, pulled.bytes, pulled.time,
        );
    }
}

/// Of one sync: bytes on average, and the median of the times.
#[derive(Debug, Default)]
struct Cost {
    bytes: usize,
    time: Duration,
}

fn cost(origins: u32) -> [Cost; 2] {
    let service = Arc::new(Service::new(Arc::new(MemoryStorage::new(|| log(9))), Arc::new(AllowAll), Arc::new(now)));
    let peer = block_on(MemoryTransport::new(service.clone(), "a token")).expect("it is known");
    let way = Counts(peer, AtomicUsize::new(0));
    let [one, other] = [1, 2].map(replica);
    // A log that is full takes bundles of the origins that it has.
    block_on(one.write(&[Event::new(NOTE, vec![7; 40])])).expect("it is small");
    block_on(one.sync(&way)).expect("the service answers");
    fill(&service, origins);
    let mut bytes = [0, 0];
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS + 4 {
        block_on(one.write(&[Event::new(NOTE, vec![7; 40])])).expect("it is small");
        for (which, replica) in [&one, &other].into_iter().enumerate() {
            let begun = (way.1.load(Ordering::Relaxed), Instant::now());
            block_on(replica.sync(&way)).expect("the service answers");
            // The first rounds bring everything else.
            if round >= 4 {
                bytes[which] += way.1.load(Ordering::Relaxed) - begun.0;
                times[which].push(begun.1.elapsed());
            }
        }
    }
    [0, 1].map(|which| {
        times[which].sort_unstable();
        Cost { bytes: bytes[which] / ROUNDS as usize, time: times[which][ROUNDS as usize / 2] }
    })
}

fn log(byte: u8) -> LogId {
    LogId::from_bytes([byte; 16]).expect("not zero")
}

fn now() -> NTP64 {
    NTP64(1 << 60)
}

fn replica(byte: u8) -> Replica {
    let space = SpaceId::new("team").expect("well formed");
    let compose = Replica::compose(space, Arc::new(MemoryStore::new(log(byte)))).clock(now);
    block_on(compose.open(ReplicaId::from_bytes([byte; 16]).expect("not zero"))).expect("the store is new")
}

/// Lets the service's log have a bundle of each of so many origins more.
fn fill(service: &Service, origins: u32) {
    let body = encode_body(&[Event::new(NOTE, vec![7; 40])]).expect("it is small");
    let run = |number: u32| {
        // Spread as ids are that chance has chosen.
        let spread = u128::from(number.wrapping_mul(0x9e37_79b1)) << 96 | 1;
        let id = ReplicaId::from_bytes(spread.to_be_bytes()).expect("not zero");
        let mut run = RunBuilder::new(id, Seq::new(1), ChainHash::GENESIS);
        run.push(NTP64(1 << 50), Body::Full(&body));
        run.finish().expect("it has a bundle")
    };
    let space = SpaceId::new("team").expect("well formed");
    let store = block_on(service.storage().open(&space)).expect("it is in memory");
    let runs = (0..origins).map(run).collect();
    block_on(store.commit(WriteBatch { runs, ..WriteBatch::default() })).expect("the runs are sound");
}

/// Counts the bytes of both directions.
#[derive(Debug)]
struct Counts(MemoryTransport, AtomicUsize);

#[async_trait]
impl Transport for Counts {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let sent = codec::encode(&request).len();
        let answer = self.0.call(request).await?;
        self.1.fetch_add(sent + codec::encode(&answer).len(), Ordering::Relaxed);
        Ok(answer)
    }

    forward_watch!(self.0);
}
