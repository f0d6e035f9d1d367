//! A disk that is full.

#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use futures_executor::block_on;
use syncline::StoreError;
use syncline_conformance::{Author, Subject, appends, placed};
use syncline_sled::SledStorage;

use crate::directory::Place;

const NAME: &str = "full::a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged";
/// Tells the test that it is the process whose files may not grow, and where to write.
const CRAMPED: &str = "SYNCLINE_TEST_CRAMPED";

fn bodies(round: u8) -> [Vec<u8>; 1] {
    [vec![round; 20_000]]
}

#[test]
fn a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged() {
    if let Some(path) = std::env::var_os(CRAMPED) {
        return println!("\nacknowledged {}", write_until_full(path.as_ref()));
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
    block_on(async {
        let store = Subject::open(&place.open(), "notes").await;
        let log = store.log().await;
        assert!(log.len() >= acknowledged && acknowledged > 5, "{} of {acknowledged}", log.len());
        assert!(log == placed(1, &written)[..log.len()]);
        store.commit(appends([written[log.len()].clone()])).await;
    });
}

/// Writes until a commit fails. How many did not.
fn write_until_full(path: &Path) -> u8 {
    let storage = SledStorage::at(path).unwrap();
    let mut ann = Author::new(1);
    block_on(async {
        let store = Subject::open(&storage, "notes").await;
        for round in 1..=200u8 {
            match store.store().commit(appends([ann.write_bodies(&bodies(round))])).await {
                Ok(_) => {}
                Err(error) => {
                    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
                    assert!(matches!(store.store().status().await, Err(StoreError::Poisoned { .. })));
                    return round - 1;
                }
            }
        }
        panic!("the disk was never full");
    })
}
