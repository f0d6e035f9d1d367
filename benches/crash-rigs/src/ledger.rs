//! What a store has acknowledged, written down by who does not crash.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use syncline::id::Revision;
use syncline::{LogId, Position, Seq};

use crate::record::{Acknowledged, Intended, Replaced, Replacing};
use crate::script::PEER;

/// All that is known of one store, per space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By the space's number.
    pub spaces: BTreeMap<u8, SpaceLedger>,
    /// Commits cover all bundles up to their last, so this counts what is new with each.
    pub acknowledged: u64,
}

/// What is known of one space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceLedger {
    /// Which copy of the log it is; unknown before the first look.
    pub log: Option<LogId>,
    /// The copies that this one has replaced.
    #[serde(default)]
    pub earlier: BTreeSet<LogId>,
    /// The copies that were to replace it: whether they have is not known.
    #[serde(default)]
    pub begun: BTreeSet<LogId>,
    /// The largest that was acknowledged.
    pub revision: Revision,
    /// The largest that was acknowledged.
    pub head: Position,
    /// Up to where the views were acknowledged to be folded.
    pub folded: Position,
    /// Up to where the log was acknowledged to be trimmed.
    #[serde(default)]
    pub base: Position,
    /// By the writer's number.
    pub writers: BTreeMap<u8, WriterLedger>,
    /// Whose bundle was acknowledged to lie there, last of its commit.
    pub places: BTreeMap<u64, (u8, Seq)>,
}

/// What is known of one origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterLedger {
    /// The last bundle that was acknowledged.
    pub acknowledged: Seq,
    /// The last bundles of all commits that were begun: where the origin may end, and nowhere else.
    pub ends: BTreeSet<u64>,
}

/// What a look into a space has found: what is known from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Which space.
    pub space: u8,
    /// Which copy of the log.
    pub log: LogId,
    /// The log's revision.
    pub revision: Revision,
    /// The log's head.
    pub head: Position,
    /// Up to where the log is trimmed.
    #[serde(default)]
    pub base: Position,
    /// Up to where all views are folded.
    pub folded: Position,
    /// Per writer the last bundle.
    pub writers: BTreeMap<u8, Seq>,
    /// How far the crash had let a snapshot come that was to replace the log.
    #[serde(default)]
    pub import: Import,
}

/// How far a snapshot that is to replace a log has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Import {
    /// There is none.
    #[default]
    None,
    /// The log has not been replaced yet.
    Fetching,
    /// The log has been replaced, and rows are missing.
    Filling,
}

impl SpaceLedger {
    /// This is the space's log from now on.
    fn is_now(&mut self, log: LogId) {
        if self.log != Some(log) {
            self.earlier.extend(self.log.replace(log));
            self.places.clear();
        }
    }
}

impl Ledger {
    /// A commit is about to begin.
    pub fn intend(&mut self, intended: Intended) {
        let space = self.spaces.entry(intended.space).or_default();
        space.writers.entry(intended.writer).or_default().ends.insert(intended.last.get());
    }

    /// A commit has returned.
    pub fn acknowledge(&mut self, done: Acknowledged) {
        let space = self.spaces.entry(done.space).or_default();
        space.revision = space.revision.max(done.revision);
        space.head = space.head.max(done.head);
        space.folded = space.folded.max(done.folded);
        space.base = space.base.max(done.base);
        space.places.insert(done.head.get(), (done.writer, done.last));
        let writer = space.writers.entry(done.writer).or_default();
        writer.ends.insert(done.last.get());
        self.acknowledged += done.last.since(writer.acknowledged);
        writer.acknowledged = writer.acknowledged.max(done.last);
    }

    /// A log is about to be replaced.
    pub fn replace(&mut self, replacing: Replacing) {
        self.spaces.entry(replacing.space).or_default().begun.insert(replacing.log);
    }

    /// A log has been replaced. The places in the old one mean nothing any more.
    pub fn replaced(&mut self, done: Replaced) {
        let Replacing { space, log, base, last } = done.replacing;
        let space = self.spaces.entry(space).or_default();
        space.is_now(log);
        space.revision = space.revision.max(done.revision);
        (space.base, space.head, space.folded) = (base, base, Position::ZERO);
        let peer = space.writers.entry(PEER).or_default();
        self.acknowledged += last.since(peer.acknowledged);
        peer.acknowledged = peer.acknowledged.max(last);
    }

    /// Somebody has looked: what is there now is what must be there from now on, and what is lost is forgotten.
    pub fn settle(&mut self, found: &Found) {
        let space = self.spaces.entry(found.space).or_default();
        space.is_now(found.log);
        space.begun.clear();
        (space.revision, space.head, space.folded) = (found.revision, found.head, found.folded);
        space.base = found.base;
        space.places.retain(|position, _| *position <= found.head.get());
        for (writer, last) in &found.writers {
            let writer = space.writers.entry(*writer).or_default();
            writer.acknowledged = *last;
            writer.ends.split_off(&(last.get() + 1));
        }
    }

    /// How many bundles the store would have to show, were nothing lost.
    pub fn expected(&self) -> u64 {
        let writers = self.spaces.values().flat_map(|space| space.writers.values());
        writers.map(|writer| writer.acknowledged.get()).sum()
    }
}
