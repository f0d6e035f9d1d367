//! Two at once: handles that trim one log, and rebuilds of one view.

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

/// Lets others go on before each answer.
#[derive(Debug, Default)]
struct GivesWay(MemoryArchive);

#[async_trait]
impl Archive for GivesWay {
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError> {
        yield_once().await;
        self.0.list(space).await
    }

    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError> {
        yield_once().await;
        self.0.get(space, name).await
    }

    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError> {
        self.0.put(space, name, bytes).await
    }
}

#[test]
fn two_rebuilds_of_one_view_at_once_fold_every_event_once() {
    let kept = Kept::new(1, Arc::new(GivesWay::default()));
    for end in [10, 20, 30, 40] {
        kept.write(end - 10..end);
        kept.trim(0);
    }
    let compose = compose(kept.store.clone(), &kept.clock).projection(Counts).archive(kept.archive.clone());
    let replica = block_on(compose.shared_with_service().open(id(9))).unwrap();
    let counts = || block_on(replica.view(Counts).unwrap().all(RowRange::all())).unwrap();
    let before = counts();
    for later in 0..12 {
        let second = async {
            for _ in 0..later {
                yield_once().await;
            }
            replica.rebuild(&Counts.view()).await
        };
        let (first, second) = block_on(join(replica.rebuild(&Counts.view()), second));
        first.unwrap();
        second.unwrap();
        assert_eq!(counts(), before, "the second begins {later} steps later");
    }
}
