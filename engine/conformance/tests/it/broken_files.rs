//! Are stores on files with a fault caught by what must hold beside the laws? These lie in memory, and only claim to lie on files.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use syncline::StoreError;
use syncline::store::memory::MemoryStorage;
use syncline::store::{Retry, Storage};
use syncline_conformance::{displaced, elsewhere, file_store, new_log_id};

use crate::fault::{Fault, Faulty, sound};

/// What is at each path, as this process sees it.
static PLACES: Mutex<BTreeMap<PathBuf, Arc<dyn Storage>>> = Mutex::new(BTreeMap::new());

/// Commits for which there is room.
const ROOM: u64 = 8;

type Opened = Result<Faulty, StoreError>;

/// Opens as often as anyone likes. Another process has a store of its own at the same path.
fn unlocked(path: &Path) -> Opened {
    let mut places = PLACES.lock().unwrap();
    let storage = places.entry(path.into()).or_insert_with(|| Arc::new(MemoryStorage::new(new_log_id)));
    Ok(Faulty { storage: storage.clone(), fault: Arc::new(sound()) })
}

/// Is empty again when it is opened again.
fn forgetful(_: &Path) -> Opened {
    Ok(Faulty { storage: Arc::new(MemoryStorage::new(new_log_id)), fault: Arc::new(sound()) })
}

/// The same, on a disk that fills up.
fn forgetful_in_little_room(path: &Path) -> Opened {
    let commits = AtomicU64::new(0);
    let fault = Fault {
        commit: Box::new(move |handle, batch| {
            let is_full = commits.fetch_add(1, Ordering::Relaxed) >= ROOM;
            let full = StoreError::Backend { backend: "twin", retry: Retry::Later, source: "the disk is full".into() };
            Box::pin(async move { if is_full { Err(full) } else { handle.store.commit(batch).await } })
        }),
        ..sound()
    };
    Ok(Faulty { fault: Arc::new(fault), ..forgetful(path)? })
}

/// Whether a store fails. In the other process, which only answers, nothing does.
fn fails(test: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(test)).is_err() || elsewhere::path().is_some()
}

fn named(test: &str) -> String {
    elsewhere::name(module_path!(), test)
}

#[test]
fn a_store_that_any_number_open_at_once_is_caught() {
    assert!(fails(|| file_store::a_second_open_is_told_that_the_store_is_in_use_by_any_handle(unlocked)));
}

#[test]
fn a_store_that_forgets_what_it_held_is_caught() {
    assert!(fails(|| file_store::everything_is_there_again_however_often_it_is_reopened_at_once(forgetful)));
}

#[test]
fn a_store_whose_lock_ends_with_its_process_is_caught() {
    let test = named("a_store_whose_lock_ends_with_its_process_is_caught");
    let law = file_store::another_process_is_told_that_the_store_is_in_use_until_it_is_closed;
    assert!(fails(|| law(&test, unlocked)));
}

#[test]
fn a_store_that_passes_over_a_full_disk_is_caught() {
    let test = named("a_store_that_passes_over_a_full_disk_is_caught");
    assert!(fails(|| file_store::a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged(&test, unlocked)));
}

#[test]
fn a_store_that_a_full_disk_costs_what_it_has_acknowledged_is_caught() {
    let test = named("a_store_that_a_full_disk_costs_what_it_has_acknowledged_is_caught");
    let law = file_store::a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged;
    assert!(fails(|| law(&test, forgetful_in_little_room)));
}

#[test]
fn a_store_that_misses_no_file_is_caught() {
    let delete = |path: &Path| fs::write(path, "gone").unwrap();
    assert!(fails(|| displaced::nothing_is_acknowledged_after("a.twin", unlocked, delete, "a.twin is gone")));
}
