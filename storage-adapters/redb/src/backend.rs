//! redb as a key-value database: one table of bytes.

use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, StorageError, TableDefinition,
    TableError,
};
use syncline::store::{Claim, Direction, Durability, StoreError};
use syncline_key_value::files::InPlace;
use syncline_key_value::{Changes, KeyValue, Snapshot, Visit, files, guarded, inspect};

use crate::error::{BACKEND, failed, foreign};
use crate::options::RedbOptions;

const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("syncline");

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// What a redb file begins with.
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// An open redb file.
pub(crate) struct Redb {
    database: Database,
    path: PathBuf,
    two_phase: bool,
    in_place: InPlace,
    /// Ends after the database has been closed.
    _open: Claim,
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The table at one moment.
pub(crate) struct RedbSnapshot<'a> {
    table: Table,
    path: &'a Path,
}

impl Redb {
    /// Opens a file that is ours or may become so. One that is not is left as it was.
    pub(crate) fn open(options: &RedbOptions) -> Result<Self, StoreError> {
        let path = options.path.clone();
        look(&path)?;
        files::check_writable(BACKEND, &path)?;
        guarded(BACKEND, &path.display(), || create_whole(&path))?;
        let create = || {
            let mut builder = Database::builder();
            builder.set_cache_size(options.cache_bytes).set_check_integrity_on_open(options.verify);
            builder.create(&path).map_err(|error| failed(&path, error))
        };
        let mut database = guarded(BACKEND, &path.display(), create)?;
        if options.compact {
            let compact = || database.compact().map_err(|error| failed(&path, error));
            guarded(BACKEND, &path.display(), compact)?;
        }
        files::sync_parent(BACKEND, &path)?;
        let (in_place, two_phase) = (files::in_place(BACKEND, &path, &[])?, options.two_phase);
        let redb = Self { database, _open: files::claim(&path), path, two_phase, in_place };
        guarded(BACKEND, &redb.path.display(), || redb.add_table())?;
        Ok(redb)
    }

    /// Sees to it that the table exists, if no other program's does.
    fn add_table(&self) -> Result<(), StoreError> {
        match find_table(&self.database, &self.path)? {
            Some(_) => Ok(()),
            None => self.write(&Changes::default()),
        }
    }
}

impl KeyValue for Redb {
    const NAME: &'static str = BACKEND;
    type Snapshot<'a> = RedbSnapshot<'a>;

    fn snapshot(&self) -> Result<RedbSnapshot<'_>, StoreError> {
        let read = self.database.begin_read().map_err(|error| failed(&self.path, error))?;
        let table = read.open_table(TABLE).map_err(|error| failed(&self.path, error))?;
        Ok(RedbSnapshot { table, path: &self.path })
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().map_err(|error| failed(&self.path, error))?;
        transaction.set_two_phase_commit(self.two_phase);
        {
            let mut table = transaction.open_table(TABLE).map_err(|error| failed(&self.path, error))?;
            for (key, value) in changes.iter() {
                let changed = match value {
                    Some(value) => table.insert(key, value).map(drop),
                    None => table.remove(key).map(drop),
                };
                changed.map_err(|error| failed(&self.path, error))?;
            }
        }
        transaction.commit().map_err(|error| failed(&self.path, error))
    }

    fn in_place(&self) -> Result<(), StoreError> {
        files::check_in_place(BACKEND, &self.in_place)
    }

    fn durability(&self) -> Durability {
        Durability::Synced
    }
}

impl Snapshot for RedbSnapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.table.get(key).map_err(|error| failed(self.path, error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
    }

    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
        let entries = self.table.range(keys).map_err(|error| failed(self.path, error))?;
        for entry in direction.walk(entries) {
            let (key, value) = entry.map_err(|error| failed(self.path, error))?;
            if each(key.value(), value.value()).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Files whose creation this process has begun: their names until they are whole.
static CREATED: AtomicU64 = AtomicU64::new(0);

/// Creates a file that does not exist next to its place, and links it there once it is whole: one whose creation was cut short redb
/// does not open again. If another process is quicker, its file stays; if there are no links, redb creates it in place.
fn create_whole(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}.new", std::process::id(), CREATED.fetch_add(1, Ordering::Relaxed)));
    let unfinished = path.with_file_name(name);
    // Left by the crash of a process of the same number.
    let _ = fs::remove_file(&unfinished);
    drop(Database::create(&unfinished).map_err(|error| failed(path, error))?);
    let _ = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished).map_err(|error| failed(path, StorageError::Io(error)))
}

/// Refuses a file that is not ours, without changing it. What cannot be told so is left to the opening.
fn look(path: &Path) -> Result<(), StoreError> {
    let mut begin = Vec::new();
    match File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut begin)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(path, StorageError::Io(error))),
        Err(_) | Ok(0) => return Ok(()),
        Ok(_) if begin != MAGIC => return Err(foreign(path, "unknown (not of redb)")),
        Ok(_) => {}
    }
    let look = || match ReadOnlyDatabase::open(path) {
        Err(error @ DatabaseError::DatabaseAlreadyOpen) => Err(failed(path, error)),
        // It needs repair.
        Err(_) => Ok(()),
        Ok(database) => match find_table(&database, path)? {
            Some(table) => inspect(&RedbSnapshot { table, path }, &path.display().to_string()).map(drop),
            None => Ok(()),
        },
    };
    match guarded(BACKEND, &path.display(), look) {
        Err(StoreError::Corrupt { .. }) => Ok(()),
        looked => looked,
    }
}

/// Our table; none if there is no table at all.
fn find_table(database: &impl ReadableDatabase, path: &Path) -> Result<Option<Table>, StoreError> {
    let read = database.begin_read().map_err(|error| failed(path, error))?;
    let other = || Ok(read.list_tables()?.next().is_some() || read.list_multimap_tables()?.next().is_some());
    let other = || other().map_err(|error: StorageError| failed(path, error));
    match read.open_table(TABLE) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) if !other()? => Ok(None),
        Err(TableError::Storage(error)) => Err(failed(path, error)),
        Err(_) => Err(foreign(path, "unknown (a redb file of another program)")),
    }
}
