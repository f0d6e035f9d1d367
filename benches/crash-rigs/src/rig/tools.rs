//! Programs of the system.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use super::{RigError, at};

/// Runs a program to its end and gives what it printed.
pub(super) fn run(command: &mut Command) -> Result<String, RigError> {
    let text = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(at(text.clone()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(RigError::Program { command: text, output })
}

/// A program with its arguments.
pub(super) fn program<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).env("LC_ALL", "C");
    command
}
