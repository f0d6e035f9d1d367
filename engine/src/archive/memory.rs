//! An archive in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Archive, SegmentName};
use crate::id::SpaceId;
use crate::store::BoxError;

/// An archive in memory, for tests and simulations.
#[derive(Debug, Default)]
pub struct MemoryArchive {
    segments: Mutex<BTreeMap<(SpaceId, SegmentName), Bytes>>,
}

impl MemoryArchive {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes what it keeps, as damage does: all segments by space and name.
    pub fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<(SpaceId, SegmentName), Bytes>) -> T) -> T {
        change(&mut self.segments())
    }

    fn segments(&self) -> MutexGuard<'_, BTreeMap<(SpaceId, SegmentName), Bytes>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Archive for MemoryArchive {
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError> {
        Ok(self.segments().keys().filter(|(of, _)| of == space).map(|(_, name)| *name).collect())
    }

    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError> {
        Ok(self.segments().get(&(space.clone(), name)).cloned())
    }

    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError> {
        self.segments().insert((space.clone(), name), bytes);
        Ok(())
    }
}
