//! Administration while the server runs.
//!
//! A file belongs to one process at a time. So a command that finds it in use asks the process that has it: it sends the
//! task over a loopback connection, the server runs it and sends back what it would print. Every task works alike either way.
//!
//! The way in is a file next to the database, `<database>.control`, with the address and a random key, and the same next to the
//! store of the logs if that is another one. Like the database it is its owner's alone: who may administer is who may open
//! the database. Of a store that several processes may have open, such as Postgres, nobody needs to ask.
//!
//! The connection takes one line of JSON, [`Ask`], and answers lines of JSON, [`Frame`](crate::output::Frame). Behind
//! the line of an import comes the file; behind a [`Frame::Data`](crate::output::Frame) come the bytes it announces.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use syncline::SpaceId;
use syncline_any::StoreName;
use thiserror::Error;

use crate::cli::Task;

mod client;
mod file;
mod server;

pub(crate) use client::{Answer, Line};
pub(crate) use file::ControlFile;
pub(crate) use server::Door;

/// Bytes of one request.
const ASK_BYTES_MAX: u64 = 64 * 1024;

/// What a command asks of the running server.
#[derive(Debug, Serialize, Deserialize)]
struct Ask {
    /// The key of the control file.
    key: String,
    /// The store of the logs that are meant, as [`identity`] names it: the server may have others.
    logs: String,
    /// What to do.
    job: Job,
}

/// What the running server does for others.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Job {
    /// A task, as on its own command line.
    Task(Task),
    /// Send a space's whole log.
    Export {
        /// The space.
        space: SpaceId,
    },
    /// Take the log that follows the request.
    Import,
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Task(task) => task.fmt(f),
            Self::Export { space } => write!(f, "export {space}"),
            Self::Import => f.write_str("import"),
        }
    }
}

/// Why the running server could not be asked.
#[derive(Debug, Error)]
pub(crate) enum ControlError {
    /// The database is in use, and nobody answers for it.
    #[error("{} is in use by a process that accepts no administration ({why}); wait until it ends, or stop it", .what.display())]
    Unanswered {
        /// The database, or another store.
        what: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// The server that has the database open has its logs elsewhere.
    #[error("the running server keeps its logs in {ours}, not in {theirs}; name the same with --store")]
    OtherLogs {
        /// The server's store.
        ours: String,
        /// The store that was meant.
        theirs: String,
    },
    /// The connection broke before the answer's end.
    #[error(
        "the running server's answer ended early ({why}); look with `list` whether it is done, then repeat the command"
    )]
    BrokenOff {
        /// What went wrong.
        why: String,
    },
}

/// A store by a name that is the same wherever it is named from.
fn identity(logs: &StoreName) -> String {
    match logs.path().map(Path::canonicalize) {
        Some(Ok(path)) => format!("{}:{}", logs.scheme(), path.display()),
        _ => logs.to_string(),
    }
}

/// The control file of a database or another store, by whatever way it is named.
fn path(database: &Path) -> PathBuf {
    let resolved = database.canonicalize();
    let mut name = resolved.unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(".control");
    name.into()
}
