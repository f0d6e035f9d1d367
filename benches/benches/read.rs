//! Reading: the log in pages of 1 MiB, one attribute, all attributes. Reads are the same whatever a commit survives.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use syncline::attributes::Attribute;
use syncline::store::{Durability, Limit, RowRange};
use syncline::{Cursor, Replica};
use syncline_benches::bare::ByHand;
use syncline_benches::ours;
use syncline_benches::place::{Backend, Place};
use syncline_benches::workload::{Change, Keys, Workload};
use tokio::runtime::Runtime;

const EVENTS: usize = 20_000;
const PER_COMMIT: usize = 10;
const KEYS: Keys = Keys::Few(1_000);

fn read(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let changes = Workload::new(KEYS, 1).take_changes(EVENTS);
    let file = folder.path().join("ours.sqlite");
    let sqlite = runtime.block_on(ours::open_sqlite(&file, Durability::Process));
    let replicas = [("memory/volatile", runtime.block_on(ours::open_memory())), ("sqlite/process", sqlite)];
    for (store, replica) in replicas {
        let replica = replica.expect("a new store opens");
        bench_ours(criterion, &runtime, store, &replica, &changes);
    }
    let place = Place::of_path(Backend::Sqlite, &folder.path().join("by-hand.sqlite"));
    let mut bare = runtime.block_on(ByHand::new(&place, Durability::Process)).expect("a new file opens");
    for changes in changes.chunks(PER_COMMIT) {
        runtime.block_on(bare.write(changes, true)).expect("the file takes what is written");
    }
    bench_bare(criterion, &runtime, &mut bare, &changes);
}

fn bench_ours(criterion: &mut Criterion, runtime: &Runtime, store: &str, replica: &Replica, changes: &[Change]) {
    let events: Vec<_> = changes.iter().map(|change| change.event().expect("the workload is valid")).collect();
    runtime.block_on(ours::append(replica, &events, PER_COMMIT)).expect("the store takes what is written");
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function(BenchmarkId::new(store, "log"), |bencher| {
        bencher.iter(|| runtime.block_on(read_log(replica)));
    });
    group.throughput(Throughput::Elements(1));
    let mut attributes =
        changes.iter().map(|change| Attribute::from_key(&change.key).expect("the workload is valid")).cycle();
    let view = replica.attributes().expect("it has attributes");
    group.bench_function(BenchmarkId::new(store, "attribute"), |bencher| {
        bencher.iter(|| runtime.block_on(view.read(&attributes.next().expect("they go on and on"))));
    });
    group.throughput(Throughput::Elements(1_000));
    group.bench_function(BenchmarkId::new(store, "all attributes"), |bencher| {
        bencher.iter(|| runtime.block_on(view.present(RowRange::all())));
    });
    group.finish();
}

async fn read_log(replica: &Replica) {
    let store = replica.store();
    let mut cursor = Cursor::start(store.status().await.expect("the store answers").log);
    loop {
        let page = store.read(cursor, Limit::PAGE).await.expect("the store answers");
        if page.is_last() {
            return;
        }
        cursor = page.next;
    }
}

fn bench_bare(criterion: &mut Criterion, runtime: &Runtime, bare: &mut ByHand, changes: &[Change]) {
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("by-hand sqlite/process/log", |bencher| {
        bencher.iter(|| black_box(runtime.block_on(bare.read(0, usize::MAX))));
    });
    group.throughput(Throughput::Elements(1));
    let mut keys = changes.iter().map(|change| &change.key).cycle();
    group.bench_function("by-hand sqlite/process/attribute", |bencher| {
        bencher.iter(|| black_box(runtime.block_on(bare.row(keys.next().expect("they go on and on")))));
    });
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("by-hand sqlite/process/all attributes", |bencher| {
        bencher.iter(|| black_box(runtime.block_on(bare.state())));
    });
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
