//! Are archives with a fault caught? And is the one in memory sound?

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use syncline::SpaceId;
use syncline::archive::{Archive, MemoryArchive, SegmentName};
use syncline::store::BoxError;
use syncline_conformance::{archive, space};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    FailsForNothing,
    LosesTheLastByte,
    KeepsTheFirst,
    ListsTwice,
    ForgetsTheLog,
    MixesSpaces,
    LosesOneOfTwo,
    WritesInTwoSteps,
    ForgetsWhenClosed,
}

#[derive(Debug)]
struct Twin {
    kept: Arc<MemoryArchive>,
    fault: Fault,
    putting: AtomicU32,
}

impl Twin {
    fn space(&self, asked: &SpaceId) -> SpaceId {
        let begins = asked.as_str().split(['.', '-', '_']).next().unwrap();
        if self.fault == Fault::MixesSpaces { space(begins) } else { asked.clone() }
    }

    fn name(&self, name: SegmentName) -> SegmentName {
        let log = syncline::LogId::from_bytes([7; 16]).unwrap();
        if self.fault == Fault::ForgetsTheLog { SegmentName { log, ..name } } else { name }
    }
}

#[async_trait]
impl Archive for Twin {
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError> {
        let mut names = self.kept.list(&self.space(space)).await?;
        if self.fault == Fault::FailsForNothing && names.is_empty() {
            return Err("there is no such folder".into());
        }
        names.extend(names.first().copied().filter(|_| self.fault == Fault::ListsTwice));
        Ok(names)
    }

    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError> {
        tokio::task::yield_now().await;
        self.kept.get(&self.space(space), self.name(name)).await
    }

    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError> {
        let (space, name) = (self.space(space), self.name(name));
        let beside = self.putting.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.putting.fetch_sub(1, Ordering::Relaxed);
        let half = bytes.slice(..bytes.len() / 2);
        match self.fault {
            Fault::KeepsTheFirst if self.kept.get(&space, name).await?.is_some() => return Ok(()),
            Fault::LosesOneOfTwo if beside > 0 => return Ok(()),
            Fault::WritesInTwoSteps => self.kept.put(&space, name, half).await?,
            Fault::LosesTheLastByte => return self.kept.put(&space, name, bytes.slice(..bytes.len() - 1)).await,
            _ => {}
        }
        tokio::task::yield_now().await;
        self.kept.put(&space, name, bytes).await
    }
}

#[tokio::test]
async fn every_archive_with_a_fault_is_caught() {
    for fault in [
        Fault::FailsForNothing,
        Fault::LosesTheLastByte,
        Fault::KeepsTheFirst,
        Fault::ListsTwice,
        Fault::ForgetsTheLog,
        Fault::MixesSpaces,
        Fault::LosesOneOfTwo,
        Fault::WritesInTwoSteps,
        Fault::ForgetsWhenClosed,
    ] {
        let kept = Arc::new(MemoryArchive::new());
        let open = async || {
            let kept = if fault == Fault::ForgetsWhenClosed { Arc::new(MemoryArchive::new()) } else { kept.clone() };
            Twin { kept, fault, putting: AtomicU32::new(0) }
        };
        let checked = AssertUnwindSafe(archive::check(open)).catch_unwind().await;
        assert!(checked.is_err(), "an archive that {fault:?} passes");
    }
}

#[tokio::test]
async fn the_archive_in_memory_keeps_every_law() {
    let archive = Arc::new(MemoryArchive::new());
    archive::check(async || archive.clone()).await;
}
