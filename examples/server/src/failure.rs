//! Why a command did not do what it was asked, and the exit code that says so.

use std::path::PathBuf;

use syncline::ReplicaError;
use syncline::StoreError;
use syncline::archive::{ArchiveError, HistoryError};
use syncline::authority::AuthorityError;
use syncline::authority::accounts::AccountsError;
use syncline::portable::{ExportError, ImportError, ReadError};
use syncline::replica::SnapshotError;
use syncline::store::{BoxError, Retry};
use thiserror::Error;

use crate::carry::Difference;
use crate::config::ConfigError;
use crate::control::ControlError;
use crate::output::Gone;
use crate::verify::Damage;

/// Why a command failed. Each message says in one line what happened and what to do next.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The configuration is at fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The accounts refused or failed.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The accounts could not be read.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The database refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rows of a space cannot be folded, or its log not be trimmed.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The archive has not got the history, or cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The folder of the archive cannot be used.
    #[error("the archive at {}: {source}; name a folder that can be written with --archive", .folder.display())]
    NoArchive {
        /// The folder.
        folder: PathBuf,
        /// What the machine said.
        source: BoxError,
    },
    /// A command on the archive, and none was named.
    #[error("no archive is named; name its folder with --archive")]
    WhichArchive,
    /// No snapshot was made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The database cannot be opened, for reasons outside of it.
    #[error("{0}; make sure that its directory exists and is writable, or name another with --database or --store")]
    Unopened(#[source] StoreError),
    /// There is no database, and the command creates none.
    #[error("there is no database at {}; name another with --database, or create it with `serve` or `setup`", .0.display())]
    NoDatabase(PathBuf),
    /// Logs and accounts are not one SQLite file.
    #[error(
        "backup and restore are for SQLite, and the logs are in {0}: save a Postgres database with pg_dump, a redb file or a \
         sled folder by copying it while no server has it open, and single spaces by `export`"
    )]
    NotOneFile(String),
    /// There is no such backup.
    #[error("there is no file {}; name an existing backup", .0.display())]
    NoBackup(PathBuf),
    /// A database is where the backup shall go.
    #[error("there is a database at {} already; --replace puts the backup in its place and keeps it as {}.old", .0.display(), .0.display())]
    InTheWay(PathBuf),
    /// A database is in use that must not be.
    #[error("{} is in use; stop the server that has it open, then repeat the command", .0.display())]
    Served(PathBuf),
    /// There is no such space.
    #[error("there is no space `{0}`; `list` shows what there is")]
    NoSpace(String),
    /// There is no other store of that name.
    #[error("there is no store at {}; name an existing one", .0.display())]
    NoStore(PathBuf),
    /// The store has no log of the space.
    #[error(
        "there is no log of space `{0}` there: nothing was pushed to it yet, or it is another store's; `status` shows what there is"
    )]
    NoLog(String),
    /// A log was to be moved to where it would be gone.
    #[error("a log that is moved to memory is lost when the command ends; name a store that keeps it")]
    Fleeting,
    /// A log was to be moved to where it is.
    #[error("{0} is where the log comes from; name another store with --to")]
    SameStore(String),
    /// A log could not be read out of its store.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A log could not be taken.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// What should be a portable log is none, or not a whole one.
    #[error("{what}: {why}")]
    Unreadable {
        /// Where it came from.
        what: String,
        /// What is wrong with it.
        #[source]
        why: ReadError,
    },
    /// Two logs that were compared are not the same.
    #[error("space {space}: {how}")]
    Differ {
        /// The space.
        space: String,
        /// How.
        #[source]
        how: Difference,
    },
    /// A log is not what it should be.
    #[error(
        "space {space} is damaged: {damage}; restore a backup, or start a new database and let the replicas push again"
    )]
    Damaged {
        /// The space.
        space: String,
        /// What is wrong first.
        damage: Box<Damage>,
    },
    /// The machine did not give what was asked: an address, a file, random bits.
    #[error("{what}: {source}; {next}")]
    Machine {
        /// What was asked for.
        what: String,
        /// What the machine said.
        #[source]
        source: std::io::Error,
        /// What to do next.
        next: &'static str,
    },
    /// The running server could not be asked.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The running server failed to do it, and said this.
    #[error("{message}")]
    Told {
        /// Its exit code.
        code: u8,
        /// Its message.
        message: String,
    },
    /// Nobody reads the output any more, as behind `| head`.
    #[error("nobody reads the output any more")]
    Gone(#[from] Gone),
}

impl Failure {
    /// The exit code: 1 if something failed, 2 if the command or the configuration is at fault, 0 if nobody listens.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Gone(_) => 0,
            Self::Config(_) => 2,
            Self::Told { code, .. } => *code,
            _ => 1,
        }
    }

    /// Whether it may be over by itself: the store cannot be reached now.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::Store(error @ StoreError::Backend { .. }) if error.retry() == Retry::Later)
    }

    /// Whether there is anything to tell.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Gone(_))
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Archive(error) => error.into(),
            HistoryError::Store(error) => error.into(),
        }
    }
}
