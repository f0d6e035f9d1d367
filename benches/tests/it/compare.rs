//! The program that compares, run for real on next to nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use syncline_benches::compare::{Report, Work};
use syncline_benches::place::Backend;
use tempfile::TempDir;

fn compare(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_compare")).args(arguments).output().unwrap()
}

/// What a run on memory and SQLite has written.
fn measured(work: &[&str]) -> (TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let mut arguments = vec!["--quick", "--scale", "0.01", "--backend", "memory", "--backend", "sqlite"];
    arguments.extend(["--out", here, "--folder", here]);
    work.iter().for_each(|work| arguments.extend(["--workload", work]));
    let output = compare(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (folder, output)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn everything_is_measured_and_lies_in_a_table_a_file_and_a_page() {
    let (folder, output) = measured(&[]);
    let report = Report::read(&folder.path().join("compare.json")).unwrap();
    let table = stdout(&output);
    for work in
        Work::ALL.into_iter().filter(|work| !matches!(work, Work::Memory | Work::Server) || cfg!(target_os = "linux"))
    {
        let classes = report.measurements.iter().filter(|measured| measured.work == work);
        let expected = [Backend::Memory, Backend::Sqlite].into_iter().flat_map(|backend| {
            backend.durabilities().iter().filter(move |durability| work.applies(backend, **durability))
        });
        let without_memory = usize::from(matches!(work, Work::Reopen | Work::Disk));
        assert_eq!(classes.clone().count(), expected.count() - without_memory, "{work}");
        assert!(classes.clone().all(|measured| measured.ours.value > 0.0), "{work}");
        let compared = classes.filter(|measured| measured.backend == Backend::Sqlite);
        assert!(compared.clone().all(|measured| measured.ratio.is_some_and(|ratio| ratio > 0.0)), "{work}");
        assert!(table.contains(work.title()), "{work}");
    }
    assert!(report.gaps.iter().all(|gap| table.contains(&gap.to_string())));
    // Nothing is left but what was written.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    page_needs_nothing_else(&fs::read_to_string(folder.path().join("compare.html")).unwrap());
}

fn page_needs_nothing_else(page: &str) {
    for reference in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe"] {
        assert!(!page.contains(reference), "{reference}");
    }
    for part in ["<svg", "prefers-color-scheme: dark", "width=device-width", "process: lossy", "volatile: lossy"] {
        assert!(page.contains(part), "{part}");
    }
}

/// The baseline's text with every ratio so many times as high.
fn doctored(json: &Path, factor: f64) -> String {
    let mut report: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    for measurement in report["measurements"].as_array_mut().unwrap() {
        if let Some(ratio) = measurement.get("ratio").and_then(serde_json::Value::as_f64) {
            measurement["ratio"] = (ratio * factor).into();
        }
    }
    report.to_string()
}

#[test]
fn a_baseline_that_was_better_is_noticed_and_the_same_one_is_not() {
    let (folder, _) = measured(&["single", "tail"]);
    let (json, better) = (folder.path().join("compare.json"), folder.path().join("better.json"));
    let against = |baseline: &Path, more: &[&str]| {
        let [json, baseline, out] = [&json, baseline, folder.path()].map(|path| path.to_str().unwrap());
        compare(&[&["--render", json, "--out", out, "--baseline", baseline], more].concat())
    };
    let same = against(&json, &["--absolute"]);
    assert_eq!(same.status.code(), Some(0), "{}{}", stdout(&same), stderr(&same));

    fs::write(&better, doctored(&json, 1.25)).unwrap();
    let worse = against(&better, &[]);
    assert_eq!(worse.status.code(), Some(1), "{}", stderr(&worse));
    for name in ["SQLite, synced, append, one event per commit", "20 % worse"] {
        assert!(stdout(&worse).contains(name), "{}", stdout(&worse));
    }
    assert_eq!(against(&better, &["--margin", "0.3"]).status.code(), Some(0));
    // Quick runs are held against quick ones.
    let full = fs::read_to_string(&json).unwrap().replace("\"quick\": true", "\"quick\": false");
    fs::write(&better, full).unwrap();
    let unlike = against(&better, &[]);
    assert_eq!(unlike.status.code(), Some(2));
    assert!(stderr(&unlike).contains("the baseline is of a full run"), "{}", stderr(&unlike));
    // What was not asked for is not missed.
    fs::write(&better, doctored(&json, 0.5)).unwrap();
    assert_eq!(against(&better, &["--workload", "tail"]).status.code(), Some(0));
}

#[test]
fn a_baseline_that_is_none_is_refused_by_name_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    let refused = |text: Option<&str>| {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let output = compare(&["--baseline", file.to_str().unwrap(), "--out", folder.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("before.json"), "{}", stderr(&output));
        stderr(&output)
    };
    assert!(refused(None).contains("cannot be read"));
    assert!(refused(Some("{\"cut")).contains("not a file that `compare` has written"));
    assert!(refused(Some("[]")).contains("not a file that `compare` has written"));
    assert!(refused(Some(r#"{"format":"other","version":1}"#)).contains("its format is `other`"));
    assert!(refused(Some(r#"{"format":"syncline-compare","version":1}"#)).contains("missing field"));
    assert!(refused(Some(r#"{"format":"syncline-compare","version":3}"#)).contains("version 3"));
}

#[test]
fn arguments_that_make_no_sense_are_refused_with_what_there_is() {
    for (arguments, hint) in [
        (&["--backend", "oracle"][..], "sqlite, redb, sled, postgres, memory"),
        (&["--workload", "lunch"], "few-keys"),
        (&["--margin", "1.5"], "0.15"),
        (&["--absolute"], "--baseline"),
    ] {
        let output = compare(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(hint), "{}", stderr(&output));
    }
    let nowhere = compare(&["--folder", "/nowhere/at/all", "--backend", "memory", "--out", "/tmp"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(stderr(&nowhere).contains("/nowhere/at/all"), "{}", stderr(&nowhere));
}

#[test]
fn a_postgres_that_cannot_be_had_is_told_and_not_skipped_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_compare"));
    program.args(["--quick", "--scale", "0.01", "--workload", "single", "--backend", "postgres", "--out", here]);
    program.env_remove("SYNCLINE_TEST_POSTGRES_URL").env("PG_BIN_DIR", folder.path());
    let output = program.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("Postgres: not measured: PG_BIN_DIR names"), "{}", stdout(&output));
    let report = Report::read(&folder.path().join("compare.json")).unwrap();
    assert_eq!((report.measurements.len(), report.gaps.len()), (0, 1));
}
