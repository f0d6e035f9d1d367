//! redb that waits for nothing: the adapter offers no such setting, so the control brings it.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};
use syncline::store::{Direction, Durability, StoreError};
use syncline_key_value::{Changes, KeyValue, Snapshot, Visit};

use super::failed;

const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("unsynced");
const NAME: &str = "redb-unsynced";

/// A redb file whose commits are durable never, or some time later.
pub struct UnsyncedRedb {
    database: Database,
}

impl fmt::Debug for UnsyncedRedb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnsyncedRedb")
    }
}

impl UnsyncedRedb {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if redb cannot open it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || -> Result<_, redb::Error> {
            let database = Database::create(path)?;
            let transaction = database.begin_write()?;
            transaction.open_table(TABLE)?;
            transaction.commit()?;
            Ok(database)
        };
        Ok(Self { database: open().map_err(|error| failed(NAME, error))? })
    }

    fn try_write(&self, changes: &Changes) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(redb::Durability::None)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in changes.iter() {
                match value {
                    Some(value) => drop(table.insert(key, value)?),
                    None => drop(table.remove(key)?),
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

impl KeyValue for UnsyncedRedb {
    const NAME: &'static str = NAME;
    type Snapshot<'a> = Moment;

    fn snapshot(&self) -> Result<Moment, StoreError> {
        let open = || -> Result<_, redb::Error> { Ok(self.database.begin_read()?.open_table(TABLE)?) };
        open().map(Moment).map_err(|error| failed(NAME, error))
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        self.try_write(changes).map_err(|error| failed(NAME, error))
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}

/// The table at one moment.
pub struct Moment(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment")
    }
}

impl Snapshot for Moment {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.0.get(key).map_err(|error| failed(NAME, error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
    }

    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
        let entries = self.0.range(keys).map_err(|error| failed(NAME, error))?;
        for entry in direction.walk(entries) {
            let (key, value) = entry.map_err(|error| failed(NAME, error))?;
            if each(key.value(), value.value()).is_break() {
                break;
            }
        }
        Ok(())
    }
}
