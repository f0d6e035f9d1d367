//! What is replaced as a whole when an old copy is put in place: the open store, and the task that syncs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use syncline::store::{Durability, Storage};
use syncline::{NTP64, Replica};
use syncline_sqlite::SqliteStorage;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{ClientError, Link, Setup, compose};
use crate::local::Key;

/// An open store with its replica. When it is dropped, syncing has ended and the store is closed.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) replica: Replica,
    pub(super) durability: Durability,
    tasks: Vec<JoinHandle<()>>,
}

impl Device {
    pub(super) async fn open(setup: &Setup, skew: &Arc<AtomicI64>, link: &Arc<Link>) -> Result<Self, ClientError> {
        let storage: Arc<dyn Storage> = match &setup.storage {
            Some(storage) => storage.clone(),
            None => Arc::new(SqliteStorage::at(file(&setup.folder))?),
        };
        let skew = skew.clone();
        let clock = move || skewed(syncline_os::wall_clock(), skew.load(Ordering::Relaxed));
        let stack = compose(setup.space.clone(), storage.open(&setup.space).await?).clock(clock);
        let replica = stack.on_fork(syncline_os::replica_id).open(syncline_os::replica_id()).await?;
        link.announce(&replica).await?;
        let tasks =
            vec![tokio::spawn(tell(replica.clone(), link.clone())), tokio::spawn(run(replica.clone(), link.clone()))];
        Ok(Self { replica, durability: storage.durability(), tasks })
    }

    /// Ends syncing and closes the store. What was committed stays.
    pub(super) async fn close(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // It was aborted, which is no news.
            let _ = task.await;
        }
        // Closing the store waits for its disk.
        let _ = spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn run(replica: Replica, link: Arc<Link>) {
    link.run(&replica).await;
}

/// Tells pages of every commit.
async fn tell(replica: Replica, link: Arc<Link>) {
    let mut changes = replica.watch();
    drop(replica);
    while changes.next().await.is_some() {
        link.tell();
    }
}

/// What a clock shows that is so many milliseconds ahead.
fn skewed(now: NTP64, millis: i64) -> NTP64 {
    let span = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 { syncline::format::time::before(now, span) } else { syncline::format::time::after(now, span) }
}

/// The SQLite file in a folder.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("client.sqlite")
}

/// Makes a folder that its owner alone may look into.
pub(super) fn make_folder(folder: &Path) -> Result<(), ClientError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(ClientError::files(folder))
}

/// The key of the folder's page. It stays the same, so that a bookmark does, too.
pub(super) fn key(folder: &Path) -> Result<Key, ClientError> {
    use std::io::Write;
    let path = folder.join("page-key");
    if let Some(key) = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()) {
        return Ok(key);
    }
    let key = Key::fresh();
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&path).and_then(|mut file| writeln!(file, "{}", key.as_str()));
    written.map_err(ClientError::files(path))?;
    Ok(key)
}
