//! A test that continues in another process, which runs the same test of the same program.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells a test that it is the other process, and what to open.
const PATH: &str = "SYNCLINE_TEST_ELSEWHERE";
/// What the other process begins its answer with.
const SAYS: &str = "elsewhere: ";
/// A user who owns nothing.
const NOBODY: u32 = 65_534;

/// What to open if this is the other process.
pub fn path() -> Option<PathBuf> {
    env::var_os(PATH).map(PathBuf::from)
}

/// Answers as the other process.
#[allow(clippy::print_stdout, reason = "the test that started the process reads its output")]
pub fn say(answer: impl std::fmt::Display) {
    println!("\n{SAYS}{answer}");
}

/// The name of a test of a module, as [`module_path!`] gives it, for the program that holds it.
pub fn name(module: &str, test: &str) -> String {
    match module.split_once("::") {
        Some((_, within)) => format!("{within}::{test}"),
        None => test.to_owned(),
    }
}

/// What the test of this name says in another process about `path`.
///
/// # Panics
/// If it says nothing.
pub fn says(test: &str, path: &Path) -> String {
    answer(&mut Command::new(env::current_exe().unwrap()), test, path)
}

/// The same by a user who may not write to `path`: by nobody if this is root, whom nothing is forbidden.
pub fn says_to_a_user(test: &str, path: &Path) -> String {
    let dir = path.parent().unwrap();
    let before = fs::metadata(path).unwrap().permissions();
    if fs::metadata(dir).unwrap().uid() != 0 {
        fs::set_permissions(path, Permissions::from_mode(before.mode() & !0o222)).unwrap();
        let said = says(test, path);
        fs::set_permissions(path, before).unwrap();
        return said;
    }
    // Somewhere where nobody finds it.
    let program = dir.join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    for readable in [dir, &program] {
        fs::set_permissions(readable, Permissions::from_mode(0o755)).unwrap();
    }
    let said = answer(Command::new(&program).uid(NOBODY).gid(NOBODY).current_dir("/"), test, path);
    fs::remove_file(program).unwrap();
    said
}

/// The same by a process whose files may not grow beyond a mebibyte, which is a full disk to whoever writes them.
///
/// # Panics
/// If it says nothing.
pub fn says_in_little_room(test: &str, path: &Path) -> String {
    let line = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"";
    let program = env::current_exe().unwrap();
    answer(Command::new("sh").args(["-c", line]).arg(program), test, path)
}

fn answer(command: &mut Command, test: &str, path: &Path) -> String {
    let output = command.args(["--exact", test, "--nocapture"]).env(PATH, path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let answer = said.lines().find_map(|line| line.strip_prefix(SAYS));
    match answer {
        Some(answer) if output.status.success() => answer.to_owned(),
        _ => panic!("no answer:\n{said}\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}
