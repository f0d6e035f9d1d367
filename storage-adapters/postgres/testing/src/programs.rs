//! The server's programs.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::ServerError;
use crate::user;

/// What a cluster is made with.
const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The directory of the server's programs.
///
/// # Errors
/// [`ServerError::Missing`] if there are none and none can be installed.
pub(crate) fn find_or_install() -> Result<PathBuf, ServerError> {
    if let Some(named) = env::var_os("PG_BIN_DIR").map(PathBuf::from) {
        let incomplete = || format!("PG_BIN_DIR names {}, which holds not all of {NEEDED:?}", named.display());
        return if is_complete(&named) { Ok(named) } else { Err(ServerError::Missing(incomplete())) };
    }
    if let Some(found) = find() {
        return Ok(found);
    }
    let failure = match install("postgresql", || find().is_some()) {
        Ok(()) => "the package `postgresql` has none of them".to_owned(),
        Err(why) => why,
    };
    find().ok_or_else(|| ServerError::Missing(advice(&failure)))
}

fn advice(failure: &str) -> String {
    format!(
        "a Postgres server is needed, and its programs {NEEDED:?} were not found ({failure}). Install the package \
         `postgresql`, or name the programs' directory in PG_BIN_DIR, or a running server in {}",
        crate::URL_VARIABLE
    )
}

fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    newest(Path::new("/usr/lib/postgresql"))
        .or_else(|| env::split_paths(&path).find(|directory| is_complete(directory)))
}

/// The programs of the newest version below a directory that has one for each version.
fn newest(versions: &Path) -> Option<PathBuf> {
    let version =
        |entry: std::fs::DirEntry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")));
    let found = versions.read_dir().ok()?.filter_map(|entry| version(entry.ok()?));
    found.filter(|(_, programs)| is_complete(programs)).max().map(|(_, programs)| programs)
}

fn is_complete(directory: &Path) -> bool {
    NEEDED.iter().all(|program| directory.join(program).is_file())
}

/// The program PgBouncer, which the variable `PGBOUNCER` may name.
///
/// # Errors
/// Why there is none.
pub(crate) fn find_or_install_pooler() -> Result<PathBuf, String> {
    if let Some(named) = env::var_os("PGBOUNCER") {
        return Ok(named.into());
    }
    let find = || {
        let path = env::var_os("PATH").unwrap_or_default();
        // The usual place is not on everybody's path.
        let mut directories = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        directories.find_map(|directory| Some(directory.join("pgbouncer")).filter(|program| program.is_file()))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    install("pgbouncer", || find().is_some())?;
    find().ok_or_else(|| "the package `pgbouncer` does not hold it".into())
}

/// Installs a package of the distribution, if that is ours to do. Of test programs that want to at the same time, one does it and
/// the others find it done.
fn install(package: &str, is_done: impl Fn() -> bool) -> Result<(), String> {
    if !user::is_root() {
        return Err(format!("only root may install the package `{package}`"));
    }
    let lock = File::create(env::temp_dir().join("syncline-testing-install.lock"));
    let lock = lock.and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| format!("nobody can be kept from installing at the same time: {error}"))?;
    if is_done() {
        return Ok(());
    }
    eprintln!("installing the package `{package}` for the tests");
    let installing = || run(&["install", "--yes", "--no-install-recommends", package]);
    // The lists may be old, or may never have been fetched.
    installing().or_else(|_| run(&["update"]).and_then(|()| installing()))
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    // Another program may be installing at the same time.
    command.args(["--quiet", "--option", "DPkg::Lock::Timeout=300"]).args(arguments);
    let output = command.env("DEBIAN_FRONTEND", "noninteractive").output();
    let output = output.map_err(|error| format!("`apt-get` does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`apt-get {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_newest_complete_version_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        for (version, programs) in [("9", &NEEDED[..]), ("15", &NEEDED), ("17", &NEEDED[..2]), ("old", &NEEDED)] {
            let programs = programs.iter().map(|program| directory.path().join(version).join("bin").join(program));
            for program in programs {
                fs::create_dir_all(program.parent().unwrap()).unwrap();
                fs::write(program, "").unwrap();
            }
        }
        assert_eq!(newest(directory.path()), Some(directory.path().join("15/bin")));
        assert_eq!(newest(&directory.path().join("none")), None);
    }

    #[test]
    fn the_failure_says_all_that_can_be_done() {
        let advice = advice("nothing helped");
        for way in ["nothing helped", "`postgresql`", "PG_BIN_DIR", "SYNCLINE_TEST_POSTGRES_URL"] {
            assert!(advice.contains(way), "{advice}");
        }
    }
}
