//! What the two key-value libraries by hand have in common: the keys and values, which are those of the adapters.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Batch, Entry, NO_HASH, Pair, encode};

/// The space's number, which begins each key in ours.
const SPACE: [u8; 4] = [0, 0, 0, 1];
/// The view's number.
const VIEW: [u8; 4] = [0, 0, 0, 1];
const STATUS: u8 = 1;
const HEAD: u8 = 2;
const RUN: u8 = 3;
const PLACE: u8 = 4;
const ROW: u8 = 5;
/// Bytes of a row's key before its own.
const ROW_PREFIX_BYTES: usize = 9;

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = SPACE.to_vec();
    key.push(kind);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// The key of the space's status, whose value begins with the position of the log's end.
pub(super) fn status() -> Vec<u8> {
    key(STATUS, &[])
}

/// The keys of the runs behind a position.
pub(super) fn runs_behind(after: u64) -> Range<Vec<u8>> {
    key(RUN, &[&(after + 1).to_be_bytes()])..key(PLACE, &[])
}

/// The run in the value of a run's key.
pub(super) fn run_of(value: &[u8]) -> Vec<u8> {
    value[NO_HASH.len()..].to_vec()
}

/// The key of an attribute's row.
pub(super) fn row(row: &[u8]) -> Vec<u8> {
    key(ROW, &[&VIEW, row])
}

/// The keys of all rows.
pub(super) fn rows() -> Range<Vec<u8>> {
    row(&[])..key(ROW + 1, &[])
}

/// The attribute of a row's key.
pub(super) fn row_key_of(key: &[u8]) -> Vec<u8> {
    key[ROW_PREFIX_BYTES..].to_vec()
}

/// What a batch puts, rows apart, in no order.
pub(super) fn of_log(batch: &Batch) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(2 * batch.entries.len() + 2);
    for Entry { position, author, seq, run, .. } in &batch.entries {
        let position = position.to_be_bytes();
        pairs.push((key(RUN, &[&position]), [&NO_HASH, &run[..]].concat()));
        pairs.push((key(PLACE, &[&encode::origin(*author), &seq.to_be_bytes()]), position.to_vec()));
    }
    for Entry { author, seq, time, .. } in batch.heads() {
        pairs.push((key(HEAD, &[&encode::origin(*author)]), [&seq.to_be_bytes()[..], &NO_HASH, time].concat()));
    }
    let last = batch.last();
    pairs.push((status(), status_value(last.position, last.time, batch.folded.as_deref().unwrap_or_default())));
    pairs
}

/// What rebuilt rows put next to themselves.
pub(super) fn rebuilt(head: u64, folded: &str) -> Pair {
    (status(), status_value(head, [0; 8], folded))
}

fn status_value(head: u64, time: [u8; 8], folded: &str) -> Vec<u8> {
    [&head.to_be_bytes()[..], &[7; 16], &head.to_be_bytes(), &time, folded.as_bytes()].concat()
}

/// The end of the log in the value of the status; 0 if there is none yet.
pub(super) fn head_of(status: Option<&[u8]>) -> u64 {
    status.and_then(|value| value.first_chunk()).map_or(0, |head| u64::from_be_bytes(*head))
}

/// Rows as they are put.
pub(super) fn of_rows(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> impl Iterator<Item = Pair> + '_ {
    rows.iter().map(|(key, value)| (row(key), value.clone()))
}
