//! Why a client could not do what it was asked.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use syncline::StoreError;
use syncline::replica::ReplicaError;
use thiserror::Error;

use super::Trouble;
use crate::EntryId;
use crate::local::ServeError;

/// Why a client could not do what it was asked. Nothing was changed then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The replica refused or failed.
    #[error(transparent)]
    Replica(ReplicaError),
    /// The store refused or failed.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The store is closed, because it could not be opened again after a restore.
    #[error("{0}")]
    Closed(Trouble),
    /// The sync did not come to its end.
    #[error("{0}")]
    Sync(Trouble),
    /// A page has sent a form that makes no sense.
    #[error("the form was not taken: {0}")]
    Form(String),
    /// There is no such entry.
    #[error("there is no entry {0} on this device; it may not have come here yet: sync, then look again")]
    NoSuchEntry(EntryId),
    /// There is no such copy.
    #[error("there is no copy {0}; the page lists those that there are")]
    NoSuchCopy(String),
    /// The store is not a file of this program's own.
    #[error("copies and clones are made of the SQLite file in the folder; this device keeps its data in another store")]
    NotCopied,
    /// The page of a clone cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A file or folder cannot be read or written.
    #[error("{}: {source}; make the folder readable and writable, and the disk not full", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<StoreError> for ClientError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<ReplicaError> for ClientError {
    fn from(error: ReplicaError) -> Self {
        match error {
            ReplicaError::Store(error) => Self::Store(error),
            error => Self::Replica(error),
        }
    }
}

impl ClientError {
    /// As one for `path`.
    pub(super) fn files(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Files { path, source }
    }
}
