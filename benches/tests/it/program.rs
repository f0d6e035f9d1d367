//! The program that prints the targets.

use std::process::{Command, Output};

fn targets(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_targets")).args(arguments).output().unwrap()
}

#[test]
fn every_target_is_measured_and_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (here, json) = (folder.path().to_str().unwrap(), folder.path().join("targets.json"));
    let output = targets(&["--scale", "0.0001", "--folder", here, "--json", json.to_str().unwrap()]);
    let (table, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    let lines: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(lines.len(), if cfg!(target_os = "linux") { 12 } else { 11 });
    for line in &lines {
        assert!(table.contains(line["what"].as_str().unwrap()), "{table}");
        assert!(line["ratio"].as_f64().unwrap() > 0.0, "{line}");
    }
    assert!(table.contains("targets met"), "{table}");
    // Nothing is left but the measurements.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn one_measurement_can_be_asked_for() {
    let output = targets(&["--scale", "0.0001", "--only", "disk, single"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("≤").count(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_named_as_the_reason() {
    let output = targets(&["--folder", "/nowhere/at/all", "--only", "disk"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("targets: "));
}
