//! Appending: one event and 100 events per commit, alone and with 16 writers at once. Ids name store, durability, writers and
//! events per commit; `by-hand` is the same work on plain rusqlite, which has one writer.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use syncline::Replica;
use syncline::store::Durability;
use syncline_benches::bare::ByHand;
use syncline_benches::ours;
use syncline_benches::place::{Backend, Place};
use syncline_benches::workload::{Keys, Workload};
use tokio::runtime::Runtime;

const DURABLE: [Durability; 2] = [Durability::Process, Durability::Synced];

fn append(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let mut replicas = vec![("memory/volatile".to_owned(), runtime.block_on(ours::open_memory()))];
    for durability in DURABLE {
        let file = folder.path().join(format!("{durability}.sqlite"));
        replicas.push((format!("sqlite/{durability}"), runtime.block_on(ours::open_sqlite(&file, durability))));
    }
    let mut group = criterion.benchmark_group("append");
    for (store, replica) in replicas {
        let replica = replica.expect("a new store opens");
        for (writers, per_commit) in [(1, 1), (1, 100), (16, 1), (16, 100)] {
            group.throughput(Throughput::Elements((writers * per_commit) as u64));
            let id = BenchmarkId::new(&store, format!("{writers} writers/{per_commit} per commit"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|commits| time_ours(&runtime, &replica, writers, per_commit, commits));
            });
        }
    }
    for durability in DURABLE {
        let file = folder.path().join(format!("by-hand-{durability}.sqlite"));
        let place = Place::of_path(Backend::Sqlite, &file);
        let mut bare = runtime.block_on(ByHand::new(&place, durability)).expect("a new file opens");
        for per_commit in [1, 100] {
            group.throughput(Throughput::Elements(per_commit as u64));
            let id =
                BenchmarkId::new(format!("by-hand sqlite/{durability}"), format!("1 writers/{per_commit} per commit"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|commits| runtime.block_on(time_bare(&mut bare, per_commit, commits)));
            });
        }
    }
    group.finish();
}

/// Lets each writer make so many commits.
fn time_ours(runtime: &Runtime, replica: &Replica, writers: usize, per_commit: usize, commits: u64) -> Duration {
    let count = writers * per_commit * commits as usize;
    let events = Workload::new(Keys::TEN_THOUSAND, commits).take_events(count).expect("the workload is valid");
    let work = async move {
        let start = Instant::now();
        match writers {
            1 => ours::append(replica, &events, per_commit).await,
            _ => ours::append_concurrently(replica, &events, per_commit, writers).await,
        }
        .expect("the store takes what is written");
        start.elapsed()
    };
    runtime.block_on(work)
}

async fn time_bare(bare: &mut ByHand, per_commit: usize, commits: u64) -> Duration {
    let changes = Workload::new(Keys::TEN_THOUSAND, commits).take_changes(per_commit * commits as usize);
    let start = Instant::now();
    for changes in changes.chunks(per_commit) {
        bare.write(changes, true).await.expect("the file takes what is written");
    }
    start.elapsed()
}

criterion_group!(benches, append);
criterion_main!(benches);
