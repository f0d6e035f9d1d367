//! What is weighed has the weight that it should.

use std::path::Path;

use syncline::store::Durability;
use syncline_benches::fresh::{self, Plan, Sites};
use syncline_benches::workload::Keys;
use syncline_benches::{disk, memory, sizes};

const PLAN: Plan = Plan { keys: Keys::Few(100), events: 1_000, per_bundle: 10 };

#[tokio::test]
async fn a_push_takes_more_than_its_payload() {
    let folder = tempfile::tempdir().unwrap();
    assert!(sizes::push_overhead(folder.path(), 3).await.unwrap() > 0);
}

#[tokio::test]
async fn a_sync_and_its_payloads_are_weighed() {
    let folder = tempfile::tempdir().unwrap();
    let sites = Sites::start(&PLAN, folder.path()).await.unwrap();
    let (replica, synced) = fresh::sync_ours(&sites.ours, folder.path(), Durability::Process).await.unwrap();
    let payloads = sizes::compressed_payloads(&PLAN).unwrap();
    assert!(payloads > 0 && synced.bytes > payloads / 2);
    let synced = disk::weigh(replica, &folder.path().join("ours.sqlite")).await.unwrap();
    assert!(synced.encoded_bytes > 1_000 * 60 && synced.disk_bytes > synced.encoded_bytes);
}

#[tokio::test]
async fn a_log_is_not_smaller_on_the_disk_than_encoded() {
    let folder = tempfile::tempdir().unwrap();
    for per_bundle in [1, 10] {
        let written = disk::written(folder.path(), 500, per_bundle).await.unwrap();
        assert!(written.encoded_bytes > 500 * 60);
        assert!(written.disk_bytes > written.encoded_bytes);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_in_a_process_of_its_own_tells_its_peak() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_compare"));
    let peak = memory::measure(program, folder.path(), &PLAN).await.unwrap();
    assert!(peak.log_bytes > 1_000 * 60);
    assert!(peak.memory_bytes > 1_000_000);
}
