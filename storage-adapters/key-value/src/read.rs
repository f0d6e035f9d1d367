//! Reading values that were sealed.

use std::ops::ControlFlow;

use bytes::Bytes;
use syncline::store::Direction;

use crate::backend::Snapshot;
use crate::error::{Result, damage};
use crate::keys::Keys;
use crate::record::unseal;

const UNFIT: &str = "its checksum does not fit";

/// The value of a key, checked. `at` says what it is, should it be damaged.
pub(crate) fn get(snapshot: &impl Snapshot, key: &[u8], at: impl FnOnce() -> String) -> Result<Option<Bytes>> {
    let Some(value) = snapshot.get(key)? else { return Ok(None) };
    match unseal(key, &value) {
        Some(content) => Ok(Some(value.slice_ref(content))),
        None => Err(damage(at(), UNFIT)),
    }
}

/// Shows keys and checked values in order until `each` breaks off or fails. `at` says what a damaged one is.
pub(crate) fn range(
    snapshot: &impl Snapshot,
    keys: &Keys,
    at: impl Fn(&[u8]) -> String,
    each: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
) -> Result<()> {
    walk(snapshot, keys, Direction::Forward, at, each)
}

/// As [`range`], in order or against it.
pub(crate) fn walk(
    snapshot: &impl Snapshot,
    keys: &Keys,
    direction: Direction,
    at: impl Fn(&[u8]) -> String,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut result = Ok(());
    let mut visit = |key: &[u8], value: &[u8]| {
        let shown = match unseal(key, value) {
            Some(content) => each(key, content),
            None => Err(damage(at(key), UNFIT)),
        };
        shown.unwrap_or_else(|fault| {
            result = Err(fault);
            ControlFlow::Break(())
        })
    };
    snapshot.range(keys.start.as_slice()..keys.end.as_slice(), direction, &mut visit)?;
    result
}
