//! The mark of a handle that no longer knows what is on the disk.

use std::sync::OnceLock;

use syncline::store::StoreError;

/// Set once, for as long as the database is open.
#[derive(Debug)]
pub(crate) struct Poison {
    backend: &'static str,
    why: OnceLock<String>,
}

impl Poison {
    pub(crate) fn new(backend: &'static str) -> Self {
        Self { backend, why: OnceLock::new() }
    }

    /// Marks the handle; the first reason counts.
    pub(crate) fn set(&self, why: String) {
        let _ = self.why.set(why);
    }

    /// # Errors
    /// [`StoreError::Poisoned`] if the mark is set.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.why.get().map_or(Ok(()), |why| Err(self.error(why)))
    }

    /// The error of a handle that fails for this reason.
    pub(crate) fn error(&self, why: &str) -> StoreError {
        StoreError::Poisoned { backend: self.backend, why: why.into() }
    }
}
