//! Stores for any storage that keeps its data in a folder: one line puts a real database under test.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::store::{Durability, EventStore, Limit, LogStatus, Page, Retry, Storage, StoreError, forward};
use syncline::{Cursor, LogId};
use tempfile::TempDir;

use crate::lock::locked;
use crate::stores::{Stores, finish, space};

/// Stores on disk for [`Lab::stores`](crate::Lab::stores): `open` opens a storage in a folder, and creates it if the folder is
/// empty.
///
/// Every history has a temporary folder, and every device and server store an own folder in it. When a process dies, all its handles
/// are dropped, and `open` is called again with the same folder: what is in the files is what survives. A power cut is no more than
/// that here, because files cannot be made to forget; a store that has to survive one needs a test with real power cuts.
///
/// A lower [`Durability`] often makes a store much faster, and the lab cannot tell the difference.
///
/// ```
/// use syncline::store::Durability;
/// use syncline_sim::{Profile, lab, on_disk};
/// use syncline_sqlite::SqliteOptions;
///
/// let open = |folder: &std::path::Path| {
///     SqliteOptions::new(folder.join("log.sqlite")).durability(Durability::Process).open()
/// };
/// lab(0..3).profile(Profile::Crash).steps(60).stores(on_disk(open)).run().unwrap();
/// ```
pub fn on_disk<S: Storage>(
    open: impl Fn(&Path) -> Result<S, StoreError> + Send + Sync + 'static,
) -> impl Fn() -> OnDisk + Send + Sync + 'static {
    let open: Open = Arc::new(move |folder| Ok(Arc::new(open(folder)?)));
    move || OnDisk { open: open.clone(), state: Mutex::default() }
}

type Open = Arc<dyn Fn(&Path) -> Result<Arc<dyn Storage>, StoreError> + Send + Sync>;

/// The stores of one history, in a temporary folder. Made by [`on_disk`].
pub struct OnDisk {
    open: Open,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    folder: Option<Arc<TempDir>>,
    /// The identity that each store has given its log.
    logs: BTreeMap<String, LogId>,
    /// What the storage has promised last.
    durability: Option<Durability>,
}

impl fmt::Debug for OnDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDisk").field("folder", &locked(&self.state).folder).finish_non_exhaustive()
    }
}

impl Stores for OnDisk {
    fn open(&self, name: &str, log: LogId) -> Result<Arc<dyn EventStore>, StoreError> {
        let mut state = locked(&self.state);
        let folder = match &state.folder {
            Some(folder) => folder.clone(),
            None => state.folder.insert(Arc::new(TempDir::with_prefix("syncline-lab-").map_err(failed)?)).clone(),
        };
        let place = folder.path().join(name.replace(|sign: char| !sign.is_ascii_alphanumeric(), "-"));
        std::fs::create_dir_all(&place).map_err(failed)?;
        let storage = (self.open)(&place)?;
        state.durability = Some(storage.durability());
        let store = finish(storage.open(&space()))?;
        let stored = match state.logs.get(name) {
            Some(stored) => *stored,
            None => finish(store.status())?.log,
        };
        state.logs.insert(name.to_owned(), stored);
        Ok(Arc::new(Opened { store, _storage: storage, _folder: folder, stored, drawn: log }))
    }

    fn durability(&self) -> Durability {
        locked(&self.state).durability.unwrap_or(Durability::Process)
    }
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Backend { backend: "on disk", retry: Retry::Never, source: error.into() }
}

/// One open store. To the lab its log has the identity that the seed has drawn, since a storage draws another in every run.
///
/// It holds everything that is open, so that to drop it is to close it: the store first, the folder last.
#[derive(Debug)]
struct Opened {
    store: Arc<dyn EventStore>,
    _storage: Arc<dyn Storage>,
    _folder: Arc<TempDir>,
    stored: LogId,
    drawn: LogId,
}

impl Opened {
    fn outward(&self, log: LogId) -> LogId {
        if log == self.stored { self.drawn } else { log }
    }

    fn inward(&self, cursor: Cursor) -> Cursor {
        if cursor.log == self.drawn { Cursor { log: self.stored, ..cursor } } else { cursor }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Opened {
    forward!(self.store: read_origin, load, scan, commit, commit_folded, changed);

    async fn status(&self) -> Result<LogStatus, StoreError> {
        let status = self.store.status().await?;
        Ok(LogStatus { log: self.outward(status.log), ..status })
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let page = self.store.read(self.inward(after), limit).await.map_err(|error| match error {
            StoreError::CursorGone { log, base, head, .. } => {
                StoreError::CursorGone { cursor: after, log: self.outward(log), base, head }
            }
            error => error,
        })?;
        let next = Cursor { log: self.outward(page.next.log), ..page.next };
        Ok(Page { next, ..page })
    }
}
