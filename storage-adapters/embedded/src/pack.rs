//! Packing: bundles that an origin wrote one by one become one run.
//!
//! A run of its own costs a small bundle more than it holds, on the disk and when it is read. So when the small runs that an
//! origin has put at the end of a log have grown to a size that is kept well, they are joined. Every bundle is then written
//! twice, and a commit still writes what it did before but for one in many.

use syncline::store::StoredRun;
use syncline::store::draft::Draft;
use syncline::{Position, ReplicaId};

use crate::backend::{Backend, Place};
use crate::log;

/// Runs up to this part of a packed one are small.
const SMALL_PART: usize = 8;
/// Bytes of a run that joining saves.
const HEADER_BYTES: usize = 36;

/// The small runs at the end of a log, all of one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tail {
    origin: Option<ReplicaId>,
    /// They lie behind this position.
    after: Position,
    bytes: usize,
}

/// Runs of one origin, side by side, that are worth joining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ripe {
    origin: ReplicaId,
    after: Position,
    end: Position,
}

impl Tail {
    /// Takes note of the runs that a draft appends, and lets the draft join what is ripe.
    pub(crate) fn pack<B: Backend>(
        &mut self,
        session: &B::Session<'_>,
        space: &Place<B::Key>,
        draft: &mut Draft<'_>,
    ) -> Result<(), B::Fault> {
        // Up to here the log may be joined with. Of a log that is replaced nothing is left.
        let head = if draft.is_replaced { Position::ZERO } else { draft.before().head };
        let appended: Vec<_> = draft.runs.inserted().into_iter().filter(|stored| stored.position > head).collect();
        let ripe: Vec<Ripe> = appended.into_iter().filter_map(|stored| self.note(stored, B::PACKED_BYTES)).collect();
        for Ripe { origin, after, end } in ripe {
            let mut loose = Vec::new();
            log::walk::<B>(session, space, after, head.min(end), |stored| {
                loose.push(stored);
                true
            })?;
            draft.runs.join(origin, after, end, loose);
        }
        Ok(())
    }

    /// Takes note of a run appended to the log. Returns the tail that ends with it if that is now worth joining, and begins
    /// another one.
    fn note(&mut self, appended: &StoredRun, packed_bytes: usize) -> Option<Ripe> {
        let (size, small) = (appended.run.as_bytes().len(), packed_bytes / SMALL_PART);
        if size > small {
            *self = Self::default();
            return None;
        }
        let origin = appended.run.origin();
        if self.origin != Some(origin) {
            let after = Position::new(appended.position.get() - 1);
            *self = Self { origin: Some(origin), after, bytes: 0 };
        }
        self.bytes += size.saturating_sub(HEADER_BYTES);
        if self.bytes < packed_bytes - small {
            return None;
        }
        let Self { after, .. } = std::mem::take(self);
        Some(Ripe { origin, after, end: appended.end() })
    }
}
