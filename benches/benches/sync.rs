//! Syncing a fresh replica: in one process from memory to memory, and over HTTP from SQLite to SQLite, next to the pipeline by
//! hand. Bundles of ten events.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use syncline::authority::AllowAll;
use syncline::store::Durability;
use syncline::{MemoryStorage, Service};
use syncline_benches::fresh::{self, Plan, Sites};
use syncline_benches::ours;
use syncline_benches::workload::Keys;
use syncline_memory::MemoryTransport;
use tokio::runtime::Runtime;

const EVENTS: usize = 20_000;
const KEYS: [(&str, Keys); 2] = [("1,000 keys", Keys::Few(1_000)), ("distinct keys", Keys::Distinct)];
const DURABLE: [Durability; 2] = [Durability::Process, Durability::Synced];

fn in_memory(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let mut group = criterion.benchmark_group("sync");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(10);
    for (name, keys) in KEYS {
        let transport = runtime.block_on(async {
            let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
            let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock)));
            let transport = MemoryTransport::new(service, "token").await.expect("everybody may enter");
            let plan = Plan { keys, events: EVENTS, per_bundle: 10 };
            fresh::write_log(&plan, &transport).await.expect("the server takes the log");
            transport
        });
        group.bench_function(BenchmarkId::new("memory/volatile", name), |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let replica = ours::open_memory().await.expect("a new store opens");
                    replica.sync(&transport).await.expect("the server answers")
                })
            });
        });
    }
    group.finish();
}

fn over_http(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let mut group = criterion.benchmark_group("sync");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(10);
    for (name, keys) in KEYS {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let plan = Plan { keys, events: EVENTS, per_bundle: 10 };
        let sites = runtime.block_on(Sites::start(&plan, folder.path())).expect("both servers start");
        for durability in DURABLE {
            let ours = BenchmarkId::new(format!("sqlite over http/{durability}"), name);
            group.bench_function(ours, |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| sync_ours(&runtime, &sites, durability)).sum());
            });
            let by_hand = BenchmarkId::new(format!("by-hand sqlite over http/{durability}"), name);
            group.bench_function(by_hand, |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| sync_by_hand(&runtime, &sites, durability)).sum());
            });
        }
    }
    group.finish();
}

fn sync_ours(runtime: &Runtime, sites: &Sites, durability: Durability) -> Duration {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    runtime.block_on(fresh::sync_ours(&sites.ours, folder.path(), durability)).expect("the sync ends well").1.took
}

fn sync_by_hand(runtime: &Runtime, sites: &Sites, durability: Durability) -> Duration {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    runtime.block_on(fresh::sync_by_hand(&sites.by_hand, folder.path(), durability)).expect("the sync ends well").1.took
}

criterion_group!(benches, in_memory, over_http);
criterion_main!(benches);
