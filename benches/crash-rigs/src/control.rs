//! Stores of the rig's own, which lose by design, or keep by the plainest means: they show that the rig tells one from the other.

mod file;
mod unsynced;

pub use file::PlainFile;
pub use unsynced::UnsyncedRedb;

use syncline::store::{Retry, StoreError};

/// A failure of a control's backend.
pub(crate) fn failed(backend: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Backend { backend, retry: Retry::Never, source: error.into() }
}
