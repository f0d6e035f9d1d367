//! Copies of a database while it is served, and putting one back.

use std::path::{Path, PathBuf};
use std::{fs, io};

use syncline::StoreError;
use syncline::store::Durability;
use syncline_any::{Scheme, StoreName};

use crate::config::Place;
use crate::failure::Failure;
use crate::output::Output;
use crate::stack::{Reached, reach};
use crate::verify;

/// `backup`: copies the database, whether it is served or not, and checks the copy before it gets its name.
///
/// # Errors
/// [`Failure`]. The file is as it was before.
pub(crate) async fn backup(file: &Path, place: &Place, out: &mut Output) -> Result<(), Failure> {
    let database = database(place)?;
    if !database.exists() {
        return Err(Failure::NoDatabase(database.to_owned()));
    }
    let draft = Draft::of(file);
    syncline_sqlite::copy(database, &draft.0)?;
    check(&draft.0, out).await?;
    fs::rename(&draft.0, file).and_then(|()| sync_directory(file)).map_err(|source| Failure::Machine {
        what: format!("{} cannot be written", file.display()),
        source,
        next: "name another file",
    })?;
    Ok(out.line(format!("backup of {} in {}", database.display(), file.display())).await?)
}

/// `restore`: checks a copy of the backup, and puts it in the place of the database, which nobody may have open.
///
/// # Errors
/// [`Failure`]. The database is as it was before, or the backup's.
pub(crate) async fn restore(file: &Path, replace: bool, place: &Place, out: &mut Output) -> Result<(), Failure> {
    let database = database(place)?;
    if !file.exists() {
        return Err(Failure::NoBackup(file.to_owned()));
    }
    let was_there = database.exists();
    if was_there && !replace {
        return Err(Failure::InTheWay(database.to_owned()));
    }
    let draft = Draft::of(database);
    syncline_sqlite::copy(file, &draft.0)?;
    check(&draft.0, out).await?;
    match syncline_sqlite::put_in_place(&draft.0, database) {
        Err(StoreError::InUse { .. }) => return Err(Failure::Served(database.to_owned())),
        placed => placed?,
    }
    if was_there {
        out.note(format!("what was there is kept as {}.old; remove it when you no longer need it", database.display()))
            .await?;
    }
    out.note("devices bring back what they have and the backup lacks, by themselves").await?;
    Ok(out.line(format!("{} restored to {}", file.display(), database.display())).await?)
}

/// The one file that holds logs and accounts.
fn database(place: &Place) -> Result<&Path, Failure> {
    match (place.logs.scheme(), place.logs.path(), &place.accounts) {
        (Scheme::Sqlite, Some(path), None) => Ok(path),
        _ => Err(Failure::NotOneFile(place.logs.to_string())),
    }
}

/// Checks a copy as `verify` does.
async fn check(copy: &Path, out: &mut Output) -> Result<(), Failure> {
    let place = Place { logs: StoreName::sqlite(copy), accounts: None, durability: Durability::Synced, archive: None };
    match reach(&place).await? {
        Reached::Here(stack) => verify::run(None, &stack, out).await,
        Reached::There(_) => Err(Failure::Served(copy.to_owned())),
    }
}

/// A copy that is not in its place yet. Dropped, it is removed with all that SQLite and the lock left next to it.
struct Draft(PathBuf);

impl Draft {
    fn of(file: &Path) -> Self {
        Self(beside(file, &format!(".{}.partial", std::process::id())))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm", "-lock"] {
            // Most of them are not there.
            let _ = fs::remove_file(beside(&self.0, ending));
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Makes a new name survive a power cut if the system knows of such a thing.
fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
