//! Two handles on one store, both of which trim.

use futures_util::future::join;
use syncline::Cursor;
use syncline::store::{Limit, Page, StoreError, forward};

use super::*;

/// Lets others go on in the middle of every read.
#[derive(Debug)]
struct Yields(Arc<dyn EventStore>);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Yields {
    forward!(self.0: status, read_origin, load, scan, commit, commit_folded, changed);

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        for _ in 0..limit.items % 5 {
            yield_once().await;
        }
        self.0.read(after, limit).await
    }
}

#[test]
fn two_handles_trim_one_log_at_once_and_each_bundle_is_archived() {
    for round in 1..12 {
        let kept = Kept::new(1, Arc::new(MemoryArchive::new()));
        kept.write(0..30);
        kept.trim(20);
        let store: Arc<dyn EventStore> = Arc::new(Yields(kept.store.clone()));
        let other = open(&store, &kept.clock, kept.archive.clone());
        let keep = |bundles: u64| Keep { window: Duration::ZERO, ..bundles.into() };
        let (first, second) = block_on(join(other.trim(keep(round)), kept.keeper.trim(keep(2 * round % 13))));
        first.unwrap();
        second.unwrap();
        let history = block_on(History::of(store, kept.archive.clone(), &space())).unwrap();
        assert_eq!(block_on(history.verify()).unwrap().end, kept.base());
    }
}
