//! The mark of a writer that no longer knows what is on the disk.

use std::sync::OnceLock;

use syncline::store::StoreError;

use crate::error::poisoned;

/// Set once, for as long as the file is open.
#[derive(Debug, Default)]
pub(crate) struct Poison(OnceLock<String>);

impl Poison {
    /// Marks the writer; the first reason counts.
    pub(crate) fn set(&self, why: String) {
        let _ = self.0.set(why);
    }

    /// # Errors
    /// [`StoreError::Poisoned`] where the mark is set.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.0.get().map_or(Ok(()), |why| Err(poisoned(why)))
    }
}
