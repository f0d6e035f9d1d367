//! Packing: bundles that an origin wrote one by one become one run.
//!
//! A run of its own costs a small bundle more than it holds, in the file and when it is read. So whenever an origin's small
//! runs at the end of a log have grown to a size that fills pages well, they are joined. That writes every bundle twice, and
//! a commit still writes no more than before but for one in many.

use rusqlite::{Connection, params};
use syncline::store::page::PageBuilder;
use syncline::store::{Limit, StoredRun};
use syncline::{Position, ReplicaId, SpaceId};

use crate::error::Result;
use crate::log;
use crate::number::SpaceKey;

/// Runs up to this size are small: larger ones leave little room unused.
const SMALL_BYTES: usize = 4 * 1024;
/// Small runs are joined when they have so many bytes together.
const PACKED_BYTES: usize = 32 * 1024;

/// The small runs of one origin at the end of a log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tail {
    origin: Option<ReplicaId>,
    /// Where it begins: behind this position.
    after: Position,
    bytes: usize,
}

impl Tail {
    /// Takes note of a run appended last. Where the tail is now worth packing, returns it and begins anew.
    pub(crate) fn push(&mut self, appended: &StoredRun) -> Option<Tail> {
        let StoredRun { run, position, .. } = appended;
        let size = run.as_bytes().len();
        if size > SMALL_BYTES {
            *self = Self::default();
            return None;
        }
        if self.origin != Some(run.origin()) {
            *self = Self { origin: Some(run.origin()), after: Position::new(position.get() - 1), bytes: 0 };
        }
        self.bytes += size;
        (self.bytes >= PACKED_BYTES).then(|| std::mem::take(self))
    }
}

/// Joins the runs of a tail, which end at the log's head.
pub(crate) fn pack(
    db: &Connection,
    space: (&SpaceId, SpaceKey),
    head_id: i64,
    tail: Tail,
    head: Position,
) -> Result<()> {
    let key = space.1;
    let all = Limit { items: u32::MAX, bytes: u32::MAX };
    let packed: Vec<StoredRun> = log::read(db, space, tail.after, head, all).map(PageBuilder::finish)?;
    let mut delete = db.prepare_cached("DELETE FROM runs WHERE id > ?1 AND id <= ?2")?;
    delete.execute(params![key.run_id(tail.after), key.run_id(head)])?;
    packed.into_iter().try_for_each(|run| log::insert(db, key, head_id, &run))
}
