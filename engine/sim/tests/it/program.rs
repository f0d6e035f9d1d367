//! The program `sim`: what it prints, and how it ends.

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn histories_without_a_finding_end_well_and_say_what_took_effect() {
    let output = sim(&["--profile", "crash", "--seed", "5", "--histories", "6", "--steps", "60", "--jobs", "2"]);
    let told = out(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("0 findings") && told.contains("power-cut") && told.contains("in histories"), "{told}");
}

#[test]
fn a_finding_ends_with_one_and_is_told_small() {
    let output = sim(&["--plant", "rebuilds-on-top"]);
    let told = out(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("this law is broken") && told.contains("has rebuilt"), "{told}");
}

#[test]
fn a_named_history_is_run_and_told() {
    let output = sim(&["--replay", "flaky:3:40:keep=0-9:devices=2"]);
    let told = out(&output);
    assert!(output.status.success() && told.contains("no law is broken") && told.contains("has written"), "{told}");
}

#[test]
fn a_story_is_printed_where_it_is_asked_for() {
    let output = sim(&["--profile", "calm", "--steps", "20", "--story"]);
    assert!(out(&output).contains("the faults stop"), "{}", out(&output));
}

#[test]
fn arguments_that_make_no_sense_end_with_two_and_say_what_would() {
    for arguments in [["--profile", "stormy"], ["--replay", "calm"], ["--plant", "nothing"]] {
        let output = sim(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}
