//! The style rules that a program can check, over every file that is tracked. Each rule is a plain function from a file to what it
//! finds, and each has a twin below that shows it fires.

#![allow(clippy::expect_used, reason = "a test may fail")]

mod rules;
mod twins;

use std::fs;
use std::path::{Path, PathBuf};

use rules::{File, RULES};

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the engine lies in the workspace").to_owned()
}

/// All text files of ours, generated and vendored folders left out.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the workspace can be read");
    for path in entries.map(|entry| entry.expect("the workspace can be read").path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && !matches!(&*name, "target" | "corpus" | "artifacts" | "golden" | "fixtures") {
                files(&path, found);
            }
        } else if matches!(path.extension().and_then(|ending| ending.to_str()), Some("rs" | "toml" | "md")) {
            found.push(path);
        }
    }
}

#[test]
fn every_file_keeps_the_rules() {
    let root = root();
    let mut paths = Vec::new();
    files(&root, &mut paths);
    assert!(paths.len() > 50, "only {} files were found below {}", paths.len(), root.display());
    let mut broken = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("source files are UTF-8");
        let name = path.strip_prefix(&root).expect("it was found below").to_string_lossy().replace('\\', "/");
        let file = File { path: &name, text: &text };
        broken.extend(RULES.iter().flat_map(|(_, rule)| rule(&file)).map(|found| format!("{name}: {found}")));
    }
    assert!(broken.is_empty(), "{} places break a rule:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_law_names_a_test_that_exists() {
    let root = root();
    let laws = fs::read_to_string(root.join("engine/docs/laws.md")).expect("the laws are written down");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let sources: String = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| fs::read_to_string(path).expect("source files are UTF-8"))
        .collect();
    let missing = rules::missing_tests(&laws, &sources);
    assert!(missing.is_empty(), "laws.md names tests that do not exist: {missing:?}");
    let count = laws.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(count, 15, "a law is missing, or none of its tests is named");
}

#[test]
fn the_map_names_every_crate() {
    let root = root();
    let map = fs::read_to_string(root.join("engine/docs/design.md")).expect("the map is written down");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let manifests: Vec<String> = paths
        .iter()
        .filter(|path| path.ends_with("Cargo.toml"))
        .map(|path| fs::read_to_string(path).expect("manifests are UTF-8"))
        .collect();
    let missing = rules::missing_crates(&map, &manifests);
    assert!(missing.is_empty(), "engine/docs/design.md has no line for {missing:?}");
}
