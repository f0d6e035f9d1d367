//! Opening the store of a setting.

use std::path::Path;
use std::sync::Arc;

use syncline::store::{Storage, StoreError};
use syncline_any::{AnyOptions, StoreName};
use syncline_key_value::KeyValueStorage;
use syncline_redb::RedbOptions;

use crate::control::{PlainFile, UnsyncedRedb};
use crate::setting::{Backend, Mode, Setting};

/// Opens the store that lies in `folder`; that of Postgres lies where `url` says. Needs a Tokio runtime.
///
/// # Errors
/// [`StoreError`] of the adapter; [`StoreError::Backend`] if a Postgres store is opened without a good URL.
pub async fn open(setting: Setting, folder: &Path, url: Option<&str>) -> Result<Arc<dyn Storage>, StoreError> {
    let any = async |name: StoreName| {
        let storage = AnyOptions::new(name).durability(setting.durability()).open().await?;
        Ok::<Arc<dyn Storage>, StoreError>(Arc::new(storage))
    };
    let what = folder.display().to_string();
    match setting.backend {
        Backend::Sqlite => any(StoreName::sqlite(folder.join("log.sqlite"))).await,
        Backend::Redb => {
            let file = folder.join("log.redb");
            match setting.mode {
                Mode::Unsynced => Ok(Arc::new(KeyValueStorage::open(UnsyncedRedb::open(&file)?, what)?)),
                Mode::OnePhase => Ok(Arc::new(RedbOptions::new(file).two_phase_commit(false).open()?)),
                _ => any(StoreName::redb(file)).await,
            }
        }
        Backend::Sled => any(StoreName::sled(folder.join("log"))).await,
        Backend::Postgres => {
            let name = url.unwrap_or_default().parse().map_err(|error| crate::control::failed("postgres", error))?;
            any(name).await
        }
        Backend::File => {
            let file = PlainFile::open(&folder.join("log"), setting.mode == Mode::Synced)?;
            Ok(Arc::new(KeyValueStorage::open(file, what)?))
        }
    }
}
