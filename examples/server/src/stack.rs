//! The database that commands and server work on.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use syncline::authority::accounts::Accounts;
use syncline::{Storage, StoreError};
use syncline_sqlite::SqliteOptions;

use crate::config::Place;
use crate::control::{ControlError, ControlFile, Line};
use crate::failure::Failure;
use crate::time;

/// How long to wait for a database that another command has open for a moment.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(50);

/// An open database: the logs and the accounts in it.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) database: PathBuf,
}

/// The way to a database.
#[derive(Debug)]
pub(crate) enum Reached {
    /// This process has it open.
    Here(Stack),
    /// A running server has it open.
    There(Line),
}

impl Stack {
    /// Opens the database, and creates it where there is none.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process has it; [`StoreError`] otherwise.
    fn open(place: &Place) -> Result<Self, StoreError> {
        claim(&place.database);
        let storage = SqliteOptions::new(&place.database).durability(place.durability).open()?;
        let accounts = Arc::new(storage.accounts(Arc::new(time::now)));
        Ok(Self { storage: Arc::new(storage), accounts, database: place.database.clone() })
    }
}

/// Creates the file, where there is none, for its owner alone: it holds what people write, and who may read it. SQLite fills
/// it, and gives the files beside it the same permissions.
fn claim(database: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Where this fails, the file is there already, or opening it says why it cannot be.
    let _ = options.open(database);
}

/// Opens the database, or calls the server that has it open. Waits a while for other commands to finish with it.
///
/// # Errors
/// [`Failure::Store`] or [`Failure::Unopened`] where it cannot be opened, [`ControlError::Unanswered`] where it stays in use
/// and nobody answers.
///
/// # Cancel
/// Nothing is left behind but perhaps a new, empty database.
pub(crate) async fn reach(place: &Place) -> Result<Reached, Failure> {
    let started = tokio::time::Instant::now();
    loop {
        match Stack::open(place) {
            Ok(stack) => {
                // Whoever wrote a control file is gone, without having had the time to remove it.
                ControlFile::remove(&place.database);
                return Ok(Reached::Here(stack));
            }
            Err(StoreError::InUse { .. }) => {}
            Err(error @ StoreError::Backend { .. }) => return Err(Failure::Unopened(error)),
            Err(error) => return Err(error.into()),
        }
        let unanswered = match Line::call(&place.database).await {
            Ok(line) => return Ok(Reached::There(line)),
            Err(error) => error,
        };
        if started.elapsed() > PATIENCE {
            let (database, why) = (place.database.clone(), unanswered.to_string());
            return Err(ControlError::Unanswered { database, why }.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
