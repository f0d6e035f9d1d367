//! What a log must hold, kept next to it bundle by bundle: the plainest model of a store.

use std::collections::{BTreeMap, BTreeSet};

use syncline::format::heads::Head;
use syncline::format::run::VerifiedRun;
use syncline::format::{ChainHash, Heads};
use syncline::store::{Committed, Replacement, WriteBatch};
use syncline::tools::{OwnRow, PeerRow, SentRow};
use syncline::{Dot, LogId, NTP64, Position, ReplicaId, Seq, StoreError};

use crate::finding::{Finding, Law};
use crate::invariants::{chain, contiguity};
use crate::ledger::{Ledger, Name};

mod rewrite;

/// One log as it must be.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) log: LogId,
    pub(crate) revision: u64,
    /// How often an older state of the log has come back.
    pub(crate) generation: u32,
    /// Whether positions still mean what they meant: no older state has come back under this log's identity.
    pub(crate) trusted: bool,
    /// The bundle at each position, from 1, also of those that the log has trimmed.
    pub(crate) positions: Vec<Dot>,
    /// Up to which position the log is trimmed.
    pub(crate) base: u64,
    pub(crate) origins: BTreeMap<ReplicaId, Vec<Entry>>,
    pub(crate) voids: BTreeSet<Dot>,
    /// The heads that the log has begun with. It has never held these bundles, and does not know which of them are void.
    pub(crate) begun: Heads,
    pub(crate) clock: NTP64,
    /// Whose log it is if a replica has told.
    pub(crate) identity: Option<ReplicaId>,
    /// All its owners so far.
    pub(crate) identities: BTreeSet<ReplicaId>,
    /// The origin whose bundles may have been sent, and the last of them.
    pub(crate) mark: Option<SentRow>,
    /// Per peer how far it is read.
    pub(crate) cursors: BTreeMap<LogId, PeerRow>,
}

/// One bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) chain: ChainHash,
    pub(crate) time: NTP64,
}

fn broken(detail: String) -> Finding {
    Finding { law: Law::StoreKeepsItsWord, detail }
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
            trusted: true,
            positions: Vec::new(),
            base: 0,
            origins: BTreeMap::new(),
            voids: BTreeSet::new(),
            begun: Heads::new(),
            clock: NTP64(0),
            identity: None,
            identities: BTreeSet::new(),
            mark: None,
            cursors: BTreeMap::new(),
        }
    }

    /// The beginning of an older state, which comes back under this identity.
    pub(crate) fn older(&self, log: LogId) -> Self {
        Self { generation: self.generation + 1, ..Self::new(log) }
    }

    /// Does what a commit of `batch` must do. The ledger knows the history of a log that replaces this one.
    ///
    /// # Errors
    /// If the batch breaks a law of logs, or a row that the engine keeps for itself does not read back.
    pub(crate) fn apply(&mut self, batch: &WriteBatch, ledger: &Ledger) -> Result<Added, Finding> {
        if let Some(replacement) = &batch.replace {
            self.replace(replacement, ledger)?;
        }
        let (mut added, head) = (Added::default(), self.head());
        self.check_kept(batch)?;
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
            let unreadable = |error: StoreError| Finding { law: Law::RowsAreRight, detail: error.to_string() };
            match OwnRow::read(row).map_err(unreadable)? {
                Some(OwnRow::Identity(id)) => self.identity = Some(id),
                Some(OwnRow::Sent(mark)) => self.mark = Some(mark),
                Some(OwnRow::Peer(peer)) => added.cursors.push(peer),
                Some(OwnRow::Checkpoint(_)) | None => {}
            }
        }
        self.identities.extend(self.identity);
        self.cursors.extend(added.cursors.iter().map(|row| (row.cursor.log, *row)));
        self.clock = self.clock.max(batch.clock);
        let trim = batch.trim.map_or(0, Position::get);
        if trim > head {
            return Err(broken(format!("a log that ended at position {head} was trimmed up to {trim}")));
        }
        self.base = self.base.max(trim);
        self.revision += 1;
        Ok(added)
    }

    /// Lets the log begin anew. Below its base no order of bundles can be told from another.
    ///
    /// # Errors
    /// If the identity stays, or the heads tell of bundles that nobody has written.
    fn replace(&mut self, Replacement { log, heads }: &Replacement, ledger: &Ledger) -> Result<(), Finding> {
        if *log == self.log {
            return Err(broken(format!("log {log} was replaced under its own identity")));
        }
        self.positions.clear();
        self.origins.clear();
        for (origin, head) in heads.iter().filter(|(_, head)| head.seq > Seq::ZERO) {
            let dot = |seq| Dot { origin, seq: Seq::new(seq) };
            let entries = ledger.history(origin, head).ok_or_else(|| {
                let detail = format!(
                    "a log begins behind bundle {} with a history that nobody has written",
                    dot(head.seq.get())
                );
                Finding { law: Law::NothingInvented, detail }
            })?;
            self.positions.extend((1..=head.seq.get()).map(dot));
            self.origins.insert(origin, entries);
        }
        self.voids.clear();
        self.begun = heads.clone();
        (self.log, self.base) = (*log, self.head());
        Ok(())
    }

    /// Whether the log still has what a batch makes void or writes again.
    ///
    /// # Errors
    /// If it has trimmed a bundle of those.
    fn check_kept(&self, batch: &WriteBatch) -> Result<(), Finding> {
        let is_rewritten = |dot: &Dot| {
            let mut rewrite = batch.rewrite.iter();
            rewrite.any(|rewrite| rewrite.origin == dot.origin && rewrite.after.seq < dot.seq)
        };
        let mut trimmed = self.positions.iter().take(usize::try_from(self.base).unwrap_or(usize::MAX));
        match trimmed.find(|dot| batch.voids.contains(dot) || is_rewritten(dot)) {
            Some(dot) => Err(broken(format!("bundle {dot} was changed, which the log has trimmed"))),
            None => Ok(()),
        }
    }

    /// Puts a run behind its origin's head, at a place and those after it. Returns its bundles.
    ///
    /// # Errors
    /// If the run does not follow, or its hashes are not those of its bundles.
    pub(crate) fn append(&mut self, place: usize, verified: &VerifiedRun) -> Result<Vec<Name>, Finding> {
        let run = verified.run();
        let entries = self.origins.entry(run.origin()).or_default();
        contiguity::follows(entries.len(), entries.last().map(|entry| entry.time), verified)?;
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
        contiguity::counted((self.revision, self.head()), committed)
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

    /// Whether the log has, or once had, the body of this bundle or its void.
    pub(crate) fn has_held(&self, dot: Dot) -> bool {
        dot.seq > self.begun.get(dot.origin).seq && self.entry(dot).is_some()
    }

    /// Whether the log had this very bundle, and has trimmed it.
    pub(crate) fn has_trimmed(&self, name: Name) -> bool {
        let base = usize::try_from(self.base).unwrap_or(usize::MAX);
        self.holds(name) && self.positions.iter().take(base).any(|dot| *dot == name.0)
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

#[cfg(test)]
mod tests {
    use syncline::format::run::{Body, RunBuilder};
    use syncline::store::{RowKey, RowWrite};
    use syncline::{ViewId, tools};

    use super::*;

    #[test]
    fn a_store_that_changes_what_it_has_trimmed_is_found() {
        let ann = ReplicaId::from_bytes([1; 16]).unwrap();
        let mut three = RunBuilder::new(ann, Seq::new(1), ChainHash::GENESIS);
        for time in 1..=3 {
            three.push(NTP64(time), Body::Full(b"body"));
        }
        let trim = |base| WriteBatch { trim: Some(Position::new(base)), ..WriteBatch::default() };
        let (mut image, ledger) = (Image::new(LogId::from_bytes([1; 16]).unwrap()), Ledger::default());
        image.apply(&WriteBatch { runs: vec![three.finish().unwrap()], ..WriteBatch::default() }, &ledger).unwrap();
        image.apply(&trim(2), &ledger).unwrap();
        image.apply(&trim(1), &ledger).unwrap();
        assert_eq!((image.base, image.head()), (2, 3));
        let void = |seq| WriteBatch { voids: vec![Dot { origin: ann, seq: Seq::new(seq) }], ..WriteBatch::default() };
        image.apply(&void(3), &ledger).unwrap();
        for wrong in [trim(4), void(2)] {
            assert_eq!(image.clone().apply(&wrong, &ledger).unwrap_err().law, Law::StoreKeepsItsWord);
        }
    }

    #[test]
    fn a_log_begins_anew_only_behind_what_was_written_and_under_another_identity() {
        let [old, new] = [1, 2].map(|byte| LogId::from_bytes([byte; 16]).unwrap());
        let (ann, bob) = (ReplicaId::from_bytes([1; 16]).unwrap(), ReplicaId::from_bytes([2; 16]).unwrap());
        let run = |origin| {
            let mut three = RunBuilder::new(origin, Seq::new(1), ChainHash::GENESIS);
            for time in 1..=3 {
                three.push(NTP64(time), Body::Full(b"body"));
            }
            three.finish().unwrap()
        };
        let (mut theirs, mut ours, mut ledger) = (Image::new(old), Image::new(old), Ledger::default());
        let batch = |run| WriteBatch { runs: vec![run], ..WriteBatch::default() };
        let added = theirs.apply(&batch(run(bob)), &ledger).unwrap();
        ours.apply(&batch(run(ann)), &ledger).unwrap();
        let replace = |log, heads| WriteBatch { replace: Some(Replacement { log, heads }), ..WriteBatch::default() };
        let unwritten = ours.clone().apply(&replace(new, theirs.heads()), &ledger).unwrap_err();
        assert_eq!(unwritten.law, Law::NothingInvented);
        theirs.identity = Some(bob);
        crate::invariants::written::is_known(&mut ledger, &theirs, &added.bundles).unwrap();
        let same = ours.clone().apply(&replace(old, theirs.heads()), &ledger).unwrap_err();
        assert_eq!(same.law, Law::StoreKeepsItsWord);
        ours.apply(&replace(new, theirs.heads()), &ledger).unwrap();
        assert_eq!((ours.log, ours.base, ours.head(), ours.heads()), (new, 3, 3, theirs.heads()));
        assert!(
            added.bundles.iter().all(|name| ours.holds(*name))
                && ours.entry(Dot { origin: ann, seq: Seq::new(1) }).is_none()
        );
    }

    #[test]
    fn a_row_of_the_engine_that_does_not_read_back_is_a_finding() {
        for name in [tools::IDENTITY, tools::SENT, tools::PEERS] {
            let key = RowKey::new(ViewId::new(name).unwrap(), "key");
            let batch = |value: &'static [u8]| {
                let rows = vec![RowWrite { key: key.clone(), value: Some(value.into()) }];
                WriteBatch { rows, ..WriteBatch::default() }
            };
            let mut image = Image::new(LogId::from_bytes([1; 16]).unwrap());
            let finding = image.apply(&batch(b"torn"), &Ledger::default()).unwrap_err();
            assert_eq!(finding.law, Law::RowsAreRight);
            assert!(finding.detail.contains(name), "{finding}");
        }
    }
}
