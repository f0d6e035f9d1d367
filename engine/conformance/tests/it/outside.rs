//! Somebody else's adapter: a crate outside of the workspace, with a lock file of its own, held to every law by the kit.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use syncline_conformance::store;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The packages that a lock file names, with their versions.
fn locked(file: &Path) -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let value = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_owned());
    let lines: Vec<_> = text.lines().collect();
    let packages = lines.windows(2);
    packages.filter_map(|pair| Some((value(pair[0], "name = ")?, value(pair[1], "version = ")?))).collect()
}

/// Anyone who has fetched the workspace's packages has fetched these.
#[test]
fn an_adapter_outside_the_workspace_needs_no_other_packages_than_the_workspace() {
    let (own, all) = (root().join("examples/outside-adapter/Cargo.lock"), root().join("Cargo.lock"));
    let (mut own, all) = (locked(&own), locked(&all));
    assert!(own.remove(&("outside-adapter".to_owned(), "0.1.0".to_owned())), "{own:?}");
    assert_eq!(own.difference(&all).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
}

#[test]
fn an_adapter_outside_the_workspace_is_held_to_every_law() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--offline", "--locked", "--test", "conformance"])
        .current_dir(root().join("examples/outside-adapter"))
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside-adapter"))
        .output()
        .unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let passed = format!("test result: ok. {} passed; 0 failed; 0 ignored", store::LAWS.len());
    assert!(output.status.success() && out.contains(&passed), "{passed}, it should say:\n{out}\n{err}");
}
