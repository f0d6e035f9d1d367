//! By hand on sled: one tree, a batch per transaction, and after the flush the fsync that sled leaves out.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use sled::{Batch as Changes, Db, Tree};
use syncline::store::Durability;

use super::{Batch, Pair, pairs};
use crate::Failure;

/// As the adapter's.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// How often, and how long in between, to ask for a directory that sled has not quite let go of.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// A sled directory.
#[derive(Debug)]
pub(super) struct Sled {
    tree: Tree,
    _database: Db,
    log: File,
    durability: Durability,
}

impl Sled {
    /// Opens a directory, or begins it.
    pub(super) fn open(path: &Path, durability: Durability) -> Result<Self, Failure> {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let mut opened = config.open();
        for _ in 1..TRIES {
            if opened.is_ok() {
                break;
            }
            std::thread::sleep(PAUSE);
            opened = config.open();
        }
        let database = opened?;
        Ok(Self {
            tree: database.open_tree("syncline")?,
            _database: database,
            log: File::open(path.join("db"))?,
            durability,
        })
    }

    fn apply(&self, changes: Changes) -> Result<(), Failure> {
        self.tree.apply_batch(changes)?;
        self.tree.flush()?;
        if self.durability == Durability::Synced {
            self.log.sync_data()?;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), Failure> {
        let mut changes = Changes::default();
        pairs::of_log(batch).into_iter().for_each(|(key, value)| changes.insert(key, value));
        for (key, value) in &batch.rows {
            let key = pairs::row(key);
            let kept = batch.may_be_late && self.tree.get(&key)?.is_some_and(|stored| stored[..] >= value[..]);
            if !kept {
                changes.insert(key, &value[..]);
            }
        }
        self.apply(changes)
    }

    pub(super) fn head(&mut self) -> Result<u64, Failure> {
        Ok(pairs::head_of(self.tree.get(pairs::status())?.as_deref()))
    }

    pub(super) fn read(&mut self, after: u64, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let runs = self.tree.range(pairs::runs_behind(after)).take(count);
        runs.map(|pair| Ok(pairs::run_of(&pair?.1))).collect()
    }

    pub(super) fn replace_rows(&mut self, rows: &BTreeMap<Vec<u8>, Vec<u8>>, folded: &str) -> Result<(), Failure> {
        let mut changes = Changes::default();
        for key in self.tree.range(pairs::rows()).keys() {
            changes.remove(key?);
        }
        let put = pairs::of_rows(rows).chain([pairs::rebuilt(self.head()?, folded)]);
        put.for_each(|(key, value)| changes.insert(key, value));
        self.apply(changes)
    }

    pub(super) fn row(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.tree.get(pairs::row(key))?.map(|value| value.to_vec()))
    }

    pub(super) fn rows(&mut self) -> Result<Vec<Pair>, Failure> {
        let rows = self.tree.range(pairs::rows());
        rows.map(|pair| pair.map(|(key, value)| (pairs::row_key_of(&key), value.to_vec())).map_err(Into::into))
            .collect()
    }
}
