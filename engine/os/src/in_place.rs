//! Whether files are still where they were opened.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Files and folders that a program keeps open, as they were when it opened them.
///
/// A file that is deleted or replaced stays open on Unix, and takes writes as before: all of them are gone once the program
/// ends. A store that promises to keep a write checks this first.
///
/// ```
/// # let dir = std::env::temp_dir().join(format!("syncline-in-place-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// let path = dir.join("notes");
/// std::fs::write(&path, "milk")?;
/// let in_place = syncline_os::InPlace::now([&path])?;
/// assert!(in_place.check().is_ok());
/// std::fs::remove_file(&path)?;
/// assert!(in_place.check().is_err());
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct InPlace(Vec<(PathBuf, Identity)>);

/// A file is not where it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Displaced {
    /// There is nothing under its name.
    #[error("{} is gone: it was deleted or moved while it was open; put it back or restore a backup, then start again", .0.display())]
    Gone(PathBuf),
    /// Its name leads to another file.
    #[error("{} is another file than the one that is open: it was replaced; start again to use the new one", .0.display())]
    Replaced(PathBuf),
}

/// What tells one file from another on a machine. Elsewhere than on Unix a file that is open cannot be deleted, as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self(0, 0)
    }
}

impl InPlace {
    /// These files and folders as they are now. They must be open already, or be opened before anything else may happen to them.
    ///
    /// # Errors
    /// If one of them is not there, or cannot be looked at.
    pub fn now(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> io::Result<Self> {
        let look = |path: &Path| Ok((path.to_owned(), Identity::of(&path.metadata()?)));
        paths.into_iter().map(|path| look(path.as_ref())).collect::<io::Result<_>>().map(Self)
    }

    /// Looks whether all of them are still there. Takes some microseconds.
    ///
    /// # Errors
    /// The first that is not. What cannot be looked at counts as there: nothing is known against it.
    pub fn check(&self) -> Result<(), Displaced> {
        self.0.iter().try_for_each(|(path, identity)| match path.metadata() {
            Ok(metadata) if Identity::of(&metadata) == *identity => Ok(()),
            Ok(_) => Err(Displaced::Replaced(path.clone())),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(Displaced::Gone(path.clone()))
            }
            Err(_) => Ok(()),
        })
    }
}
