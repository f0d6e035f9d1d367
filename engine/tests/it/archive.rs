//! The archive: what a trim deletes is there first, and the whole history can be read from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{Either, select};
use syncline::archive::{Archive, ArchiveError, History, HistoryError, MemoryArchive, SegmentName};
use syncline::authority::AllowAll;
use syncline::portable::{ExportError, Exporter, Importer, Part, Reader};
use syncline::replica::{Keep, TrimPlan};
use syncline::store::{BoxError, Row, RowRange, whole};
use syncline::{EventStore, NTP64, Position, Projection, Replica, ReplicaError, Service, SpaceId, Storage};

use crate::world::*;

mod bad;
mod golden;
mod handles;
mod properties;

/// A server with an archive: a service, and the replica beside it that trims. One device writes everything.
struct Kept {
    clock: Hand,
    service: Arc<Service>,
    store: Arc<dyn EventStore>,
    archive: Arc<dyn Archive>,
    device: Replica,
    keeper: Replica,
}

impl Kept {
    fn new(device: u8, archive: Arc<dyn Archive>) -> Self {
        let (clock, storage) = (Hand::at(100), storage());
        let store = block_on(storage.open(&space())).unwrap();
        let service = Service::new(storage, Arc::new(AllowAll), Arc::new(clock.reader()));
        let service = Arc::new(service.with_devices_noted());
        let (device, keeper) = (replica(device, &clock), open(&store, &clock, archive.clone()));
        Self { clock, service, store, archive, device, keeper }
    }

    /// The device writes bundles, each of another second, and hands them over.
    fn write(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.clock.set(100 + number);
            block_on(self.device.write(&[set(&(number % 7).to_string(), &number.to_string())])).unwrap();
        }
        block_on(self.device.sync(&way(&self.service))).unwrap();
        block_on(self.keeper.catch_up()).unwrap();
    }

    fn trim(&self, keep: u64) -> TrimPlan {
        trim(&self.keeper, keep).unwrap()
    }

    fn base(&self) -> Position {
        block_on(self.store.status()).unwrap().base
    }

    fn names(&self) -> Vec<SegmentName> {
        block_on(self.archive.list(&space())).unwrap()
    }

    /// How often each key was written, as a later program counts from the start.
    fn counts(&self) -> Result<BTreeMap<Bytes, u64>, ReplicaError> {
        let compose = compose(self.store.clone(), &self.clock).projection(Counts).archive(self.archive.clone());
        let replica = block_on(compose.shared_with_service().open(id(9)))?;
        let rows = block_on(replica.view(Counts)?.all(RowRange::all()))?;
        Ok(rows.into_iter().collect())
    }
}

fn open(store: &Arc<dyn EventStore>, clock: &Hand, archive: Arc<dyn Archive>) -> Replica {
    let compose = compose(store.clone(), clock).checkpoint_every(0).shared_with_service().archive(archive);
    block_on(compose.open(id(9))).unwrap()
}

/// Trims as far as a device can take a snapshot instead.
fn trim(keeper: &Replica, keep: u64) -> Result<TrimPlan, ReplicaError> {
    block_on(keeper.make_snapshot()).unwrap();
    block_on(keeper.trim(Keep { window: Duration::ZERO, ..keep.into() }))
}

fn rows(store: &Arc<dyn EventStore>) -> Vec<Row> {
    let all = syncline::store::Limit::items(u32::MAX);
    block_on(whole::scan(&**store, &Pairs.view(), RowRange::all(), all)).unwrap()
}

/// A portable file of the whole log.
fn exported(mut exporter: Exporter) -> Result<Vec<u8>, ExportError> {
    let mut file = Vec::new();
    while let Some(frame) = block_on(exporter.next())? {
        file.extend_from_slice(&frame);
    }
    Ok(file)
}

#[test]
fn what_a_trim_deletes_is_in_the_archive_first() {
    let kept = Kept::new(1, Arc::new(MemoryArchive::new()));
    kept.write(0..50);
    let whole = exported(block_on(Exporter::begin(kept.store.clone(), space())).unwrap()).unwrap();
    for keep in [40, 20, 19, 0] {
        kept.trim(keep);
        assert_eq!(kept.base(), Position::new(50 - keep));
        let of = || kept.archive.clone();
        let history = block_on(History::of(kept.store.clone(), of(), &space())).unwrap();
        assert_eq!(block_on(history.verify()).unwrap().end, Position::new(50 - keep));
        let exporter = block_on(Exporter::begin_whole(kept.store.clone(), of(), space())).unwrap();
        assert!(exported(exporter).unwrap() == whole, "the same file as from the log that had everything");
    }
    assert_eq!(kept.names().len(), 4);
    let lost = block_on(Exporter::begin_archived(kept.archive.clone(), space())).unwrap();
    assert!(exported(lost).unwrap() == whole, "the log is lost, and all of it had been archived");
}

#[test]
fn past_states_come_from_the_archive() {
    let kept = Kept::new(1, Arc::new(MemoryArchive::new()));
    kept.write(0..60);
    let view = kept.keeper.view(Pairs).unwrap();
    let moments = [0, 1, 30, 59, 60, 100].map(|second| NTP64((100 + second) << 32));
    let before = moments.map(|moment| block_on(view.state_at(moment)).unwrap());
    for keep in [31, 10, 0] {
        kept.trim(keep);
        let after = moments.map(|moment| block_on(view.state_at(moment)).unwrap());
        assert!(after == before, "{keep} bundles are kept");
    }
    assert_eq!(block_on(view.get_at(b"3", moments[2])).unwrap(), before[2].get(&b"3"[..]).cloned());
}

#[test]
fn a_view_that_comes_later_and_a_rebuild_are_folded_from_the_archive() {
    let kept = Kept::new(1, Arc::new(MemoryArchive::new()));
    kept.write(0..60);
    kept.trim(20);
    kept.write(60..70);
    let counts = kept.counts().unwrap();
    assert_eq!(counts.values().sum::<u64>(), 70);
    let before = rows(&kept.store);
    block_on(kept.keeper.rebuild(&Pairs.view())).unwrap();
    assert!(rows(&kept.store) == before);
    kept.write(70..75);
    kept.trim(0);
    assert_eq!(kept.counts().unwrap().values().sum::<u64>(), 75, "it went on with what came later");
}

/// Keeps nothing while it is out of order, and counts what is asked.
#[derive(Debug, Default)]
struct Fails {
    inner: MemoryArchive,
    fails: Mutex<bool>,
}

impl Fails {
    fn check(&self) -> Result<(), BoxError> {
        if *self.fails.lock().unwrap() { Err("the network is down".into()) } else { Ok(()) }
    }
}

#[async_trait]
impl Archive for Fails {
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError> {
        self.check()?;
        self.inner.list(space).await
    }

    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError> {
        self.check()?;
        self.inner.get(space, name).await
    }

    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError> {
        self.check()?;
        self.inner.put(space, name, bytes).await
    }
}

#[test]
fn while_the_archive_is_away_nothing_is_trimmed_and_everything_else_goes_on() {
    let archive = Arc::new(Fails::default());
    let kept = Kept::new(1, archive.clone());
    kept.write(0..9);
    *archive.fails.lock().unwrap() = true;
    let error = trim(&kept.keeper, 0).unwrap_err();
    assert!(matches!(&error, ReplicaError::Archive(error) if matches!(**error, ArchiveError::Unavailable { .. })));
    assert!(error.to_string().contains("the network is down"), "{error}");
    assert_eq!(kept.base(), Position::ZERO);
    kept.write(9..10);
    *archive.fails.lock().unwrap() = false;
    assert_eq!(kept.trim(0).to, Position::new(10));
}

#[test]
fn a_device_whose_archive_is_away_syncs_and_says_that_it_keeps_its_log() {
    let (clock, service, archive) = (Hand::at(100), service(&Hand::at(100)), Arc::new(Fails::default()));
    let compose = compose(memory(), &clock).checkpoint_every(5).keep_bundles(2).archive(archive.clone());
    let device = block_on(compose.open(id(1))).unwrap();
    *archive.fails.lock().unwrap() = true;
    (0..9).for_each(|number| _ = block_on(device.write(&[set("a", &number.to_string())])).unwrap());
    let report = block_on(device.sync(&way(&service))).unwrap();
    assert!(report.not_archived.unwrap().contains("the network is down"));
    assert_eq!((report.pushed, block_on(device.status()).unwrap().base), (9, Position::ZERO));
    *archive.fails.lock().unwrap() = false;
    (0..9).for_each(|number| _ = block_on(device.write(&[set("b", &number.to_string())])).unwrap());
    let report = block_on(device.sync(&way(&service))).unwrap();
    assert_eq!((report.not_archived, block_on(device.status()).unwrap().base), (None, Position::new(16)));
}

#[test]
fn a_view_waits_while_the_archive_is_away_and_is_folded_once_it_answers() {
    let archive = Arc::new(Fails::default());
    let kept = Kept::new(1, archive.clone());
    kept.write(0..20);
    kept.trim(5);
    *archive.fails.lock().unwrap() = true;
    let compose = compose(kept.store.clone(), &kept.clock).projection(Counts).archive(archive.clone());
    let replica = block_on(compose.shared_with_service().open(id(9))).unwrap();
    let counts = replica.view(Counts).unwrap();
    assert!(matches!(block_on(counts.get(b"1")), Err(ReplicaError::NeedsHistory { .. })));
    assert_eq!(block_on(replica.status()).unwrap().views_without_history, [Counts.view()]);
    block_on(replica.catch_up()).unwrap();
    assert!(matches!(block_on(counts.get(b"1")), Err(ReplicaError::NeedsHistory { .. })));
    *archive.fails.lock().unwrap() = false;
    block_on(replica.catch_up()).unwrap();
    assert_eq!(block_on(counts.all(RowRange::all())).unwrap().iter().map(|(_, count)| count).sum::<u64>(), 20);
    assert!(block_on(replica.status()).unwrap().views_without_history.is_empty());
}

/// Waits in the middle of every call until it is let go on.
#[derive(Debug, Default)]
struct Waits {
    inner: MemoryArchive,
    gate: futures_util::lock::Mutex<()>,
}

#[async_trait]
impl Archive for Waits {
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError> {
        self.inner.list(space).await
    }

    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError> {
        drop(self.gate.lock().await);
        self.inner.get(space, name).await
    }

    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError> {
        drop(self.gate.lock().await);
        self.inner.put(space, name, bytes).await
    }
}

/// Polls a future until it waits for the archive, writes in the meantime, and lets it go on.
fn with_a_write_in_the_middle<T>(replica: &Replica, archive: &Waits, future: impl Future<Output = T>) -> T {
    block_on(async {
        let gate = archive.gate.lock().await;
        let future = std::pin::pin!(future);
        let events = [set("in the middle", "x")];
        let write = std::pin::pin!(replica.write(&events));
        match select(future, write).await {
            Either::Left(_) => panic!("it did not ask the archive"),
            Either::Right((written, future)) => {
                written.unwrap();
                drop(gate);
                future.await
            }
        }
    })
}

#[test]
fn a_slow_archive_holds_up_no_write() {
    let archive = Arc::new(Waits::default());
    let kept = Kept::new(1, archive.clone());
    let keeper = &kept.keeper;
    kept.write(0..30);
    block_on(keeper.make_snapshot()).unwrap();
    let keep = Keep { window: Duration::ZERO, ..5.into() };
    with_a_write_in_the_middle(keeper, &archive, keeper.trim(keep)).unwrap();
    assert_eq!(kept.base(), Position::new(26), "it plans again after the archive has answered");
    let view = keeper.view(Pairs).unwrap();
    with_a_write_in_the_middle(keeper, &archive, view.state_at(NTP64(u64::MAX))).unwrap();
    let before = pairs(keeper);
    with_a_write_in_the_middle(keeper, &archive, keeper.rebuild(&Pairs.view())).unwrap();
    assert_eq!(pairs(keeper), before, "what was written while the view was folded again is in it, too");
}

#[test]
fn without_an_archive_of_the_beginning_the_missing_bundle_is_named() {
    let kept = Kept::new(1, Arc::new(MemoryArchive::new()));
    kept.write(0..20);
    let bare = block_on(compose(kept.store.clone(), &kept.clock).shared_with_service().open(id(9))).unwrap();
    trim(&bare, 10).unwrap();
    drop(bare);
    kept.write(20..30);
    kept.trim(0);
    let view = kept.keeper.view(Pairs).unwrap();
    let error = block_on(view.state_at(NTP64(u64::MAX))).unwrap_err();
    let missing = |error: &ArchiveError| matches!(error, ArchiveError::Missing { behind: Position::ZERO, .. });
    assert!(matches!(&error, ReplicaError::Archive(error) if missing(error)), "{error}");
    let before = rows(&kept.store);
    assert!(matches!(block_on(kept.keeper.rebuild(&Pairs.view())), Err(ReplicaError::Archive(_))));
    assert!(rows(&kept.store) == before, "a rebuild that cannot end does not begin");
    let whole = block_on(History::of(kept.store.clone(), kept.archive.clone(), &space()));
    assert!(matches!(whole, Err(HistoryError::Archive(error)) if missing(&error)));
}

#[test]
fn a_restored_log_goes_on_in_the_archive_of_the_log_before_it() {
    let archive = Arc::new(MemoryArchive::new());
    let (old, new) = (Kept::new(1, archive.clone()), Kept::new(2, archive.clone()));
    old.write(0..20);
    old.trim(10);
    // The backup has 20 bundles and keeps 10 of them. It comes back under another identity, as every restored log does.
    let backup = block_on(Exporter::begin_whole(old.store.clone(), archive.clone(), space())).unwrap();
    import(&exported(backup).unwrap(), &new.store);
    block_on(new.keeper.catch_up()).unwrap();
    // Both go on differently from there, and archive the same positions.
    old.write(20..25);
    old.trim(0);
    new.write(30..35);
    new.trim(0);
    let history = block_on(History::of(new.store.clone(), archive.clone(), &space())).unwrap();
    let archived = block_on(history.verify()).unwrap();
    assert_eq!(archived.end, Position::new(25));
    assert_eq!(archived.log, block_on(new.store.status()).unwrap().log);
    assert_eq!(new.counts().unwrap().values().sum::<u64>(), 25);
    assert_eq!(old.counts().unwrap().values().sum::<u64>(), 25);
}

fn import(file: &[u8], to: &Arc<dyn EventStore>) {
    let (mut reader, mut importer) = (Reader::new(), None);
    reader.push(file);
    while let Some(part) = reader.part().unwrap() {
        match (part, &mut importer) {
            (Part::Header(header), _) => importer = Some(block_on(Importer::begin(to.clone(), header)).unwrap()),
            (part, Some(importer)) => block_on(importer.take(part)).unwrap(),
            (_, None) => unreachable!("a header comes first"),
        }
    }
    block_on(importer.unwrap().finish()).unwrap();
}
