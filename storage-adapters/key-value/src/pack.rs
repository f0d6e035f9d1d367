//! Packing: bundles that an origin wrote one by one become one run.
//!
//! A run of its own costs a small bundle more than it holds, on the disk and when it is read. So when the small runs that an
//! origin has put at the end of a log have grown to a size that is kept well, they are joined. Every bundle is then written
//! twice, and a commit still writes what it did before but for one in many.

use syncline::store::page::PageBuilder;
use syncline::store::{Limit, StoredRun};
use syncline::{Position, ReplicaId};

use crate::backend::Snapshot;
use crate::changes::Pending;
use crate::error::Result;
use crate::log;
use crate::space::Place;

/// Runs up to this part of a packed one are small.
const SMALL_PART: usize = 8;
/// Bytes of a run that joining saves.
const HEADER_BYTES: usize = 36;

/// The small runs at the end of a log, all of one origin.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tail {
    origin: Option<ReplicaId>,
    /// They lie behind this position.
    after: Position,
    bytes: usize,
}

impl Tail {
    /// Takes note of a run appended to the log. Returns the tail that ends with it where that is now worth packing, and
    /// begins another one.
    pub(crate) fn note(&mut self, appended: &StoredRun, packed_bytes: usize) -> Option<Tail> {
        let (size, small) = (appended.run.as_bytes().len(), packed_bytes / SMALL_PART);
        if size > small {
            *self = Self::default();
            return None;
        }
        if self.origin != Some(appended.run.origin()) {
            let after = Position::new(appended.position.get() - 1);
            *self = Self { origin: Some(appended.run.origin()), after, bytes: 0 };
        }
        self.bytes += size.saturating_sub(HEADER_BYTES);
        (self.bytes >= packed_bytes - small).then(|| std::mem::take(self))
    }

    /// Joins its runs, which end at `head`.
    pub(crate) fn pack(self, pending: &mut Pending<impl Snapshot>, space: &Place, head: Position) -> Result<()> {
        let mut loose = Vec::new();
        log::walk(pending, space, self.after, head, |stored| {
            loose.push(stored);
            true
        })?;
        let mut packed = PageBuilder::new(Limit::items(u32::MAX));
        for stored in loose {
            log::remove(pending, space, &stored);
            packed.push(stored);
        }
        packed.finish().into_iter().for_each(|stored| log::put(pending, space, stored));
        Ok(())
    }
}
