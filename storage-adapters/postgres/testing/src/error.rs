//! Why there is no server.

use std::io;

use thiserror::Error;

/// Why a server cannot be had, or does not do what it is told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// This machine lacks something. The message says what to do.
    #[error("{0}")]
    Missing(String),
    /// A file or process failed.
    #[error("{what}: {source}")]
    Io {
        /// What was done, and where.
        what: String,
        /// How it failed.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed: {output}")]
    Program {
        /// The program.
        command: String,
        /// What it said.
        output: String,
    },
}

/// Names what failed.
pub(crate) fn at(what: impl Into<String>) -> impl FnOnce(io::Error) -> ServerError {
    |source| ServerError::Io { what: what.into(), source }
}
