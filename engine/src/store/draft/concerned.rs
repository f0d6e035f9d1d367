//! What must be known of a log before batches can be checked against it.

use std::collections::BTreeSet;

use super::{Rewrite, WriteBatch};
use crate::id::{Dot, Position, ReplicaId, Seq};

/// Consecutive bundles of one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The origin.
    pub origin: ReplicaId,
    /// The first bundle. The run that holds it may begin earlier.
    pub first: Seq,
    /// The last bundle, which may lie beyond the log. The run that holds it may end later.
    pub last: Seq,
}

/// The origins whose heads the batches may ask for.
pub fn origins<'a>(batches: impl IntoIterator<Item = &'a WriteBatch>) -> BTreeSet<ReplicaId> {
    let mut origins = BTreeSet::new();
    for batch in batches {
        origins.extend(batch.verified_runs().map(|verified| verified.run().origin()));
        origins.extend(batch.voids.iter().map(|dot| dot.origin));
        origins.extend(batch.rewrite.iter().map(|rewrite| rewrite.origin));
    }
    origins
}

/// The bases that the batches give to the log, if none of them is refused.
pub fn bases<'a>(batches: impl IntoIterator<Item = &'a WriteBatch>) -> BTreeSet<Position> {
    batches.into_iter().filter_map(|batch| batch.trim).collect()
}

/// The parts of the log whose stored runs the batches may change: bundles that become void, consecutive ones joined, and tails
/// that are rewritten.
pub fn concerned<'a>(batches: impl IntoIterator<Item = &'a WriteBatch> + Clone) -> Vec<Part> {
    let voids = batches.clone().into_iter().flat_map(|batch| &batch.voids).copied();
    // No log has a bundle of number zero.
    let mut dots: Vec<Dot> = voids.filter(|dot| dot.seq > Seq::ZERO).collect();
    dots.sort_unstable();
    let follows = |a: &Dot, b: &Dot| a.origin == b.origin && b.seq <= a.seq.plus(1);
    let part = |dots: &[Dot]| Part { origin: dots[0].origin, first: dots[0].seq, last: dots[dots.len() - 1].seq };
    let tail =
        |rewrite: &Rewrite| Part { origin: rewrite.origin, first: rewrite.after.seq.plus(1), last: Seq::new(u64::MAX) };
    let tails = batches.into_iter().filter_map(|batch| batch.rewrite.as_ref()).map(tail);
    dots.chunk_by(follows).map(part).chain(tails).collect()
}
