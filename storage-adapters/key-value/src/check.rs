//! Reading everything, to see whether it is as it was written.

use std::ops::ControlFlow;

use crate::backend::Snapshot;
use crate::error::Result;
use crate::keys::{self, Keys};
use crate::read;

/// Bytes that are read from one moment: a backend may hold up writes while it shows one.
const STEP_BYTES: usize = 1024 * 1024;

/// Checks keys and values from `start` on against their checksums. Returns where to continue, `None` behind the last.
pub(crate) fn step(snapshot: &impl Snapshot, start: Vec<u8>) -> Result<Option<Vec<u8>>> {
    let keys = Keys { start, end: keys::all().end };
    let (mut bytes, mut last) = (0, None);
    read::range(
        snapshot,
        &keys,
        |key| format!("the value of key {}", hex(key)),
        |key, value| {
            bytes += key.len() + value.len();
            if bytes < STEP_BYTES {
                return Ok(ControlFlow::Continue(()));
            }
            last = Some(keys::successor(key.to_vec()));
            Ok(ControlFlow::Break(()))
        },
    )?;
    Ok(last)
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}
