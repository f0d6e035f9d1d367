//! Two at once: handles that trim one log, rebuilds of one view, and a refusal while a bundle is archived.

use std::fmt;

use futures_util::future::{BoxFuture, join};
use syncline::Cursor;
use syncline::format::run::Body;
use syncline::store::{Limit, Page, StoreError, forward};

use super::*;

/// Lets others go on so many times in the middle of every read.
#[derive(Debug)]
struct Yields(Arc<dyn EventStore>, u64);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Yields {
    forward!(self.0: status, read_origin, load, scan, commit, commit_folded, changed);

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        for _ in 0..self.1 {
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
        let store: Arc<dyn EventStore> = Arc::new(Yields(kept.store.clone(), round % 4));
        let other = open(&store, &kept.clock, kept.archive.clone());
        // The bounds of devices are read from the log, too.
        let (first, second) = block_on(join(other.trim(round), kept.keeper.trim(2 * round % 13)));
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

/// Does something while the archive keeps the first segment.
struct Meanwhile {
    kept: MemoryArchive,
    task: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meanwhile").finish_non_exhaustive()
    }
}

#[async_trait]
impl Archive for Meanwhile {
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError> {
        self.kept.list(space).await
    }

    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError> {
        self.kept.get(space, name).await
    }

    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError> {
        self.kept.put(space, name, bytes).await?;
        let task = self.task.lock().unwrap().take();
        if let Some(task) = task {
            task.await;
        }
        Ok(())
    }
}

#[test]
fn a_bundle_that_is_refused_while_it_is_archived_is_archived_again() {
    let clock = Hand::at(100);
    let strict = Service::new(storage(), Arc::new(AllowAll), Arc::new(clock.reader()));
    let strict = Arc::new(strict.with_policy(Arc::new(Forbids("secret"))));
    let archive = Arc::new(Meanwhile { kept: MemoryArchive::new(), task: Mutex::default() });
    let compose = compose(memory(), &clock).checkpoint_every(0).archive(archive.clone());
    let device = block_on(compose.open(id(1))).unwrap();
    for value in ["a", "b", "secret", "d", "e"] {
        block_on(device.write(&[set("key", value)])).unwrap();
    }
    block_on(device.sync(&way(&service(&clock)))).unwrap();
    let second = device.clone();
    *archive.task.lock().unwrap() = Some(Box::pin(async move {
        assert_eq!(second.sync(&way(&strict)).await.unwrap().refused.len(), 1);
        second.checkpoint().await.unwrap().unwrap();
    }));
    assert_eq!(block_on(device.trim(0)).unwrap().to, Position::new(4));
    let mut history = block_on(History::of(device.store().clone(), archive, &space())).unwrap();
    let runs = block_on(history.next()).unwrap().unwrap();
    let voids =
        runs.iter().flat_map(|run| run.run().bundles()).filter(|bundle| matches!(bundle.body, Body::Void { .. }));
    assert_eq!(voids.map(|bundle| bundle.dot.seq.get()).collect::<Vec<_>>(), [3]);
}
