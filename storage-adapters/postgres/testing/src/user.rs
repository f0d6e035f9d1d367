//! As whom the server runs.

use std::process::Command;

use rustix::process::geteuid;

use crate::error::ServerError;

/// A user of this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// The user whom root lets run the server, which does not run as root. `None` if this process is not root.
///
/// # Errors
/// [`ServerError::Missing`] if the system has neither of the usual users.
pub(crate) fn substitute() -> Result<Option<User>, ServerError> {
    if !is_root() {
        return Ok(None);
    }
    let missing = "Postgres does not run as root, and there is no user `postgres` or `nobody` to run it: add one";
    let found = ["postgres", "nobody"].into_iter().find_map(find);
    found.map(Some).ok_or_else(|| ServerError::Missing(missing.into()))
}

fn find(name: &str) -> Option<User> {
    Some(User { uid: id(&["-u", name])?, gid: id(&["-g", name])? })
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
