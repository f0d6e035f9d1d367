//! A disk that is full.

#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use syncline::StoreError;
use syncline_conformance::{Author, Subject, appends, placed};
use syncline_sqlite::SqliteStorage;

use crate::file::Place;

const NAME: &str = "full::a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged";
/// Tells the test that it is the process whose files may not grow, and where to write.
const CRAMPED: &str = "SYNCLINE_TEST_CRAMPED";

fn bodies(round: u8) -> [Vec<u8>; 1] {
    [vec![round; 20_000]]
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged() {
    if let Some(path) = std::env::var_os(CRAMPED) {
        return println!("\nacknowledged {}", write_until_full(path.as_ref()).await);
    }
    let place = Place::new();
    // No file may grow beyond a mebibyte, which is a full disk to anyone who writes it.
    let line = format!("trap '' XFSZ; ulimit -f 2048; exec \"$0\" --exact {NAME} --nocapture");
    let program = std::env::current_exe().unwrap();
    let output = Command::new("sh").args(["-c", &line]).arg(program).env(CRAMPED, place.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged = said.lines().find_map(|line| line.strip_prefix("acknowledged ")).unwrap().parse().unwrap();
    // Room again: nothing needs repair, and writing continues.
    let mut ann = Author::new(1);
    let written: Vec<_> = (1..=200).map(|round| ann.write_bodies(&bodies(round))).collect();
    let store = Subject::open(&place.open(), "notes").await;
    let log = store.log().await;
    assert!(log.len() >= acknowledged && acknowledged > 5, "{} of {acknowledged}", log.len());
    assert!(log == placed(1, &written)[..log.len()]);
    store.commit(appends([written[log.len()].clone()])).await;
}

/// Writes until a commit fails. How many did not.
async fn write_until_full(path: &Path) -> usize {
    let storage = SqliteStorage::at(path).unwrap();
    let store = Subject::open(&storage, "notes").await;
    let (mut ann, mut written) = (Author::new(1), Vec::new());
    for round in 1..=200u8 {
        let next = ann.write_bodies(&bodies(round));
        if let Err(error) = store.store().commit(appends([next.clone()])).await {
            assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
            // If SQLite does not know what its file holds now, everything says so until it is opened again.
            match store.store().status().await {
                Ok(_) => assert!(store.log().await == placed(1, &written), "what was acknowledged, and nothing else"),
                Err(error) => assert!(matches!(error, StoreError::Poisoned { .. }), "{error:?}"),
            }
            return written.len();
        }
        written.push(next);
    }
    panic!("the disk was never full")
}
