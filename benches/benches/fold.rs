//! Folding: a log's events into rows, without a store, and as a view is rebuilt from its log.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use syncline::attributes::Attributes;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder};
use syncline::format::{ChainHash, Run};
use syncline::projection::fold::Projections;
use syncline::store::Durability;
use syncline::{NTP64, Projection as _, Seq};
use syncline_benches::ours;
use syncline_benches::workload::{Keys, Workload};
use tokio::runtime::Runtime;

const EVENTS: usize = 20_000;
const PER_BUNDLE: usize = 10;
const KEYS: [(&str, Keys); 2] = [("1,000 keys", Keys::Few(1_000)), ("distinct keys", Keys::Distinct)];

fn fold(criterion: &mut Criterion) {
    let mut projections = Projections::none();
    projections.add(Arc::new(Attributes)).expect("it is the only one");
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (name, keys) in KEYS {
        let run = run(keys);
        group.bench_function(BenchmarkId::new("no store", name), |bencher| {
            bencher.iter(|| {
                let plan = projections.plan([&run]);
                let rows = plan.rows();
                let none = vec![None; rows.len()];
                black_box(plan.fold(rows, none))
            });
        });
    }
    group.finish();
}

fn run(keys: Keys) -> Run {
    let mut run = RunBuilder::new(syncline_os::replica_id(), Seq::new(1), ChainHash::GENESIS);
    let events = Workload::new(keys, 1).take_events(EVENTS).expect("the workload is valid");
    for (time, events) in (1..).zip(events.chunks(PER_BUNDLE)) {
        run.push(NTP64(time), Body::Full(&encode_body(events).expect("the bundle is small")));
    }
    run.finish().expect("there are bundles").run().clone()
}

fn rebuild(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let mut group = criterion.benchmark_group("rebuild");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(10);
    for (name, keys) in KEYS {
        let file = |durability| folder.path().join(format!("{name}-{durability}.sqlite"));
        let open = |durability| runtime.block_on(ours::open_sqlite(&file(durability), durability));
        let replicas = [
            ("memory/volatile", runtime.block_on(ours::open_memory())),
            ("sqlite/process", open(Durability::Process)),
            ("sqlite/synced", open(Durability::Synced)),
        ];
        for (store, replica) in replicas {
            let replica = replica.expect("a new store opens");
            let events = Workload::new(keys, 1).take_events(EVENTS).expect("the workload is valid");
            runtime.block_on(ours::append(&replica, &events, 1_000)).expect("the store takes what is written");
            let view = Attributes.view();
            group.bench_function(BenchmarkId::new(store, name), |bencher| {
                let rebuild = |()| runtime.block_on(replica.rebuild(&view)).expect("the log reads back");
                bencher.iter_batched(|| (), rebuild, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, fold, rebuild);
criterion_main!(benches);
