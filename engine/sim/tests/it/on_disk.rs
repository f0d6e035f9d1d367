//! The shipped stores on disk, under every profile; and a lab that lets go of a store before it opens it again.

use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use syncline::store::{Durability, Storage, StoreError};
use syncline::{EventStore, LogId, MemoryStore};
use syncline_redb::{RedbOptions, RedbStorage};
use syncline_sim::{Case, Crash, Law, Profile, Stores, lab, on_disk};
use syncline_sled::{SledOptions, SledStorage};
use syncline_sqlite::{SqliteOptions, SqliteStorage};

/// A small cache, so that a history of many stores takes little memory.
const CACHE: usize = 1024 * 1024;

fn sqlite(folder: &Path) -> Result<SqliteStorage, StoreError> {
    SqliteOptions::new(folder.join("log.sqlite")).durability(Durability::Process).cache_bytes(CACHE).open()
}

fn redb(folder: &Path) -> Result<RedbStorage, StoreError> {
    RedbOptions::new(folder.join("log.redb")).two_phase_commit(false).cache_bytes(CACHE).open()
}

fn sled(folder: &Path) -> Result<SledStorage, StoreError> {
    SledOptions::new(folder.join("log")).durability(Durability::Process).cache_bytes(CACHE as u64).open()
}

/// Runs this many histories of every profile.
fn pass<S: Storage>(histories: u64, steps: usize, open: fn(&Path) -> Result<S, StoreError>) {
    for profile in Profile::ALL {
        lab(0..histories).profile(*profile).steps(steps).stores(on_disk(open)).run().unwrap();
    }
}

#[test]
fn sqlite_passes_every_profile() {
    pass(2, 100, sqlite);
}

#[test]
fn redb_passes_every_profile() {
    pass(1, 60, redb);
}

#[test]
fn sled_passes_every_profile() {
    pass(1, 60, sled);
}

#[test]
fn a_store_by_any_name_passes() {
    let open = |folder: &Path| Ok(Arc::new(sqlite(folder)?) as Arc<dyn Storage>);
    lab(0..2).profile(Profile::Crash).steps(60).stores(on_disk(open)).run().unwrap();
}

#[test]
fn a_seed_is_one_history_on_disk_too() {
    let lab = lab(0..0).stores(on_disk(sqlite));
    for profile in [Profile::Crash, Profile::Restore, Profile::Mixed] {
        let run = || lab.outcome(&Case::new(profile, 3, 80), true);
        assert_eq!(run(), run(), "{profile}");
    }
}

/// Holds on to a handle for good, as a program does that forgets to drop it.
#[derive(Debug)]
struct Leaks(syncline_sim::OnDisk, Mutex<Vec<Arc<dyn EventStore>>>);

impl Stores for Leaks {
    fn open(&self, name: &str, log: LogId) -> Result<Arc<dyn EventStore>, StoreError> {
        let store = self.0.open(name, log)?;
        self.1.lock().unwrap().push(store.clone());
        Ok(store)
    }
}

#[test]
fn a_store_that_is_still_in_use_is_called_that() {
    let make = on_disk(sqlite);
    let lab = lab(0..50).profile(Profile::Crash).stores(move || Leaks(make(), Mutex::default()));
    let failure = lab.run().unwrap_err();
    assert_eq!(failure.finding.law, Law::StoreKeepsItsWord, "{failure}");
    assert!(failure.finding.detail.contains("does not open: sqlite:"), "{failure}");
    assert!(failure.finding.detail.contains("in use"), "{failure}");
}

/// Panics if a handle is left when its holder has died.
#[derive(Debug, Default)]
struct Counted(Mutex<Vec<(String, Weak<MemoryStore>)>>);

impl Stores for Counted {
    fn open(&self, name: &str, log: LogId) -> Result<Arc<dyn EventStore>, StoreError> {
        let store = Arc::new(MemoryStore::new(log));
        self.0.lock().unwrap().push((name.to_owned(), Arc::downgrade(&store)));
        Ok(store)
    }

    fn crash(&self, name: &str, _: Crash) {
        let opened = self.0.lock().unwrap();
        let held = opened.iter().filter(|(opened, store)| opened == name && store.strong_count() > 0).count();
        assert_eq!(held, 0, "{name} is held");
    }
}

#[test]
fn every_handle_is_dropped_before_the_crash_is_told() {
    for profile in [Profile::Crash, Profile::Mixed] {
        let held = |seed| {
            let outcome = lab(0..0).stores(Counted::default).outcome(&Case::new(profile, seed, 200), false);
            outcome.finding.is_some_and(|finding| finding.detail.contains("is held"))
        };
        assert!(!(0..50).any(held), "{profile}");
    }
}
