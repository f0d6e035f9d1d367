//! Programs that are gone with the tests that started them.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, io};

use crate::error::{ServerError, at};
use crate::user::User;

/// The longest path of a directory that a socket's name still fits behind.
const DIRECTORY_BYTES_MAX: usize = 80;

/// A shell in a process group of its own that starts a program, says `ready`, waits for the end of its input, and then stops the
/// program and deletes its directory. Its input ends with this process, however that ends.
#[derive(Debug)]
pub(crate) struct Keeper(Child);

impl Keeper {
    /// Runs a script that starts a program of this name, and waits until it is ready.
    ///
    /// # Errors
    /// [`ServerError::Program`] with what the script printed in place of `ready`.
    pub(crate) fn start(
        name: &str,
        script: &str,
        user: Option<User>,
        directory: &Path,
        arguments: &[OsString],
    ) -> Result<Self, ServerError> {
        let mut command = as_user(Command::new("/bin/sh"), user, directory);
        command.args(["-c", script, "keeper"]).args(arguments);
        let keeper = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut keeper = Self(keeper.map_err(at("/bin/sh"))?);
        let mut output = BufReader::new(keeper.0.stdout.take().expect("its output is a pipe"));
        let mut said = String::new();
        output.read_line(&mut said).map_err(at(name))?;
        if said.trim() == "ready" {
            return Ok(keeper);
        }
        output.read_to_string(&mut said).map_err(at(name))?;
        Err(ServerError::Program { command: name.to_owned(), output: said.trim().to_owned() })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait()); // it stops the program; nothing depends on how that goes
    }
}

/// A new directory that belongs to the user of the programs. Nobody deletes it but the keeper.
pub(crate) fn directory(user: Option<User>) -> io::Result<PathBuf> {
    let usual = env::temp_dir();
    let fits = user.is_none() && usual.as_os_str().len() <= DIRECTORY_BYTES_MAX - 20;
    // Another user may have no way into root's own directory.
    let parent = if fits { usual } else { PathBuf::from("/tmp") };
    let directory = tempfile::Builder::new().prefix("syncline-pg-").tempdir_in(parent)?.keep();
    if let Some(User { uid, gid }) = user {
        chown(&directory, Some(uid), Some(gid))?;
    }
    Ok(directory)
}

/// A command that runs as this user, in this directory.
pub(crate) fn as_user(mut command: Command, user: Option<User>, directory: &Path) -> Command {
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    // What these say is meant for another server.
    env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.env("LC_ALL", "C").current_dir(directory);
    command
}
