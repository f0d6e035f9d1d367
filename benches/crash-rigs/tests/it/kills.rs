//! The kill rig in small: real processes, really killed.

use std::fs;
use std::path::{Path, PathBuf};

use syncline_crash::report::Verdict;
use syncline_crash::rig::{RigError, SCRATCH_PREFIX, Series, own_scratch, run};
use syncline_crash::setting::Crash;

fn scratch(within: &Path) -> PathBuf {
    let folder = within.join(format!("{SCRATCH_PREFIX}test"));
    fs::create_dir(&folder).unwrap();
    own_scratch(&folder).unwrap()
}

#[test]
fn a_file_keeps_what_was_acknowledged_when_its_writer_is_killed() {
    let within = tempfile::tempdir().unwrap();
    let scratch = scratch(within.path());
    let (setting, crash) = ("file-process".parse().unwrap(), Crash::Kill);
    let program = env!("CARGO_BIN_EXE_crash").into();
    let series = Series { setting, crash, count: 4, seed: 5, scratch: scratch.clone(), program };
    let outcome = run(&series, |_| ()).unwrap();
    assert_eq!((outcome.verdict(), outcome.crashes), (Verdict::AsPromised, 4), "{outcome:?}");
    assert!(outcome.acknowledged > 0 && outcome.looks > 0, "{outcome:?}");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_folder_that_is_not_the_rigs_own_is_refused() {
    let within = tempfile::tempdir().unwrap();
    let is_refused = |folder: &Path| matches!(own_scratch(folder), Err(RigError::NotOurs { .. }));
    assert!(is_refused(within.path()), "another name");
    let folder = scratch(within.path());
    fs::write(folder.join("a letter"), "dear").unwrap();
    assert!(is_refused(&folder), "something in it");
    assert!(is_refused(&within.path().join("syncline-crash.none")), "not there");
}
