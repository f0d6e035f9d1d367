//! Runs every example and reads what it prints.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::process::Command;

fn output(program: &str) -> String {
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn two_devices_end_with_the_same_list() {
    let lines = "[ ] bread, [x] milk, [ ] tea";
    let printed = output(env!("CARGO_BIN_EXE_own_projection"));
    assert_eq!(printed, format!("phone: {lines}\nlaptop: {lines}\n"));
}

#[test]
fn a_stack_of_two_stores_agrees_and_reopens() {
    let printed = output(env!("CARGO_BIN_EXE_own_stack"));
    assert_eq!(printed, "memory: 27\nsqlite: 27\nreopened: 27, the same replica: true\n");
}

#[test]
fn a_mounted_router_knows_the_applications_sessions() {
    let printed = output(env!("CARGO_BIN_EXE_mounted_router"));
    assert_eq!(printed, "ann pushed 1 bundle\na stranger is refused: true\n");
}

#[test]
fn a_wrapped_store_sees_what_the_engine_asks() {
    // Opening looks for five rows of the engine: the identity, what may have been sent, a checkpoint, a snapshot that is being taken, and
    // commits of others. It stores the first two and looks again. Then each write commits the row, which only the first has to load.
    let printed = output(env!("CARGO_BIN_EXE_wrapped_store"));
    assert_eq!(printed, "commits: 11\nrows loaded: 11\nrows written: 12\n");
}
