//! How failures become [`StoreError`]s.

use std::fmt;

use syncline::store::StoreError;

/// Why something failed, before the backend's name is known.
#[derive(Debug)]
pub(crate) enum Fault {
    Store(StoreError),
    Damage { at: String, why: String },
}

pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// What a caller is told.
    pub(crate) fn of(self, backend: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Damage { at, why } => StoreError::Corrupt { backend, at, why },
        }
    }
}

/// Stored bytes that do not read back.
pub(crate) fn damage(at: impl fmt::Display, why: impl fmt::Display) -> Fault {
    Fault::Damage { at: at.to_string(), why: why.to_string() }
}
