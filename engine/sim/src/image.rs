//! What a log must hold, kept next to it bundle by bundle: the plainest model of a store.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use syncline::format::heads::Head;
use syncline::format::run::VerifiedRun;
use syncline::format::{ChainHash, Heads, codec};
use syncline::store::{Committed, WriteBatch};
use syncline::{Cursor, Dot, LogId, NTP64, ReplicaId, Seq};

use crate::finding::Finding;
use crate::invariants::{chain, contiguity, rewrite};
use crate::ledger::Name;

/// One log as it must be.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) log: LogId,
    pub(crate) revision: u64,
    /// How often an older state of the log has come back.
    pub(crate) generation: u32,
    /// The bundle at each position, from 1.
    pub(crate) positions: Vec<Dot>,
    pub(crate) origins: BTreeMap<ReplicaId, Vec<Entry>>,
    pub(crate) voids: BTreeSet<Dot>,
    pub(crate) clock: NTP64,
    /// Whose log it is if a replica has told.
    pub(crate) identity: Option<ReplicaId>,
    /// All its owners so far.
    pub(crate) identities: BTreeSet<ReplicaId>,
    /// The origin whose bundles may have been sent, and the last of them.
    pub(crate) mark: Option<Mark>,
    /// Per peer how far it is read.
    pub(crate) cursors: BTreeMap<LogId, PeerRow>,
}

/// One bundle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) chain: ChainHash,
    pub(crate) time: NTP64,
}

/// What a replica stores about a peer's log, as the engine encodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct PeerRow {
    pub(crate) cursor: Cursor,
    pub(crate) acked: Seq,
}

/// Up to which own bundle a replica may have sent its own, as the engine encodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Mark {
    pub(crate) origin: ReplicaId,
    pub(crate) through: Seq,
    pub(crate) writer: u64,
}

/// What one commit added.
#[derive(Debug, Default)]
pub(crate) struct Added {
    pub(crate) bundles: Vec<Name>,
    /// Bundles of a rewritten tail, and what they have become.
    pub(crate) moved: Vec<(Name, Name)>,
    /// They have got another identity and other times: somebody may have them as they were.
    pub(crate) in_doubt: bool,
    pub(crate) cursors: Vec<PeerRow>,
}

impl Image {
    pub(crate) fn new(log: LogId) -> Self {
        Self {
            log,
            revision: 0,
            generation: 0,
            positions: Vec::new(),
            origins: BTreeMap::new(),
            voids: BTreeSet::new(),
            clock: NTP64(0),
            identity: None,
            identities: BTreeSet::new(),
            mark: None,
            cursors: BTreeMap::new(),
        }
    }

    /// Does what a commit of `batch` must do.
    ///
    /// # Errors
    /// If the batch breaks a law of logs.
    pub(crate) fn apply(&mut self, batch: &WriteBatch) -> Result<Added, Finding> {
        let mut added = Added::default();
        if let Some(rewrite) = &batch.rewrite {
            (added.moved, added.in_doubt) = rewrite::apply(self, rewrite)?;
            added.bundles.extend(added.moved.iter().map(|(_, new)| *new));
            self.clock = NTP64(0);
        }
        for verified in &batch.runs {
            let place = self.positions.len();
            added.bundles.extend(self.append(place, verified)?);
        }
        self.voids.extend(batch.voids.iter().copied());
        for row in &batch.rows {
            let Some(value) = row.value.as_ref().filter(|_| row.key.view.is_reserved()) else { continue };
            match row.key.view.as_str() {
                "syncline.identity@1" => self.identity = codec::decode("identity", value).ok(),
                "syncline.sent@1" => self.mark = codec::decode("mark", value).ok(),
                "syncline.peers@1" => added.cursors.extend(codec::decode::<PeerRow>("peer", value).ok()),
                _ => {}
            }
        }
        self.identities.extend(self.identity);
        self.cursors.extend(added.cursors.iter().map(|row| (row.cursor.log, *row)));
        self.clock = self.clock.max(batch.clock);
        self.revision += 1;
        Ok(added)
    }

    /// Puts a run behind its origin's head, at a place and those after it. Returns its bundles.
    ///
    /// # Errors
    /// If the run does not follow, or its hashes are not those of its bundles.
    pub(crate) fn append(&mut self, place: usize, verified: &VerifiedRun) -> Result<Vec<Name>, Finding> {
        let run = verified.run();
        let entries = self.origins.entry(run.origin()).or_default();
        contiguity::follows(entries, verified)?;
        let mut end = entries.last().map_or(ChainHash::GENESIS, |entry| entry.chain);
        chain::continues(end, verified)?;
        let mut names = Vec::new();
        for (index, bundle) in run.bundles().enumerate() {
            end = bundle.chain_after(end);
            entries.push(Entry { chain: end, time: bundle.time });
            match self.positions.get_mut(place + index) {
                Some(taken) => *taken = bundle.dot,
                None => self.positions.push(bundle.dot),
            }
            names.push((bundle.dot, end));
            if bundle.is_void() {
                self.voids.insert(bundle.dot);
            }
        }
        chain::ends(end, verified)?;
        Ok(names)
    }

    /// Whether a commit's answer is what it must be.
    ///
    /// # Errors
    /// If positions or revisions are not counted one by one.
    pub(crate) fn check(&self, committed: Committed) -> Result<(), Finding> {
        contiguity::counted(self, committed)
    }

    pub(crate) fn head(&self) -> u64 {
        self.positions.len() as u64
    }

    /// The bundle with this dot.
    pub(crate) fn entry(&self, dot: Dot) -> Option<Entry> {
        let index = usize::try_from(dot.seq.get().checked_sub(1)?).ok()?;
        self.origins.get(&dot.origin)?.get(index).copied()
    }

    /// The bundle at a place, counted from 0.
    pub(crate) fn name_at(&self, place: usize) -> Name {
        let dot = self.positions[place];
        (dot, self.entry(dot).expect("every position has its bundle").chain)
    }

    pub(crate) fn holds(&self, (dot, chain): Name) -> bool {
        self.entry(dot).is_some_and(|entry| entry.chain == chain)
    }

    /// All its bundles.
    pub(crate) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        (0..self.positions.len()).map(|place| self.name_at(place))
    }

    /// The heads, as a log with these bundles must report them.
    pub(crate) fn heads(&self) -> Heads {
        let head = |entries: &Vec<Entry>| {
            let last = entries.last()?;
            Some(Head { seq: Seq::new(entries.len() as u64), chain: last.chain, time: last.time })
        };
        self.origins.iter().filter_map(|(origin, entries)| Some((*origin, head(entries)?))).collect()
    }
}
