//! A change as a row of history keeps it.

use serde::{Deserialize, Serialize};
use syncline::Seq;
use syncline::crdt::OrderedFold;
use syncline::format::Stamp;

use crate::Change;

/// So many characters of a text are kept in a line. The whole text is in the log.
pub const EXCERPT_CHARS: usize = 120;

/// A change, with its text cut to [`EXCERPT_CHARS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The number of its bundle: with the stamp's origin it names the bundle.
    pub seq: Seq,
    /// What happened.
    pub change: Change,
    /// How many characters the text has, if it was cut.
    pub cut: Option<u64>,
}

impl Line {
    /// The line of a change.
    pub(super) fn of(seq: Seq, change: &Change) -> Self {
        let whole = change.text().unwrap_or_default();
        match whole.char_indices().nth(EXCERPT_CHARS) {
            None => Self { seq, change: change.clone(), cut: None },
            Some((end, _)) => {
                let cut = Some(whole.chars().count() as u64);
                Self { seq, change: change.clone().with_text(&whole[..end]), cut }
            }
        }
    }
}

/// Lines in the order of their stamps.
#[derive(Debug)]
pub struct Lines;

impl OrderedFold for Lines {
    type Event = Line;
    type Output = Vec<(Stamp, Line)>;

    fn fold<'a>(lines: impl Iterator<Item = (Stamp, &'a Line)>) -> Self::Output {
        lines.map(|(stamp, line)| (stamp, line.clone())).collect()
    }
}
