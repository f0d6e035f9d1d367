//! As whom the server runs.

use std::process::Command;

/// A user of this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

/// The user whom root lets run the server, which does not run as root. `None` if this process is not root.
///
/// # Panics
/// If the system has neither of the usual users.
pub(crate) fn substitute() -> Option<User> {
    is_root().then(|| {
        let found = ["postgres", "nobody"].into_iter().find_map(find);
        found.expect("Postgres does not run as root, and there is no user `postgres` or `nobody` to run it: add one")
    })
}

fn find(name: &str) -> Option<User> {
    Some(User { uid: id(&["-u", name])?, gid: id(&["-g", name])? })
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
