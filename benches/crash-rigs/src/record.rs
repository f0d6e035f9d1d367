//! What is recorded of a commit.

use serde::{Deserialize, Serialize};
use syncline::id::Revision;
use syncline::{LogId, Position, Seq};

/// A commit about to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intended {
    /// In which space.
    pub space: u8,
    /// By which writer.
    pub writer: u8,
    /// Its last bundle.
    pub last: Seq,
}

/// A commit that has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// In which space.
    pub space: u8,
    /// By which writer.
    pub writer: u8,
    /// Its last bundle.
    pub last: Seq,
    /// The revision it made.
    pub revision: Revision,
    /// Where its last bundle lies.
    pub head: Position,
    /// Up to where it folded the views; zero where it left them alone.
    pub folded: Position,
    /// Up to where it trimmed the log; zero if it did not.
    #[serde(default)]
    pub base: Position,
    /// When it returned, in microseconds since 1970.
    pub when: u64,
}

impl Acknowledged {
    /// The commit as it was before it returned.
    pub fn intended(self) -> Intended {
        Intended { space: self.space, writer: self.writer, last: self.last }
    }
}

/// A commit about to begin that puts a snapshot in the place of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacing {
    /// In which space.
    pub space: u8,
    /// The log that there will be.
    pub log: LogId,
    /// How many bundles the snapshot covers.
    pub base: Position,
    /// The last bundle of the peer that it covers.
    pub last: Seq,
}

/// Such a commit that has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// What it was to do.
    pub replacing: Replacing,
    /// The revision it made.
    pub revision: Revision,
    /// When it returned, in microseconds since 1970.
    pub when: u64,
}
