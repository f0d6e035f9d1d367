//! A store that has lost a part of what its heads tell of. Nobody may take the rest for the whole.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::authority::AllowAll;
use syncline::format::{Head, Heads};
use syncline::protocol::{Have, Pull, Request};
use syncline::store::{EventStore, Limit, StoredRun, forward};
use syncline::{MemoryStore, ReplicaId, Seq, Service, StoreError};

use crate::world::{Hand, Swapped, block_on, compose, id, memory, principal, set, space};

/// Finds nothing of an origin up to this bundle, as an index that has lost an entry.
#[derive(Debug)]
struct Forgets(Arc<MemoryStore>, Seq);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Forgets {
    forward!(self.0: status, read, load, scan, commit, commit_folded, changed);

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        self.0.read_origin(origin, after.max(self.1), limit).await
    }
}

/// A store with bundles 1 to 3 of one origin.
fn written(clock: &Hand) -> Arc<MemoryStore> {
    let store = memory();
    let writer = block_on(compose(store.clone(), clock).open(id(1))).unwrap();
    for text in ["one", "two", "three"] {
        block_on(writer.write(&[set("key", text)])).unwrap();
    }
    store
}

#[test]
fn a_pull_that_comes_up_short_against_the_heads_is_an_error_and_never_an_answer() {
    let clock = Hand::at(1_000);
    let written = written(&clock);
    for (forgotten, known, is_whole) in [(0, 1, true), (2, 1, false), (3, 1, false), (1, 1, true), (3, 2, false)] {
        let store = Arc::new(Forgets(written.clone(), Seq::new(forgotten)));
        let service = Service::new(Arc::new(Swapped(store)), Arc::new(AllowAll), Arc::new(clock.reader()));
        let mut have = Heads::new();
        have.set(id(1), Head { seq: Seq::new(known), ..block_on(written.status()).unwrap().heads.get(id(1)) });
        let pull = Pull { have: Have::Heads(have), limit: Limit::PAGE, without: None };
        let answer = block_on(service.answer(&principal(), Request::Pull(space(), pull)));
        assert_eq!(answer.is_ok(), is_whole, "{forgotten} forgotten, {known} known: {answer:?}");
    }
}
