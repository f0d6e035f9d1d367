//! Which store for a workload, asked of the real programs.

use std::fs;
use std::process::{Command, Output};

use syncline_benches::compare::Report;

fn compare(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_compare")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_workload_of_ones_own_gives_one_line_for_each_store_that_keeps_enough() {
    let folder = tempfile::tempdir().unwrap();
    let (here, file) = (folder.path().to_str().unwrap(), folder.path().join("own.toml"));
    fs::write(
        &file,
        "payload-bytes = 300\nkeys = 50\nwriters = 2\nreads-per-write = 1\ndurability = \"process\"\nseconds = 0.1",
    )
    .unwrap();
    let arguments = ["--pattern", file.to_str().unwrap(), "--keys", "60", "--out", here, "--folder", here];
    let stores = ["--backend", "sqlite", "--backend", "redb", "--backend", "memory"];
    let output = compare(&[&arguments[..], &stores].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report = Report::read(&folder.path().join("compare.json")).unwrap();
    let summary = report.summary.unwrap();
    assert_eq!((summary.pattern.payload_bytes, summary.pattern.keys), (300, 60), "a flag goes before the file");
    assert!(report.measurements.is_empty(), "nothing by hand knows this workload");
    let found: Vec<_> = summary.lines.iter().map(|line| (line.store.as_str(), line.durability.to_string())).collect();
    for expected in [("sqlite", "process"), ("redb", "synced")] {
        assert!(found.iter().any(|(store, durability)| (*store, durability.as_str()) == expected), "{found:?}");
    }
    assert_eq!(found.len(), 2, "memory keeps less than was asked: {found:?}");
    for line in &summary.lines {
        let costs = [line.disk_bytes_per_event, line.reopen_ms, line.read.map(|read| read.p99_us)];
        assert!(
            line.events_per_second > 0.0 && costs.iter().all(|cost| cost.is_some_and(|cost| cost > 0.0)),
            "{line:?}"
        );
    }
    let page = fs::read_to_string(folder.path().join("compare.html")).unwrap();
    assert!(page.contains("Which store suits this workload?") && text(&output.stdout).starts_with("Which store"));
    // Nothing is left but what was written.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_workload_that_makes_no_sense_is_refused_with_what_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    fs::write(&file, "keys = 5\npayload = 7\n").unwrap();
    let name = file.to_str().unwrap();
    for (arguments, hint) in [
        (&["--writers", "0"][..], "writers is 0; it takes 1 to 1000"),
        (&["--rows", "false", "--reads-per-write", "3"], "nothing to read"),
        (&["--durability", "forever"], "volatile, process and synced"),
        (&["--pattern", name], "payload-bytes"),
        (&["--pattern", "/nowhere.toml"], "/nowhere.toml cannot be read"),
    ] {
        let output = compare(&[arguments, &["--out", folder.path().to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(hint), "{}", text(&output.stderr));
    }
}
