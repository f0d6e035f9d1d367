//! The file that lets commands find the running server and prove that they may ask it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use syncline::authority::accounts::{Token, TokenHash};

use super::path;

/// Where the running server listens for commands, and the key it takes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ControlFile {
    /// A loopback address.
    pub(crate) address: SocketAddr,
    /// The key, in a token's form: a typing error or a cut is noticed.
    pub(crate) key: String,
}

impl ControlFile {
    /// Reads the control file next to a database.
    pub(crate) fn read(database: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path(database))?)?)
    }

    /// Removes what a killed server has left behind. Only the process that has the database open may do this.
    pub(crate) fn remove(database: &Path) {
        // If it cannot be removed, it still misleads nobody: it is read only while the database is in use, and a server
        // that uses it writes it again.
        let _ = fs::remove_file(path(database));
    }

    /// Writes the control file next to a database, whole, and readable by its owner alone. Only the process that has the
    /// database open may do this.
    pub(crate) fn write(&self, database: &Path) -> io::Result<Written> {
        let path = path(database);
        let fresh = path.with_extension("control-new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private().open(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        drop(file);
        fs::rename(&fresh, &path)?;
        Ok(Written(path))
    }
}

/// A file that must not exist yet, for its owner alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A control file on disk, removed when the server ends.
#[derive(Debug)]
pub(crate) struct Written(PathBuf);

impl Drop for Written {
    fn drop(&mut self) {
        // As with what a killed server leaves behind, nothing depends on it.
        let _ = fs::remove_file(&self.0);
    }
}

/// What the server keeps of the key: two keys are compared by their hashes, so that timing tells nothing.
pub(super) fn hash(key: &str) -> Option<TokenHash> {
    Token::from_str(key).ok().map(|key| key.hash())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> ControlFile {
        ControlFile { address: ([127, 0, 0, 1], 4_711).into(), key: Token::from_secret([7; 32]).reveal() }
    }

    #[test]
    fn a_control_file_reads_back_and_goes_with_its_server() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("notes.sqlite");
        let written = file().write(&database).unwrap();
        assert_eq!(ControlFile::read(&database).unwrap().address, file().address);
        drop(written);
        assert_eq!(ControlFile::read(&database).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_a_killed_server_left_behind_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("notes.sqlite");
        std::mem::forget(file().write(&database).unwrap());
        fs::write(dir.path().join("notes.sqlite.control-new"), "{").unwrap();
        let other = ControlFile { address: ([127, 0, 0, 1], 815).into(), ..file() };
        let _written = other.write(&database).unwrap();
        assert_eq!(ControlFile::read(&database).unwrap().address, other.address);
    }

    #[cfg(unix)]
    #[test]
    fn a_control_file_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let written = file().write(&dir.path().join("notes.sqlite")).unwrap();
        assert_eq!(fs::metadata(&written.0).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
