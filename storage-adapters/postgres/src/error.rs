//! How failures of the server, and of the way to it, become [`StoreError`]s.

use std::fmt;
use std::sync::Arc;

use syncline::store::{Retry, StoreError};
use thiserror::Error;

/// The adapter's name in errors.
pub(crate) const BACKEND: &str = "postgres";

/// Why something failed, before it is known what it means for the caller.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The request or the data is at fault; the connection is sound.
    Store(StoreError),
    /// The server refused or failed, or the way to it.
    Server(sqlx::Error),
}

pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Server(error)
    }
}

impl Fault {
    /// What a caller is told of a failure that has changed nothing.
    pub(crate) fn unchanged(self, during: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Server(error) => server_error(error, during, false),
        }
    }

    /// What a caller is told of a failed statement that may have been committed.
    pub(crate) fn unknown(self, during: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Server(error) => {
                let unknown = is_lost(&error);
                server_error(error, during, unknown)
            }
        }
    }

    /// Whether the connection was lost.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Server(error) if is_lost(error))
    }

    /// Whether the server gave up because of what others did at the same time. Nothing has changed.
    pub(crate) fn is_race(&self) -> bool {
        matches!(self, Self::Server(error) if matches!(code(error).as_deref(), Some("40001" | "40P01")))
    }
}

/// An error of the server or of the way to it, and what was being done.
#[derive(Debug, Clone, Error)]
#[error("{during}: {source}{hint}")]
pub(crate) struct ServerError {
    during: &'static str,
    hint: &'static str,
    source: Arc<sqlx::Error>,
}

fn server_error(error: sqlx::Error, during: &'static str, unknown: bool) -> StoreError {
    let code = code(&error);
    let (retry, hint) = match code.as_deref() {
        Some("XX001" | "XX002") => return corrupt(during, error),
        _ if unknown => (
            Retry::Reload,
            "; the connection was lost before the answer came, so it may or may not be done: read again before you repeat it",
        ),
        Some(code) => advice(code),
        None => match &error {
            sqlx::Error::Io(_) => (Retry::Later, "; check that the server runs and can be reached"),
            sqlx::Error::PoolTimedOut => {
                (Retry::Later, "; all connections are busy: allow more of them, or commit in larger batches")
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => return corrupt(during, error),
            _ => (Retry::Never, ""),
        },
    };
    backend(retry, ServerError { during, hint, source: Arc::new(error) })
}

/// What to do about an error that the server names by this code, given that it has changed nothing.
fn advice(code: &str) -> (Retry, &'static str) {
    match code {
        "55P03" => (Retry::Later, "; another transaction holds the row: let it finish, or raise the lock timeout"),
        "57014" => (Retry::Later, "; the server is slow or the request large: raise the statement timeout"),
        "40001" | "40P01" => (Retry::Later, "; another transaction was first: try again"),
        "53100" => (Retry::Later, "; the server's disk is full: make room"),
        "53300" => (Retry::Later, "; the server has no connection left: raise its limit or lower the pool's"),
        "25006" => (Retry::Never, "; this server takes no writes: connect to the primary"),
        "42501" => (Retry::Never, "; grant the user the rights on the schema and its tables"),
        "3D000" => (Retry::Never, "; create the database first"),
        "42P01" | "3F000" => {
            (Retry::Never, "; the schema's tables are gone: restore them, then open the storage again")
        }
        _ if ["08", "53", "57"].contains(&&code[..2]) => (Retry::Later, ""),
        _ => (Retry::Never, ""),
    }
}

/// The code by which the server, or a pooler, names an error.
pub(crate) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().filter(|code| code.len() == 5 && code.is_ascii()).map(Into::into)
}

/// Whether the connection is gone, by accident or because the server ended it.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // By a code of class 08 a pooler tells, too, that it has lost the server's answer.
        error => code(error).is_some_and(|code| {
            code.starts_with("08") || ["57P01", "57P02", "57P05", "25P03"].contains(&code.as_str())
        }),
    }
}

pub(crate) fn backend(retry: Retry, source: impl Into<syncline::store::BoxError>) -> StoreError {
    StoreError::Backend { backend: BACKEND, retry, source: source.into() }
}

/// The task that did it has ended before its time.
pub(crate) fn abandoned(during: &'static str) -> StoreError {
    let why = "it was abandoned, because its runtime ended or it failed in an unforeseen way; read the status";
    backend(Retry::Reload, format!("{during}: {why}"))
}

pub(crate) fn corrupt(at: impl Into<String>, why: impl fmt::Display) -> StoreError {
    StoreError::Corrupt { backend: BACKEND, at: at.into(), why: why.to_string() }
}

/// The same failure for one more of those who share a transaction.
pub(crate) fn duplicate(error: &StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { at, why, .. } => corrupt(at, why),
        StoreError::Backend { retry, source, .. } => match source.downcast_ref::<ServerError>() {
            Some(error) => backend(*retry, error.clone()),
            None => backend(*retry, source.to_string()),
        },
        other => backend(other.retry(), other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io() -> sqlx::Error {
        sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())
    }

    #[test]
    fn a_lost_connection_leaves_the_outcome_unknown_only_where_something_was_sent() {
        assert_eq!(Fault::Server(io()).unknown("committing").retry(), Retry::Reload);
        assert_eq!(Fault::Server(io()).unchanged("reading").retry(), Retry::Later);
    }

    #[test]
    fn every_code_has_its_advice() {
        assert_eq!(advice("55P03").0, Retry::Later);
        assert_eq!(advice("57P03").0, Retry::Later);
        assert_eq!(advice("25006").0, Retry::Never);
        assert_eq!(advice("23505"), (Retry::Never, ""));
    }

    #[test]
    fn a_failure_is_told_alike_to_all_who_share_it() {
        let error = Fault::Server(io()).unknown("committing");
        assert_eq!(duplicate(&error).to_string(), error.to_string());
        assert_eq!(duplicate(&error).retry(), error.retry());
    }
}
