//! The stores of the spaces that somebody asked for lately. Others are closed, so that memory follows the spaces that are in use.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::SpaceId;
use crate::store::EventStore;

/// Half of the spaces that are kept open. To open one again costs a few reads.
const HALF: usize = 512;

/// Open stores in two halves. Whoever is asked for is moved to the new half. If that is full, the old half is closed, and the new one is
/// the old one from then on. So the last 512 spaces that were asked for are open, and at most twice as many.
#[derive(Debug, Default)]
pub(super) struct OpenStores(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    new: Stores,
    old: Stores,
}

type Stores = BTreeMap<SpaceId, Arc<dyn EventStore>>;

impl OpenStores {
    pub(super) fn get(&self, space: &SpaceId) -> Option<Arc<dyn EventStore>> {
        let mut halves = self.halves();
        if let Some(store) = halves.new.get(space) {
            return Some(store.clone());
        }
        let store = halves.old.remove(space)?;
        let _closed = halves.insert(space, store.clone());
        drop(halves);
        Some(store)
    }

    pub(super) fn insert(&self, space: &SpaceId, store: Arc<dyn EventStore>) {
        let mut halves = self.halves();
        let _closed = halves.insert(space, store);
        drop(halves);
    }

    pub(super) fn close(&self, space: &SpaceId) {
        let mut halves = self.halves();
        let _closed = (halves.new.remove(space), halves.old.remove(space));
        drop(halves);
    }

    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    /// Gives the stores that are no longer kept. They are a storage's own code, and are dropped by the caller when nothing is locked.
    fn insert(&mut self, space: &SpaceId, store: Arc<dyn EventStore>) -> Stores {
        self.new.insert(space.clone(), store);
        if self.new.len() < HALF {
            return Stores::new();
        }
        let full = take(&mut self.new);
        std::mem::replace(&mut self.old, full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;
    use crate::id::LogId;

    fn space(number: usize) -> SpaceId {
        SpaceId::new(&format!("space-{number}")).unwrap()
    }

    fn store() -> Arc<dyn EventStore> {
        Arc::new(MemoryStore::new(LogId::from_bytes([1; 16]).unwrap()))
    }

    #[test]
    fn spaces_that_nobody_asks_for_are_closed_and_the_others_stay_open() {
        let (open, busy) = (OpenStores::default(), store());
        open.insert(&space(0), busy.clone());
        let stores: Vec<_> = (1..=10 * HALF).map(|number| (number, store())).collect();
        for (number, store) in &stores {
            open.insert(&space(*number), store.clone());
            assert!(Arc::ptr_eq(&open.get(&space(0)).unwrap(), &busy));
        }
        let kept: Vec<_> = stores.iter().filter(|(_, store)| Arc::strong_count(store) > 1).map(|(at, _)| *at).collect();
        assert!((HALF - 1..2 * HALF).contains(&kept.len()), "{}", kept.len());
        assert!(kept.contains(&(10 * HALF)) && kept.contains(&(9 * HALF + 2)));
        assert!(open.get(&space(1)).is_none());
    }

    #[test]
    fn a_store_that_is_closed_is_opened_again_by_whoever_asks() {
        let (open, first) = (OpenStores::default(), store());
        open.insert(&space(0), first.clone());
        open.close(&space(0));
        assert!(open.get(&space(0)).is_none());
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
