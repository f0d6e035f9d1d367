//! Packing a log's bundles in the one way that does not depend on how the log has packed them.

use crate::format::heads::Heads;
use crate::format::run::{Bundle, Run, RunBuilder, VerifiedRun};
use crate::id::ReplicaId;

/// What the bundles of one run may weigh together; one that weighs more is a run of its own.
const RUN_WEIGHT_MAX: u64 = 64 * 1024;
/// What a bundle weighs in addition to its body, or its digest if it is void.
const BUNDLE_WEIGHT: u64 = 16;

/// Cuts and joins bundles, handed in one by one in log order: neighbours of one origin up to [`RUN_WEIGHT_MAX`].
#[derive(Debug, Default)]
pub(super) struct Recut {
    open: Option<Open>,
    /// Per origin the last bundle that is packed in a closed run.
    heads: Heads,
}

/// The run that is being packed.
#[derive(Debug)]
struct Open {
    origin: ReplicaId,
    weight: u64,
    builder: RunBuilder,
}

impl Recut {
    /// Adds the log's next bundle. Returns the run before it if that is now complete.
    pub(super) fn push(&mut self, bundle: &Bundle<'_>) -> Option<Run> {
        let weight = bundle.body.stored_bytes() + BUNDLE_WEIGHT;
        let joins = |open: &Open| open.origin == bundle.dot.origin && open.weight + weight <= RUN_WEIGHT_MAX;
        let closed = if self.open.as_ref().is_some_and(joins) { None } else { self.finish() };
        let origin = bundle.dot.origin;
        let open = self.open.get_or_insert_with(|| {
            let builder = RunBuilder::new(origin, bundle.dot.seq, self.heads.get(origin).chain);
            Open { origin, weight: 0, builder }
        });
        open.weight += weight;
        open.builder.push(bundle.time, bundle.body);
        closed
    }

    /// The run that is being packed if there is one.
    pub(super) fn finish(&mut self) -> Option<Run> {
        let verified: VerifiedRun = self.open.take()?.builder.finish()?;
        self.heads.set(verified.run().origin(), verified.head());
        Some(verified.run().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::heads::ChainHash;
    use crate::format::run::Body;
    use crate::format::time::NTP64;
    use crate::id::Seq;
    use crate::limits::BODY_BYTES_MAX;

    /// The first and last seqs of the runs that bundles with bodies of these sizes are packed in.
    fn packed(sizes: &[usize]) -> Vec<(u64, u64)> {
        let origin = ReplicaId::from_bytes([1; 16]).unwrap();
        let mut builder = RunBuilder::new(origin, Seq::new(1), ChainHash::GENESIS);
        for (time, size) in (1..).zip(sizes) {
            builder.push(NTP64(time), Body::Full(&vec![7; *size]));
        }
        let whole = builder.finish().unwrap();
        let mut recut = Recut::default();
        let mut runs: Vec<_> = whole.run().bundles().filter_map(|bundle| recut.push(&bundle)).collect();
        runs.extend(recut.finish());
        runs.iter().map(|run| (run.first().get(), run.last().get())).collect()
    }

    #[test]
    fn a_run_is_filled_to_the_byte() {
        let half = RUN_WEIGHT_MAX as usize / 2 - BUNDLE_WEIGHT as usize;
        assert_eq!(packed(&[half, half, 0]), [(1, 2), (3, 3)]);
        assert_eq!(packed(&[half, half + 1]), [(1, 1), (2, 2)]);
        assert_eq!(packed(&[half, half - 16, 0, 0]), [(1, 3), (4, 4)]);
    }

    #[test]
    fn a_bundle_that_is_too_heavy_is_a_run_of_its_own() {
        assert_eq!(packed(&[1, BODY_BYTES_MAX / 2, 1, 1]), [(1, 1), (2, 2), (3, 4)]);
    }

    #[test]
    fn bundles_without_bodies_fill_a_run_too() {
        let sizes = vec![0; 5_000];
        assert_eq!(packed(&sizes), [(1, 4_096), (4_097, 5_000)]);
    }
}
