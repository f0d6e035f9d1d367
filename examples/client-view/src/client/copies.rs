//! Copies of the device: to be restored over it, or to run beside it as a clone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::task::spawn_blocking;

use super::device::{Device, file, make_folder};
use super::link::locked;
use super::{Client, ClientError, RunningClone, Setup, Trouble};

/// A copy of the device's store, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SavedCopy {
    /// Its name, which is its file's.
    pub name: String,
    /// When it was made.
    pub made: SystemTime,
}

impl Client {
    /// The copies, latest first.
    ///
    /// # Errors
    /// [`ClientError::Files`].
    pub async fn copies(&self) -> Result<Vec<SavedCopy>, ClientError> {
        let folder = self.copies_folder();
        blocking(move || list(&folder)).await
    }

    /// Copies the store while it is in use.
    ///
    /// # Errors
    /// [`ClientError::NotCopied`], [`ClientError::Store`], [`ClientError::Files`].
    pub async fn take_copy(&self) -> Result<SavedCopy, ClientError> {
        self.must_be_file()?;
        let _alone = self.inner.copying.lock().await;
        let (from, folder) = (file(&self.inner.setup.folder), self.copies_folder());
        let copy = blocking(move || take(&from, &folder)).await?;
        self.inner.link.tell();
        Ok(copy)
    }

    /// Puts a copy in the place of the store, as if the device had been restored from a backup. What was there becomes a copy itself,
    /// which is returned: it may be restored, too. The device stays a copy of the same replica, so it and the server find out what the
    /// server has that it had forgotten, and it takes a new identity if it has written anew what the server knows already.
    ///
    /// # Errors
    /// As [`take_copy`](Self::take_copy), and [`ClientError::NoSuchCopy`]. The device is then as it was; but if its store cannot be opened
    /// again, every call says so with [`ClientError::Closed`] until [`reopen`](Self::reopen).
    ///
    /// # Cancel
    /// The copy is in place or it is not.
    pub async fn restore(&self, name: &str) -> Result<SavedCopy, ClientError> {
        self.must_be_file()?;
        let chosen = self.copies().await?.into_iter().find(|copy| copy.name == name);
        let chosen = chosen.ok_or_else(|| ClientError::NoSuchCopy(name.to_owned()))?;
        let client = self.clone();
        // A task of its own: whoever asked may go away while the store is closed.
        let restoring = tokio::spawn(async move { client.replace_by(&chosen.name).await });
        restoring.await.unwrap_or_else(|error| Err(panicked(&error)))
    }

    async fn replace_by(&self, name: &str) -> Result<SavedCopy, ClientError> {
        let _alone = self.inner.copying.lock().await;
        let (copies, to) = (self.copies_folder(), file(&self.inner.setup.folder));
        let from = copies.join(name);
        let mut device = self.inner.device.write().await;
        if let Ok(open) = std::mem::replace(&mut *device, Err(Trouble::closed())) {
            open.close().await;
        }
        // What is there is copied while nobody can write to it.
        let placed = blocking(move || {
            let before = take(&to, &copies)?;
            put_in_place(&from, &to)?;
            Ok(before)
        })
        .await;
        *device = self.opened().await;
        drop(device);
        self.inner.link.tell();
        placed
    }

    /// Closes the store and opens it again: if it was closed, or if it has failed in a way that it asks for this.
    ///
    /// # Errors
    /// [`ClientError::Closed`] with what is in the way.
    pub async fn reopen(&self) -> Result<(), ClientError> {
        let mut device = self.inner.device.write().await;
        if let Ok(open) = std::mem::replace(&mut *device, Err(Trouble::closed())) {
            open.close().await;
        }
        *device = self.opened().await;
        self.inner.link.tell();
        device.as_ref().map(drop).map_err(|trouble| ClientError::Closed(trouble.clone()))
    }

    async fn opened(&self) -> Result<Device, Trouble> {
        let opened = Device::open(&self.inner.setup, &self.inner.skew, &self.inner.link).await;
        opened.map_err(|error| {
            Trouble::lasting(
                format!("The store cannot be opened: {error}."),
                "Mend what it names, then choose Try again.",
            )
        })
    }

    /// Starts a clone of this device in the same process: a copy of its store in a folder of its own, under the same identity, as if a
    /// disk had been copied to a second machine. It talks to the same server, and has a page of its own.
    ///
    /// # Errors
    /// As [`take_copy`](Self::take_copy) and [`open`](Self::open).
    pub async fn clone_device(&self) -> Result<Client, ClientError> {
        self.must_be_file()?;
        let (from, name, folder) = {
            let _alone = self.inner.copying.lock().await;
            let folder = free_folder(&self.inner.setup.folder.join("clones"))?;
            let (from, to) = (file(&self.inner.setup.folder), file(&folder));
            blocking(move || Ok(syncline_sqlite::copy(&from, &to)?)).await?;
            let number = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            (self.inner.link.way(), format!("{} (clone {number})", self.name()), folder)
        };
        // As long as both share an identity, it bears the first one's name.
        let shared = self.status().await?.replica;
        let clone = Client::open_named(Setup { folder, name, ..self.inner.setup.clone() }, Some(shared)).await?;
        clone.inner.link.change(|way| *way = from);
        clone.set_skew(self.skew());
        let serving = crate::serve(&clone, "127.0.0.1:0").await?;
        locked(&self.inner.clones).push(RunningClone { client: clone.clone(), serving });
        self.inner.link.tell();
        Ok(clone)
    }

    /// The clones that run in this process, with the addresses of their pages.
    pub fn clones(&self) -> Vec<(Client, String)> {
        let clones = locked(&self.inner.clones);
        clones.iter().map(|clone| (clone.client.clone(), clone.serving.address().to_owned())).collect()
    }

    fn must_be_file(&self) -> Result<(), ClientError> {
        if self.inner.setup.storage.is_some() { Err(ClientError::NotCopied) } else { Ok(()) }
    }

    fn copies_folder(&self) -> PathBuf {
        self.inner.setup.folder.join("copies")
    }
}

fn list(folder: &Path) -> Result<Vec<SavedCopy>, ClientError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(ClientError::files(folder))?,
    };
    let mut copies = Vec::new();
    for entry in entries {
        let entry = entry.map_err(ClientError::files(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let made = entry.metadata().and_then(|meta| meta.modified()).map_err(ClientError::files(entry.path()))?;
        if name.ends_with(".sqlite") {
            copies.push(SavedCopy { name, made });
        }
    }
    copies.sort_by(|a, b| (b.made, &b.name).cmp(&(a.made, &a.name)));
    Ok(copies)
}

fn take(from: &Path, folder: &Path) -> Result<SavedCopy, ClientError> {
    make_folder(folder)?;
    // Numbered, so that a copy's name says nothing wrong while the clock is.
    let taken = list(folder)?.iter().filter_map(|copy| copy.name.split_once('.')?.0.parse::<u32>().ok()).max();
    let name = format!("{}.sqlite", taken.unwrap_or(0) + 1);
    syncline_sqlite::copy(from, &folder.join(&name))?;
    Ok(SavedCopy { name, made: SystemTime::now() })
}

/// Puts a copy of `from` in the place of the closed store at `to`.
fn put_in_place(from: &Path, to: &Path) -> Result<(), ClientError> {
    let copy = to.with_extension("restoring");
    match fs::remove_file(&copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(ClientError::files(&copy)(error)),
        _ => {}
    }
    syncline_sqlite::copy(from, &copy)?;
    syncline_sqlite::put_in_place(&copy, to)?;
    // What was there is among the copies already.
    for old in ["client.sqlite.old", "client.sqlite.old-wal"] {
        let old = to.with_file_name(old);
        match fs::remove_file(&old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(ClientError::files(&old)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Makes a numbered folder that was not there.
fn free_folder(parent: &Path) -> Result<PathBuf, ClientError> {
    make_folder(parent)?;
    let folder = (1..).map(|number: u32| parent.join(number.to_string())).find(|folder| !folder.exists());
    let folder = folder.expect("some number is free");
    make_folder(&folder)?;
    Ok(folder)
}

/// Does what blocks on a thread that may be blocked.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(panicked(&error)))
}

fn panicked(error: &tokio::task::JoinError) -> ClientError {
    ClientError::Closed(Trouble::lasting(format!("This program has a fault: {error}."), "Start it again."))
}
