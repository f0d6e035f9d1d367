//! The archive beside the servers' store. It is slow, fails now and then, and forgets nothing that it has acknowledged.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use syncline::SpaceId;
use syncline::archive::{Archive, MemoryArchive, SegmentName};
use syncline::store::BoxError;

use crate::fault::Fault;
use crate::sim::Sim;
use crate::stack::Misuse;

/// So many of a thousand calls fail, before or after their effect.
const FAILS: u32 = 120;
/// Microseconds that a call takes at most.
const SLOW: u64 = 5_000;

/// The archive.
pub(crate) struct SimArchive {
    sim: Arc<Sim>,
    kept: Arc<MemoryArchive>,
    is_repaired: AtomicBool,
    misuse: Option<Misuse>,
}

impl fmt::Debug for SimArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimArchive").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl SimArchive {
    pub(crate) fn new(sim: Arc<Sim>, misuse: Option<Misuse>) -> Self {
        Self { sim, kept: Arc::default(), is_repaired: AtomicBool::new(false), misuse }
    }

    /// What it keeps, for looking at from outside.
    pub(crate) fn peek(&self) -> Arc<MemoryArchive> {
        self.kept.clone()
    }

    /// From now on no call fails.
    pub(crate) fn repair(&self) {
        self.is_repaired.store(true, Ordering::Relaxed);
    }

    /// Takes a while, and may fail.
    async fn pass(&self) -> Result<(), BoxError> {
        let span = self.sim.state().disk.below(SLOW);
        self.sim.sleep(Duration::from_micros(span)).await;
        if !self.is_repaired.load(Ordering::Relaxed) && self.sim.state().disk.chance(FAILS) {
            self.sim.fault(Fault::ArchiveFailed, || "the archive fails".into());
            return Err("the archive is away".into());
        }
        Ok(())
    }
}

#[async_trait]
impl Archive for SimArchive {
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError> {
        self.pass().await?;
        self.kept.list(space).await
    }

    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError> {
        self.pass().await?;
        self.kept.get(space, name).await
    }

    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError> {
        self.pass().await?;
        match self.misuse {
            Some(Misuse::ArchivesNothing) => {}
            Some(Misuse::ArchivesHalf) => self.kept.put(space, name, bytes.slice(..bytes.len() / 2)).await?,
            _ => self.kept.put(space, name, bytes).await?,
        }
        self.pass().await
    }
}
