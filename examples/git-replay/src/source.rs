//! Where a history comes from: a git repository, a history file or the built-in sample.

use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::git::{GitError, Repository};
use crate::history::{Commit, HistoryError, HistoryReader};
use crate::sample;

/// Why there is no history to replay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot use {}: expected the directory of a git repository, or a history file (plain or gzip)", .path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error("{} is neither a directory nor a file: expected the directory of a git repository, or a history file (plain or gzip)", .path.display())]
    Kind { path: PathBuf },
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// A history that can be read any number of times. Prints as a phrase that tells the user which one it is.
#[derive(Debug)]
pub(crate) enum Source {
    Git(Repository),
    File(PathBuf),
    /// No path was given, and the current directory has no usable repository, for the reason given.
    Sample(GitError),
}

/// Commits parents first; ends after the first error.
pub(crate) type Commits = Box<dyn Iterator<Item = Result<Commit, SourceError>> + Send>;

impl Source {
    /// A directory is a git repository, a file is a history file. Without a path: the repository of the current
    /// directory, or the built-in sample if that cannot be used.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, SourceError> {
        match path {
            Some(path) => Self::at(path),
            None => Ok(Self::here(&env::current_dir().unwrap_or_else(|_| PathBuf::from(".")))),
        }
    }

    fn at(path: &Path) -> Result<Self, SourceError> {
        let path = path.to_owned();
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(Self::Git(Repository::open(&path)?)),
            Ok(metadata) if metadata.is_file() => Ok(Self::File(path)),
            Ok(_) => Err(SourceError::Kind { path }),
            Err(source) => Err(SourceError::Path { path, source }),
        }
    }

    fn here(dir: &Path) -> Self {
        Repository::open(dir).map_or_else(Self::Sample, Self::Git)
    }

    /// Starts a skip the history.
    pub(crate) fn commits(&self) -> Result<Commits, SourceError> {
        fn erased<E>(commits: impl Iterator<Item = Result<Commit, E>> + Send + 'static) -> Commits
        where
            SourceError: From<E>,
        {
            Box::new(commits.map(|commit| commit.map_err(SourceError::from)))
        }
        Ok(match self {
            Self::Git(repository) => erased(repository.commits()?),
            Self::File(path) => erased(HistoryReader::open(path)?),
            Self::Sample(_) => erased(sample::commits()?),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git(repository) => write!(f, "git repository {}", repository.dir().display()),
            Self::File(path) => write!(f, "history file {}", path.display()),
            Self::Sample(reason) => write!(f, "built-in sample ({reason})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::digest::Expected;

    #[test]
    fn without_a_repository_here_the_sample_is_taken_and_says_why() {
        let empty = tempfile::tempdir().unwrap();
        let source = Source::here(empty.path());
        assert!(matches!(source, Source::Sample(GitError::NotARepository { .. })), "{source}");
        assert!(source.to_string().contains("not inside a git repository"), "{source}");
        assert_eq!(source.commits().unwrap().count(), 200);
    }

    #[test]
    fn a_directory_that_was_asked_for_is_never_replaced_by_the_sample() {
        let empty = tempfile::tempdir().unwrap();
        let error = Source::open(Some(empty.path())).unwrap_err();
        assert!(matches!(error, SourceError::Git(GitError::NotARepository { .. })), "{error}");
    }

    #[test]
    fn a_file_is_a_history_file_whatever_its_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "#syncline-history 1\nc\t0\t0\t5\t6\t-\nw\ta\t1\n").unwrap();
        let source = Source::open(Some(file.path())).unwrap();
        for _pass in 0..2 {
            assert_eq!(Expected::of(source.commits().unwrap()).unwrap().changes, 1);
        }
    }

    #[test]
    fn a_path_that_does_not_exist_names_both_accepted_kinds() {
        let error = Source::open(Some(Path::new("/no/such/path"))).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("/no/such/path") && message.contains("git repository"), "{message}");
        assert!(message.contains("history file") && error.source().is_some(), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_neither_kind() {
        let error = Source::open(Some(Path::new("/dev/null"))).unwrap_err();
        assert!(matches!(error, SourceError::Kind { .. }), "{error}");
    }
}
