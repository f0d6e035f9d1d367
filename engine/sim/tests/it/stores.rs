//! A user's own store: a good one passes every profile, a bad one is named, with the smallest history that shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_executor::block_on;
use syncline::store::{
    Committed, Durability, EventStore, Limit, Page, Retry, RowFold, RowKey, StoreError, WriteBatch, forward,
    load_and_commit,
};
use syncline::{Cursor, LogId, MemoryStore};
use syncline_sim::{Crash, Failure, Law, Profile, Stores, lab};

/// Whether and how a store breaks its word.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Good,
    /// Calls a commit synced and loses it when the power goes.
    LiesAboutDurability,
    /// Forgets a row now and then.
    Forgets,
    /// Hands the runs of a page out in another order.
    Reorders,
    /// After some commits fails all others, as a broken disk does.
    Breaks,
    /// Finds its data damaged.
    Rots,
}

#[derive(Debug)]
struct Shelf(Kind, Mutex<BTreeMap<String, Arc<Mine>>>);

impl Stores for Shelf {
    fn open(&self, name: &str, log: LogId) -> Result<Arc<dyn EventStore>, StoreError> {
        let mut shelf = self.1.lock().unwrap();
        Ok(shelf.entry(name.to_owned()).or_insert_with(|| Arc::new(Mine::new(self.0, log))).clone())
    }

    fn crash(&self, name: &str, crash: Crash) {
        if let (Kind::LiesAboutDurability, Crash::Power, Some(store)) =
            (self.0, crash, self.1.lock().unwrap().get(name))
        {
            store.lose_the_last();
        }
    }

    fn durability(&self) -> Durability {
        Durability::Synced
    }
}

/// A store over the reference store.
#[derive(Debug)]
struct Mine {
    kind: Kind,
    log: LogId,
    live: Mutex<Arc<MemoryStore>>,
    batches: Mutex<Vec<WriteBatch>>,
}

impl Mine {
    fn new(kind: Kind, log: LogId) -> Self {
        Self { kind, log, live: Mutex::new(Arc::new(MemoryStore::new(log))), batches: Mutex::default() }
    }

    fn live(&self) -> Arc<MemoryStore> {
        self.live.lock().unwrap().clone()
    }

    fn lose_the_last(&self) {
        let mut batches = self.batches.lock().unwrap();
        batches.pop();
        let live = Arc::new(MemoryStore::new(self.log));
        batches.iter().for_each(|batch| drop(block_on(live.commit(batch.clone()))));
        *self.live.lock().unwrap() = live;
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Mine {
    forward!(self.live(): status, read_origin, scan, changed);

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let mut page = self.live().read(after, limit).await?;
        if self.kind == Kind::Reorders {
            page.runs.reverse();
        }
        Ok(page)
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        if self.kind == Kind::Rots {
            let (at, why) = ("a row".into(), "its checksum is wrong".into());
            return Err(StoreError::Corrupt { backend: "mine", at, why });
        }
        self.live().load(keys).await
    }

    async fn commit(&self, mut batch: WriteBatch) -> Result<Committed, StoreError> {
        let live = self.live();
        let stored = batch.clone();
        if self.kind == Kind::Breaks && self.batches.lock().unwrap().len() > 5 {
            return Err(StoreError::Backend { backend: "mine", retry: Retry::Later, source: "sector 7 is bad".into() });
        }
        if self.kind == Kind::Forgets && batch.rows.len() > 2 {
            batch.rows.pop();
        }
        let committed = live.commit(batch).await?;
        self.batches.lock().unwrap().push(stored);
        Ok(committed)
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        load_and_commit(self, batch, fold).await
    }
}

fn failure(kind: Kind, profile: Profile) -> Box<Failure> {
    lab(0..100).profile(profile).stores(move || Shelf(kind, Mutex::default())).run().unwrap_err()
}

#[test]
fn a_good_store_passes_every_profile() {
    for profile in Profile::ALL {
        lab(0..8).profile(*profile).stores(|| Shelf(Kind::Good, Mutex::default())).run().unwrap();
    }
}

#[test]
fn a_store_that_lies_about_durability_is_found() {
    let failure = failure(Kind::LiesAboutDurability, Profile::Crash);
    assert_eq!(failure.finding.law, Law::StoreKeepsItsWord, "{failure}");
    assert!(failure.finding.detail.contains("had to survive"), "{failure}");
    assert!(failure.case.plan().steps.len() <= 2, "a write and a power cut are enough: {failure}");
}

#[test]
fn a_store_that_forgets_is_found() {
    let failure = failure(Kind::Forgets, Profile::Calm);
    assert!(matches!(failure.finding.law, Law::EqualAfterHealing | Law::RowsAreTheFold), "{failure}");
}

#[test]
fn a_store_that_reorders_is_found() {
    let failure = failure(Kind::Reorders, Profile::Calm);
    assert!(matches!(failure.finding.law, Law::StoreKeepsItsWord | Law::ComesToRest), "{failure}");
}

#[test]
fn a_store_that_finds_its_data_damaged_is_told_in_its_own_words() {
    let failure = failure(Kind::Rots, Profile::Calm);
    assert_eq!(failure.finding.law, Law::StoreKeepsItsWord, "{failure}");
    assert!(failure.finding.detail.contains("mine: stored data is damaged at a row"), "{failure}");
}

#[test]
fn a_store_that_fails_by_itself_is_told_in_its_own_words_whatever_law_breaks() {
    let failure = failure(Kind::Breaks, Profile::Calm);
    assert!(failure.finding.detail.contains("its store has failed by itself: mine: sector 7 is bad"), "{failure}");
}
