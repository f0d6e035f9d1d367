//! Administration while the server runs.
//!
//! A database belongs to one process at a time. So a command that finds it in use asks the process that has it: it sends the
//! task over a loopback connection, the server runs it and sends back what it would print. Every task works alike either way.
//!
//! The way in is a file beside the database, `<database>.control`, with the address and a random key. Like the database it
//! is its owner's alone: who may administer is who may open the database. The connection takes one line of
//! JSON, [`Ask`], and answers lines of JSON, [`Frame`](crate::output::Frame).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cli::Task;

mod client;
mod file;
mod server;

pub(crate) use client::Line;
pub(crate) use file::ControlFile;
pub(crate) use server::Door;

/// Bytes of one request.
const ASK_BYTES_MAX: u64 = 64 * 1024;

/// What a command asks of the running server.
#[derive(Debug, Serialize, Deserialize)]
struct Ask {
    /// The key of the control file.
    key: String,
    /// What to do.
    task: Task,
}

/// Why the running server could not be asked.
#[derive(Debug, Error)]
pub(crate) enum ControlError {
    /// The database is in use, and nobody answers for it.
    #[error(
        "{} is in use by a process that takes no administration ({why}); wait until it ends, or stop it", .database.display()
    )]
    Unanswered {
        /// The database.
        database: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// The connection broke before the answer's end.
    #[error(
        "the running server's answer broke off ({why}); look with `list` whether it is done, then repeat the command"
    )]
    BrokenOff {
        /// What went wrong.
        why: String,
    },
}

/// The control file of a database, by whatever way it is named.
fn path(database: &Path) -> PathBuf {
    let resolved = database.canonicalize();
    let mut name = resolved.unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(".control");
    name.into()
}
