//! Hashing a log again, run by run.

use std::collections::{BTreeMap, BTreeSet};

use syncline::format::run::Bundle;
use syncline::format::{Head, Heads};
use syncline::store::{LogStatus, StoredRun};
use syncline::{Dot, NTP64, Position, ReplicaId, Seq};

use super::{Checked, Damage};

/// What a log must continue with, from what was read of it so far.
#[derive(Debug, Clone)]
pub(super) struct Checker {
    /// The last position read.
    position: Position,
    /// The last position that is looked at.
    head: Position,
    /// Per origin the last bundle read, with the chain hash computed from all before it.
    heads: Heads,
    /// Per origin what its first bundle read follows: nothing, or a bundle that was trimmed.
    starts: BTreeMap<ReplicaId, Head>,
    is_trimmed: bool,
    checked: Checked,
}

impl Checker {
    /// At the base of a log.
    pub(super) fn new(status: &LogStatus) -> Self {
        Self {
            position: status.base,
            head: status.head,
            heads: Heads::new(),
            starts: BTreeMap::new(),
            is_trimmed: status.base > Position::ZERO,
            checked: Checked::default(),
        }
    }

    /// Per origin that was met what its first bundle read follows.
    pub(super) fn starts(&self) -> &BTreeMap<ReplicaId, Head> {
        &self.starts
    }

    /// Checks the next run.
    pub(super) fn check(&mut self, stored: &StoredRun) -> Result<(), Damage> {
        let (run, origin) = (&stored.run, stored.run.origin());
        if self.position == self.head {
            return Ok(());
        }
        let before = Head { seq: Seq::new(run.first().get() - 1), chain: stored.previous, time: NTP64(0) };
        let start = *self.starts.entry(origin).or_insert(if self.is_trimmed { before } else { Head::NONE });
        let head = self.heads.get(origin);
        let (first, mut head) = (Dot { origin, seq: run.first() }, if head.seq == Seq::ZERO { start } else { head });
        if stored.position != self.position.plus(1) {
            return Err(Damage::Misplaced { dot: first, expected: self.position.plus(1), found: stored.position });
        }
        if run.first() != head.seq.plus(1) {
            let (position, expected) = (stored.position, head.seq.plus(1));
            return Err(Damage::Gap { position, expected, found: first });
        }
        if stored.previous != head.chain {
            return Err(Damage::Unlinked { dot: first, position: stored.position });
        }
        for bundle in run.bundles() {
            if self.position == self.head {
                // Written after the heads were read, so they do not tell of it; nor does its run's hash.
                self.heads.set(origin, head);
                return Ok(());
            }
            head = self.bundle(&bundle, head)?;
        }
        if head.chain.check() != run.check() {
            return Err(Damage::Changed { dot: Dot { origin, seq: run.last() }, position: self.position });
        }
        self.heads.set(origin, head);
        Ok(())
    }

    /// Checks the next bundle of an origin with this head, and answers the head after it.
    fn bundle(&mut self, bundle: &Bundle<'_>, head: Head) -> Result<Head, Damage> {
        self.position = self.position.plus(1);
        let (dot, position) = (bundle.dot, self.position);
        if head.seq > Seq::ZERO && bundle.time <= head.time {
            return Err(Damage::NotLater { dot, position });
        }
        for event in bundle.events() {
            event.map_err(|why| Damage::Body { dot, position, why })?;
            self.checked.events += 1;
        }
        self.checked.bundles += 1;
        self.checked.voids += u64::from(bundle.is_void());
        Ok(Head { seq: dot.seq, chain: bundle.chain_after(head.chain), time: bundle.time })
    }

    /// Checks that the log ended where its heads say.
    pub(super) fn finish(self, status: &LogStatus) -> Result<Checked, Damage> {
        if self.position != status.head {
            return Err(Damage::Ends { after: self.position, head: status.head });
        }
        let origins: BTreeSet<_> = status.heads.iter().chain(self.heads.iter()).map(|(origin, _)| origin).collect();
        for origin in origins.iter().filter(|origin| !self.is_trimmed || self.starts.contains_key(*origin)) {
            let (expected, found) = (status.heads.get(*origin), self.heads.get(*origin));
            if expected != found {
                let (expected_chain, found_chain) = (expected.chain, found.chain);
                let (expected, found) = (expected.seq, found.seq);
                return Err(Damage::Head { origin: *origin, expected, expected_chain, found, found_chain });
            }
        }
        Ok(Checked { origins: origins.len(), ..self.checked })
    }
}

#[cfg(test)]
mod tests;
