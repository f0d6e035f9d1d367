//! Checking a rewritten tail: shared by all adapters, so that every store rewrites alike.

use super::{Rewrite, StoreError, StoredRun};
use crate::format::heads::Head;
use crate::id::{Dot, Position, Seq};

/// What a rewrite changes among the stored runs, before the new ones are put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emptied {
    /// The runs to remove, by the position of their first bundle.
    pub removed: Vec<Position>,
    /// What stays of the first of them, to be put back at its place.
    pub kept: Option<StoredRun>,
}

/// The first bundle that a rewrite means to replace and that the log has lost, or has trimmed. `tail` and `head` are as in
/// [`check_rewrite`].
pub fn first_missing(rewrite: &Rewrite, tail: &[StoredRun], head: Head) -> Option<Dot> {
    let mut next = rewrite.after.seq.plus(1);
    for stored in tail {
        if stored.run.first() > next {
            break;
        }
        next = stored.run.last().plus(1);
    }
    (next <= head.seq).then_some(Dot { origin: rewrite.origin, seq: next })
}

/// Checks a rewrite against what the log holds: `tail` is every stored run of the origin that reaches beyond `rewrite.after`, in
/// order and as it is stored, and [whole](first_missing); `head` is the origin's head.
///
/// # Errors
/// [`StoreError::NoSuchBundle`] or [`StoreError::WrongChain`] if `after` is not what the log holds;
/// [`StoreError::Misplaced`] if the new runs do not fill exactly the places of the tail.
pub fn check_rewrite(rewrite: &Rewrite, tail: &[StoredRun], head: Head) -> Result<Emptied, StoreError> {
    let after = rewrite.after;
    let dot = Dot { origin: rewrite.origin, seq: after.seq };
    let kept = match tail.first() {
        Some(first) if first.run.first() <= after.seq => {
            let run = first.run.until(after.seq, first.previous).ok_or(StoreError::NoSuchBundle { dot })?;
            Some(StoredRun { run, ..first.clone() })
        }
        _ => None,
    };
    let chain = match (&kept, tail.first()) {
        (Some(kept), _) => kept.run.bundles().fold(kept.previous, |chain, bundle| bundle.chain_after(chain)),
        (None, Some(first)) => first.previous,
        (None, None) => head.chain,
    };
    if tail.is_empty() && head.seq != after.seq {
        return Err(StoreError::NoSuchBundle { dot });
    }
    if chain != after.chain {
        return Err(StoreError::WrongChain { got: dot });
    }
    let old = tail.iter().filter_map(|stored| places_after(stored, after.seq));
    let new = rewrite.runs.iter().map(|(position, verified)| (*position, position.plus(verified.run().count())));
    if merged(old) != merged(new) {
        return Err(StoreError::Misplaced { origin: rewrite.origin });
    }
    Ok(Emptied { removed: tail.iter().map(|stored| stored.position).collect(), kept })
}

/// The places of the bundles behind `seq`, as a half-open range.
fn places_after(stored: &StoredRun, seq: Seq) -> Option<(Position, Position)> {
    let start = stored.position.plus(seq.plus(1).since(stored.run.first()));
    let end = stored.end().plus(1);
    (start < end).then_some((start, end))
}

/// The same places in order, neighbours joined. Overlaps stay visible: they make the lists differ.
fn merged(ranges: impl Iterator<Item = (Position, Position)>) -> Vec<(Position, Position)> {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort();
    let mut merged: Vec<(Position, Position)> = Vec::new();
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => merged.push((start, end)),
        }
    }
    merged
}
