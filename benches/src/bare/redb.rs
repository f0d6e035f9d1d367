//! By hand on redb: one table of bytes, as in the adapter, and its two-phase commits.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, WriteTransaction};

use super::{Batch, Pair, pairs};
use crate::Failure;

const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("syncline");
/// As the adapter's.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// A redb file.
#[derive(Debug)]
pub(super) struct Redb(Database);

impl Redb {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let bare = Self::open(path)?;
        bare.write(|_| Ok(()))?;
        Ok(bare)
    }

    /// Opens a file, or begins it, with the checks that the adapter has made.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        Ok(Self(builder.create(path)?))
    }

    fn write(&self, put: impl FnOnce(&mut Table<'_, &[u8], &[u8]>) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut transaction: WriteTransaction = self.0.begin_write()?;
        transaction.set_two_phase_commit(true);
        put(&mut transaction.open_table(TABLE)?)?;
        Ok(transaction.commit()?)
    }

    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), Failure> {
        self.write(|table| {
            for (key, value) in pairs::of_log(batch) {
                table.insert(&key[..], &value[..])?;
            }
            for (key, value) in &batch.rows {
                let key = pairs::row(key);
                let kept = batch.may_be_late && table.get(&key[..])?.is_some_and(|stored| stored.value() >= &value[..]);
                if !kept {
                    table.insert(&key[..], &value[..])?;
                }
            }
            Ok(())
        })
    }

    pub(super) fn head(&mut self) -> Result<u64, Failure> {
        let status = self.0.begin_read()?.open_table(TABLE)?.get(&pairs::status()[..])?;
        Ok(pairs::head_of(status.as_ref().map(|value| value.value())))
    }

    pub(super) fn read(&mut self, after: u64, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let keys = pairs::runs_behind(after);
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let runs = table.range(&keys.start[..]..&keys.end[..])?.take(count);
        runs.map(|pair| Ok(pairs::run_of(pair?.1.value()))).collect()
    }

    pub(super) fn replace_rows(&mut self, rows: &BTreeMap<Vec<u8>, Vec<u8>>, folded: &str) -> Result<(), Failure> {
        let head = self.head()?;
        self.write(|table| {
            let old = pairs::rows();
            table.retain_in(&old.start[..]..&old.end[..], |_, _| false)?;
            for (key, value) in pairs::of_rows(rows).chain([pairs::rebuilt(head, folded)]) {
                table.insert(&key[..], &value[..])?;
            }
            Ok(())
        })
    }

    pub(super) fn row(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let value = self.0.begin_read()?.open_table(TABLE)?.get(&pairs::row(key)[..])?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    pub(super) fn rows(&mut self) -> Result<Vec<Pair>, Failure> {
        let keys = pairs::rows();
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let rows = table.range(&keys.start[..]..&keys.end[..])?;
        rows.map(|pair| {
            let (key, value) = pair?;
            Ok((pairs::row_key_of(key.value()), value.value().to_vec()))
        })
        .collect()
    }
}
