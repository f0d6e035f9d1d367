//! Reading a log origin by origin. Pulls do so too, and it is another way to the same bundles, with an index of its own.

use std::collections::BTreeMap;

use syncline::format::Head;
use syncline::store::LogStatus;
use syncline::{Dot, EventStore, ReplicaId, StoreError};

use super::{Damage, PAGE};
use crate::failure::Failure;

/// Checks that all bundles up to these heads are found by their origin, and are those that the heads tell of. `starts` tells what the first
/// bundle of each origin follows that the log keeps.
pub(super) async fn check(
    store: &dyn EventStore,
    status: &LogStatus,
    starts: &BTreeMap<ReplicaId, Head>,
) -> Result<Result<(), Damage>, Failure> {
    for (origin, start) in starts {
        if let Err(damage) = follow(store, *origin, *start, status.heads.get(*origin)).await? {
            return Ok(Err(damage));
        }
    }
    Ok(Ok(()))
}

async fn follow(
    store: &dyn EventStore,
    origin: ReplicaId,
    mut read: Head,
    head: Head,
) -> Result<Result<(), Damage>, Failure> {
    while read.seq < head.seq {
        let lost = Damage::Lost { dot: Dot { origin, seq: read.seq.plus(1) } };
        let runs = match store.read_origin(origin, read.seq, PAGE).await {
            Ok(runs) if runs.is_empty() => return Ok(Err(lost)),
            Ok(runs) => runs,
            Err(StoreError::Trimmed { dot, .. }) => return Ok(Err(Damage::Lost { dot })),
            Err(StoreError::Corrupt { at, why, .. }) => return Ok(Err(Damage::Unreadable { at, why })),
            Err(error) => return Err(error.into()),
        };
        let bundles = runs.iter().flat_map(|stored| stored.run.bundles());
        // What was written since the heads were read, they do not tell of.
        for bundle in bundles.take_while(|bundle| bundle.dot.seq <= head.seq) {
            if bundle.dot != (Dot { origin, seq: read.seq.plus(1) }) {
                return Ok(Err(lost));
            }
            read = Head { seq: bundle.dot.seq, chain: bundle.chain_after(read.chain), time: bundle.time };
        }
    }
    if read == head {
        return Ok(Ok(()));
    }
    let (expected, expected_chain, found, found_chain) = (head.seq, head.chain, read.seq, read.chain);
    Ok(Err(Damage::Head { origin, expected, expected_chain, found, found_chain }))
}
