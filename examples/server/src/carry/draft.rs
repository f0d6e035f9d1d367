//! Writing a file that is complete or not there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file that is written under another name, and gets its own when it is complete and on the disk. Dropped before, it is
/// removed, and a file that had the name stays as it was.
#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    /// Where it is written.
    draft: PathBuf,
    /// Where it goes.
    path: PathBuf,
}

impl Draft {
    /// Begins a file, for its owner alone.
    ///
    /// # Errors
    /// [`Failure::Machine`].
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let mut draft = path.as_os_str().to_owned();
        // Exports to one file at a time do not write into each other's.
        draft.push(format!(".{}.partial", std::process::id()));
        let draft = PathBuf::from(draft);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&draft).map_err(|source| failed(path, source))?;
        Ok(Self { file, draft, path: path.to_owned() })
    }

    /// Writes on. Blocks as long as the disk does.
    ///
    /// # Errors
    /// [`Failure::Machine`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|source| failed(&self.path, source))
    }

    /// Puts the file in its place, whole, so that it survives a power cut.
    ///
    /// # Errors
    /// [`Failure::Machine`].
    pub(super) fn finish(self) -> Result<(), Failure> {
        let place = || {
            self.file.sync_all()?;
            fs::rename(&self.draft, &self.path)?;
            sync_directory(&self.path)
        };
        place().map_err(|source| failed(&self.path, source))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // If it is in its place already, there is nothing to remove.
        let _ = fs::remove_file(&self.draft);
    }
}

/// Makes a new name survive a power cut if the system knows of such a thing.
fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(path: &Path, source: io::Error) -> Failure {
    let what = format!("{} cannot be written", path.display());
    Failure::Machine { what, source, next: "make room, or name another file" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_is_given_up_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.synclog");
        fs::write(&path, "before").unwrap();
        let mut draft = Draft::create(&path).unwrap();
        draft.write(b"half").unwrap();
        drop(draft);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_finished_draft_takes_the_place_of_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.synclog");
        fs::write(&path, "before").unwrap();
        let mut draft = Draft::create(&path).unwrap();
        draft.write(b"whole").unwrap();
        draft.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
