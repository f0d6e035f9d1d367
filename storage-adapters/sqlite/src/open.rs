//! Opening a file.

use std::path::{Path, PathBuf};

use syncline::store::StoreError;
use syncline_embedded::Database;
use syncline_embedded::files::{InPlace, Lock};

use crate::backend::{Sqlite, Writing};
use crate::checkpoint::Checkpoint;
use crate::connection::{fold_log_on_close, open_reader, open_writer};
use crate::error::{BACKEND, Result, refused};
use crate::leftover::{self, beside};
use crate::options::SqliteOptions;
use crate::schema;
use crate::space_back::SpaceBack;

/// Opens a file and starts its threads.
pub(crate) fn open(options: &SqliteOptions) -> Result<Database<Sqlite>, StoreError> {
    let path = resolve(&options.path)?;
    // The lock comes first: closing a file that this process has open elsewhere would end SQLite's locks on it.
    let lock = lock(&path)?;
    if let Err(error) = schema::inspect(&path) {
        lock.withdraw();
        return Err(error);
    }
    let options = SqliteOptions { path: path.clone(), ..options.clone() };
    start(options, lock).map_err(|fault| fault.at(&path))
}

/// Takes the lock of a database, which need not exist: on the file `…-lock` next to it. It is not the database that is locked, because
/// SQLite's own locks on it would end with the first handle that is closed.
///
/// # Errors
/// [`StoreError::InUse`] if another process, or this one, holds it.
pub(crate) fn lock(path: &Path) -> Result<Lock, StoreError> {
    Lock::take(BACKEND, &beside(path, "-lock"), path)
}

fn start(options: SqliteOptions, lock: Lock) -> Result<Database<Sqlite>> {
    let path = &options.path;
    let alone = leftover::alone(path);
    let mut connection = open_writer(path, &options)?;
    schema::migrate(path, &mut connection).map_err(|fault| leftover::blame(path, &alone, fault))?;
    leftover::check(&connection, path, alone)?;
    fold_log_on_close(&connection, true)?;
    // Commits go to the log first, and anyone who deletes the lock lets a second writer in.
    let files = [path, &beside(path, "-wal"), lock.path()];
    let in_place = InPlace::now(files).map_err(|error| refused(path, error))?;
    let readers = (0..options.readers.get()).map(|_| open_reader(path, &options)).collect::<Result<Vec<_>>>()?;
    let (what, checkpoint) = (path.display().to_string(), Checkpoint::of(&connection));
    let writer = Writing { connection, checkpoint, space_back: SpaceBack::default(), _lock: lock };
    Ok(Database::start(Sqlite { options, in_place }, what, writer, readers)?)
}

/// The one name of a file, so that two ways to it are known to lead to the same.
fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error: std::io::Error| refused(path, format!("{error}; its directory must exist"));
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    let absolute = std::path::absolute(path).map_err(failed)?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize().map_err(failed)?.join(name)),
        _ => Err(refused(path, "this names no file")),
    }
}
