//! Why a command did not do what it was asked, and the exit code that says so.

use std::path::PathBuf;

use syncline::StoreError;
use syncline::authority::accounts::AccountsError;
use thiserror::Error;

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
    /// The database refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database cannot be opened, for reasons outside of it.
    #[error("{0}; see that its directory is there and may be written to, or name another with --database")]
    Unopened(#[source] StoreError),
    /// There is no database, and the command creates none.
    #[error("there is no database at {}; name another with --database, or create it with `serve` or `setup`", .0.display())]
    NoDatabase(PathBuf),
    /// There is no such space.
    #[error("there is no space `{0}`; `list` shows what there is")]
    NoSpace(String),
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
    /// The exit code: 1 where something failed, 2 where the command or the configuration is at fault, 0 where nobody listens.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Gone(_) => 0,
            Self::Config(_) => 2,
            Self::Told { code, .. } => *code,
            _ => 1,
        }
    }

    /// Whether there is anything to tell.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Gone(_))
    }
}
