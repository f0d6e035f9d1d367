//! The stores that commands and server work on.

use std::fs::{DirBuilder, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use syncline::authority::accounts::Accounts;
use syncline::store::Durability;
use syncline::{Storage, StoreError};
use syncline_any::{AnyOptions, AnyStorage, Scheme, StoreName};

use crate::config::Place;
use crate::control::{ControlError, ControlFile, Line};
use crate::failure::Failure;
use crate::time;

/// How long to wait for a store that another command has open for a moment.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(50);

/// Open stores: the logs and the accounts.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) accounts: Arc<dyn Accounts>,
    /// The store of the logs, and that of the accounts if it is another one.
    pub(crate) stores: Vec<AnyStorage>,
    pub(crate) place: Place,
}

/// The way to a store, open in this process as a `T`.
#[derive(Debug)]
pub(crate) enum Reached<T> {
    /// This process has it open.
    Here(T),
    /// A running server has it open.
    There(Line),
}

impl Stack {
    /// Opens what is at this place, and creates what is not there.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it; [`StoreError`] otherwise.
    async fn open(place: &Place) -> Result<Self, StoreError> {
        // The accounts first: anyone who has them has the logs.
        let beside = match &place.accounts {
            Some(file) => Some(open_store(&StoreName::sqlite(file), place.durability).await?),
            None => None,
        };
        let storage = open_store(&place.logs, place.durability).await?;
        let accounts = beside.as_ref().unwrap_or(&storage).accounts(Arc::new(time::now)).await?;
        let accounts = accounts.expect("a place without a file of accounts is one whose logs' store keeps them");
        let stores = [Some(storage.clone()), beside].into_iter().flatten().collect();
        Ok(Self { storage: Arc::new(storage), accounts, stores, place: place.clone() })
    }
}

async fn open_store(name: &StoreName, durability: Durability) -> Result<AnyStorage, StoreError> {
    match (name.scheme(), name.path()) {
        (Scheme::Sled, Some(folder)) => claim_folder(folder),
        (_, Some(file)) => claim_file(file),
        (_, None) => {}
    }
    AnyOptions::new(name.clone()).durability(durability).open().await
}

/// Creates the file if there is none, for its owner alone: it holds what people write, and who may read it. The store fills
/// it, and gives the files next to it the same permissions.
fn claim_file(file: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // If this fails, the file is there already, or opening it says why it cannot be.
    let _ = options.open(file);
}

/// Creates the folder, as [`claim_file`] does a file.
fn claim_folder(folder: &Path) {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let _ = builder.create(folder);
}

/// Opens what is at this place, or calls the server that has it open. Waits a while for other commands to finish with it.
///
/// # Errors
/// [`Failure::Store`] or [`Failure::Unopened`] if it cannot be opened, [`ControlError::Unanswered`] if it stays in use
/// and nobody answers.
///
/// # Cancel
/// Nothing is left behind but perhaps new, empty files.
pub(crate) async fn reach(place: &Place) -> Result<Reached<Stack>, Failure> {
    let paths: Vec<_> = place.paths().collect();
    patiently(&place.logs, &paths, async || Stack::open(place).await).await
}

/// Opens one store, or calls the server that has it open, as [`reach`] does.
///
/// # Errors
/// As [`reach`].
///
/// # Cancel
/// As [`reach`].
pub(crate) async fn reach_store(name: &StoreName, durability: Durability) -> Result<Reached<AnyStorage>, Failure> {
    let paths: Vec<_> = name.path().into_iter().collect();
    patiently(name, &paths, async || open_store(name, durability).await).await
}

async fn patiently<T>(
    logs: &StoreName,
    paths: &[&Path],
    open: impl AsyncFn() -> Result<T, StoreError>,
) -> Result<Reached<T>, Failure> {
    let started = tokio::time::Instant::now();
    loop {
        match open().await {
            Ok(opened) => {
                // Whoever wrote a control file is gone, without having had the time to remove it.
                paths.iter().for_each(|path| ControlFile::remove(path));
                return Ok(Reached::Here(opened));
            }
            Err(StoreError::InUse { .. }) => {}
            Err(error @ StoreError::Backend { .. }) if !paths.is_empty() => return Err(Failure::Unopened(error)),
            Err(error) => return Err(error.into()),
        }
        let unanswered = match call(paths, logs).await {
            Ok(line) => return Ok(Reached::There(line)),
            Err(error) => error,
        };
        if started.elapsed() > PATIENCE {
            let (what, why) = (paths.first().map_or_else(Default::default, |path| path.into()), unanswered.to_string());
            return Err(ControlError::Unanswered { what, why }.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Calls the server that has one of these open, about these logs.
async fn call(paths: &[&Path], logs: &StoreName) -> std::io::Result<Line> {
    let mut unanswered = std::io::ErrorKind::NotFound.into();
    for path in paths {
        match Line::call(path, logs).await {
            Ok(line) => return Ok(line),
            Err(error) => unanswered = error,
        }
    }
    Err(unanswered)
}
