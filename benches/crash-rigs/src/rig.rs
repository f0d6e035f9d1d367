//! Makes the crashes and keeps the ledger.

mod ground;
mod hand;
mod image;
mod life;
mod tools;
mod worker;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use syncline_postgres_testing::ServerError;
use thiserror::Error;

use crate::chance::part;
use crate::report::Outcome;
use crate::setting::{Crash, Setting};
use ground::Ground;
use hand::Hand;
use life::Life;

/// What a folder that the rig may use up is called.
pub const SCRATCH_PREFIX: &str = "syncline-crash.";
/// Crashes that one store lives through before a new one is begun.
const CRASHES_PER_LIFE: u64 = 12;

/// One setting to be crashed in one way.
#[derive(Debug, Clone)]
pub struct Series {
    /// The store.
    pub setting: Setting,
    /// How.
    pub crash: Crash,
    /// How often.
    pub count: u64,
    /// The seed of everything random, except the scheduler.
    pub seed: u64,
    /// A folder for the rig alone, see [`own_scratch`].
    pub scratch: PathBuf,
    /// This program.
    pub program: PathBuf,
}

/// Why a series could not be run: the machine, not the store.
#[derive(Debug, Error)]
pub enum RigError {
    /// A file or process of the rig's own failed.
    #[error("{what}: {source}")]
    Io {
        /// What was done.
        what: String,
        /// How it failed.
        source: io::Error,
    },
    /// A program failed.
    #[error("`{command}` failed: {output}")]
    Program {
        /// The program and its arguments.
        command: String,
        /// What it said.
        output: String,
    },
    /// The Postgres server failed.
    #[error(transparent)]
    Postgres(#[from] ServerError),
    /// The folder is not one that may be used up.
    #[error("{folder}: {why}; name an empty folder that is called `{SCRATCH_PREFIX}` and something", folder = .folder.display())]
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// Why it is none.
        why: &'static str,
    },
    /// Something is missing on this machine.
    #[error("{what}; {advice}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
}

/// Names what failed.
fn at(what: impl Into<String>) -> impl FnOnce(io::Error) -> RigError {
    |source| RigError::Io { what: what.into(), source }
}

/// Checks that a folder is the rig's to use up, and lets a server's user pass through it.
///
/// # Errors
/// [`RigError::NotOurs`] if its name or something in it says otherwise.
pub fn own_scratch(folder: &Path) -> Result<PathBuf, RigError> {
    let not_ours = |why| RigError::NotOurs { folder: folder.to_owned(), why };
    let folder = fs::canonicalize(folder).map_err(|_| not_ours("there is no such folder"))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if !name.starts_with(SCRATCH_PREFIX) {
        return Err(not_ours("its name is another"));
    }
    if folder.read_dir().map_err(at(folder.display().to_string()))?.next().is_some() {
        return Err(not_ours("it is not empty"));
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(at(folder.display().to_string()))?;
    Ok(folder)
}

/// Runs a series, one store after the other, and says how it went. `progress` is told of each store's end.
///
/// # Errors
/// [`RigError`] if the machine does not do its part; what a store does wrong is in the outcome.
pub fn run(series: &Series, mut progress: impl FnMut(&Outcome)) -> Result<Outcome, RigError> {
    let mut outcome = Outcome::new(series.setting, series.crash, series.seed);
    let mut ground = Ground::new(series)?;
    let mut hand = Hand::default();
    if series.crash == Crash::Cut {
        hand.ready()?;
    }
    let mut number = 0;
    while outcome.crashes < series.count {
        let chance = part(series.seed, number);
        let crashes = CRASHES_PER_LIFE.min(series.count - outcome.crashes);
        ground.begin(number)?;
        Life::new(series, chance, crashes, &mut ground, &mut hand, &mut outcome).run()?;
        ground.end()?;
        number += 1;
        progress(&outcome);
    }
    outcome.finish();
    Ok(outcome)
}
