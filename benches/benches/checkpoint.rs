//! Checkpoints: what a refusal costs with a long log, and what commits pay for the rows as they were. In memory, volatile.

use std::sync::Arc;

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use syncline::attributes::Attributes;
use syncline::authority::{AllowAll, Policy, Principal};
use syncline::format::Bundle;
use syncline::protocol::Refusal;
use syncline::{Event, MemoryStorage, MemoryStore, Replica, Service, SpaceId};
use syncline_benches::workload::{Keys, Workload};
use syncline_memory::MemoryTransport;
use tokio::runtime::Runtime;

/// Bundles between the checkpoint and the end of the log.
const BEHIND: usize = 1_000;
const KEYS: u32 = 1_000;
const EVENTS: usize = 20_000;
const PER_BUNDLE: usize = 100;

/// Refuses bundles of more than one event.
#[derive(Debug)]
struct OneEach;

#[async_trait]
impl Policy for OneEach {
    async fn admit(&self, _: &Principal, _: &SpaceId, bundle: &Bundle<'_>) -> Result<(), Refusal> {
        match bundle.events().count() {
            1 => Ok(()),
            count => Err(Refusal::new("too-many", format!("{count} events"))),
        }
    }
}

async fn peer() -> MemoryTransport {
    let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
    let service = Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock));
    MemoryTransport::new(Arc::new(service.with_policy(Arc::new(OneEach))), "token").await.expect("everybody may enter")
}

async fn replica() -> Replica {
    let store = Arc::new(MemoryStore::new(syncline_os::log_id()));
    let space = SpaceId::new("bench").expect("the name is well formed");
    let replica = Replica::compose(space, store).clock(syncline_os::wall_clock).projection(Attributes);
    replica.checkpoint_every(0).open(syncline_os::replica_id()).await.expect("a new store opens")
}

async fn write(replica: &Replica, events: &[Event], per_bundle: usize) {
    for events in events.chunks(per_bundle) {
        replica.write(events).await.expect("the store takes what is written");
    }
}

fn events(keys: Keys, count: usize) -> Vec<Event> {
    Workload::new(keys, 1).take_events(count).expect("the workload is valid")
}

fn refuse(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let mut group = criterion.benchmark_group("refusal");
    group.sample_size(10);
    for (bundles, has_checkpoint) in [(1_000, false), (100_000, false), (100_000, true), (1_000_000, true)] {
        let (replica, peer) = runtime.block_on(async {
            let (replica, peer) = (replica().await, peer().await);
            let events = events(Keys::Few(KEYS), bundles);
            let (before, behind) = events.split_at(bundles - BEHIND);
            write(&replica, before, 1).await;
            if has_checkpoint {
                replica.sync(&peer).await.expect("the peer answers");
                replica.checkpoint().await.expect("the store answers").expect("nothing is pending");
            }
            write(&replica, behind, 1).await;
            replica.sync(&peer).await.expect("the peer answers");
            (replica, peer)
        });
        let refused = events(Keys::Few(KEYS), 2);
        let name = if has_checkpoint { "checkpoint 1,000 bundles ago" } else { "no checkpoint" };
        group.bench_function(BenchmarkId::new(name, bundles), |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    replica.write(&refused).await.expect("the store takes what is written");
                    let report = replica.sync(&peer).await.expect("the peer answers");
                    assert_eq!(report.refused.len(), 1);
                });
            });
        });
    }
    group.finish();
}

fn keep(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let mut group = criterion.benchmark_group("commit with rows");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(10);
    for (keys, rows) in [(Keys::Few(KEYS), "rows touched again"), (Keys::Distinct, "distinct keys")] {
        let events = events(keys, EVENTS);
        for (has_checkpoint, name) in [(false, "no checkpoint"), (true, "checkpoint")] {
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                let fresh = || {
                    let replica = runtime.block_on(replica());
                    if has_checkpoint {
                        runtime.block_on(replica.checkpoint()).expect("the store answers").expect("nothing is pending");
                    }
                    replica
                };
                let commit = |replica: Replica| runtime.block_on(write(&replica, &events, PER_BUNDLE));
                bencher.iter_batched(fresh, commit, criterion::BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, refuse, keep);
criterion_main!(benches);
