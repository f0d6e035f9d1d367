//! The real program, on every store: the digests hold whatever replicas and server store in.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::process::Command;

use syncline_postgres_testing::Server;

/// The small history that the program brings along.
const HISTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/history.tsv");

/// Runs the program, and answers its exit code and what it printed.
fn replay(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_git-replay")).args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text)
}

/// The digests that the program printed, which must all be the same.
fn digest(text: &str) -> String {
    let is_digest = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digests: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).filter(is_digest).collect();
    assert!(digests.len() >= 5, "four replicas, the fresh one, and the history in order: {text}");
    assert!(digests.iter().all(|digest| digest == &digests[0]), "{text}");
    digests[0].to_owned()
}

#[test]
fn the_digests_hold_with_every_store_on_either_side() {
    let stores = ["sqlite", "redb", "sled", "memory", Server::shared().url()];
    let mut first = None;
    for (index, store) in stores.iter().enumerate() {
        let server = stores[(index + 1) % stores.len()];
        let args =
            [HISTORY, "--replicas", "4", "--survives", "process-death", "--store", store, "--server-store", server];
        let (code, text) = replay(&args);
        assert_eq!(code, Some(0), "{store}, server {server}: {text}");
        assert!(text.contains("right: all replicas agree"), "{text}");
        let digest = digest(&text);
        assert_eq!(first.get_or_insert(digest.clone()), &digest, "{store}, server {server}");
    }
}

/// Git quotes each byte of such a name with four characters, which is more than an entity's name may take.
#[test]
fn a_repository_with_a_long_chinese_path_goes_through_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(dir.path()).args(["-c", "user.name=a", "-c", "user.email=a@x", "-c", "commit.gpgsign=false"]);
        assert!(git.args(args).status().unwrap().success(), "git {args:?}");
    };
    git(&["init", "--quiet"]);
    for name in ["\u{6b65}", "\u{540c}"].map(|letter| letter.repeat(44)) {
        assert_eq!(name.len(), 132);
        std::fs::write(dir.path().join(&name), &name).unwrap();
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "one more"]);
    }
    let repository = dir.path().display().to_string();
    let (code, text) = replay(&[&repository, "--replicas", "4", "--store", "memory", "--server-store", "memory"]);
    assert_eq!(code, Some(0), "{text}");
    digest(&text);
}

#[test]
fn files_of_every_kind_are_kept_where_they_were_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    let folder = kept.display().to_string();
    let args =
        [HISTORY, "--replicas", "2", "--offline", "50", "--store", "sled", "--server-store", "redb", "--keep", &folder];
    let (code, text) = replay(&args);
    assert_eq!(code, Some(0), "{text}");
    for name in ["replica-0.sled", "replica-1.sled", "fresh.sled", "server.redb", "accounts.sqlite"] {
        assert!(kept.join(name).exists(), "{name}");
    }
}

#[test]
fn a_store_that_does_not_exist_is_refused() {
    for (store, word) in [("mysql://localhost", "postgres://"), ("redb:mine.redb", "say only redb")] {
        let (code, text) = replay(&["--store", store]);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(word), "{text}");
    }
}
