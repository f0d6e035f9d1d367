//! What was really written, acknowledged, refused and lost: the truth that logs are compared with.

use std::collections::{BTreeMap, BTreeSet};

use syncline::authority::Principal;
use syncline::format::{ChainHash, Head};
use syncline::{Dot, ReplicaId, Seq};

use crate::image::Entry;

/// One bundle and the history that it ends. Two bundles of one dot differ in it.
pub(crate) type Name = (Dot, ChainHash);

/// A write that returned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) name: Name,
    /// The index of the device that wrote it.
    pub(crate) device: usize,
}

/// A bundle that its own origin has committed, and the history that it continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) entry: Entry,
    pub(crate) previous: ChainHash,
}

/// Everything that the world did on purpose.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Every bundle that its own origin has committed. More than one: a fork.
    written: BTreeMap<Dot, Vec<Written>>,
    acknowledged: Vec<Acknowledged>,
    /// Acknowledged bundles whose only copies a fault may have destroyed.
    excused: BTreeSet<Name>,
    /// Bundles that were written again under another name.
    rehomed: BTreeMap<Name, BTreeSet<Name>>,
    /// Bundles that a device has handed to its way to a peer.
    sent: BTreeSet<Name>,
    /// Bundles that moved because somebody may have them with times that no peer takes.
    in_doubt: BTreeSet<Name>,
    /// Bundles of a store given up that an application was refused to write again.
    given_up: BTreeSet<Name>,
    /// Bundles that the policy has refused.
    refused: BTreeSet<Dot>,
    /// Origins whose devices were restored or cloned.
    forking: BTreeSet<ReplicaId>,
    /// Origins whose devices were cloned.
    cloned: BTreeSet<ReplicaId>,
    /// Who writes under an origin.
    writers: BTreeMap<ReplicaId, Principal>,
}

impl Ledger {
    /// A device may write under this origin, which is given back.
    pub(crate) fn belongs(&mut self, origin: ReplicaId, principal: &Principal) -> ReplicaId {
        self.writers.insert(origin, principal.clone());
        origin
    }

    /// Who writes under this origin.
    pub(crate) fn writer(&self, origin: ReplicaId) -> Option<Principal> {
        self.writers.get(&origin).cloned()
    }

    /// A bundle was committed by its own origin. Returns whether its dot was taken by another bundle.
    pub(crate) fn write(&mut self, dot: Dot, written: Written) -> bool {
        let all = self.written.entry(dot).or_default();
        if !all.contains(&written) {
            all.push(written);
        }
        all.len() > 1
    }

    /// Whether somebody has written this very bundle.
    pub(crate) fn knows(&self, (dot, chain): Name) -> bool {
        self.found(dot, chain).is_some()
    }

    fn found(&self, dot: Dot, chain: ChainHash) -> Option<Written> {
        self.written.get(&dot)?.iter().find(|written| written.entry.chain == chain).copied()
    }

    /// All bundles of an origin up to this head, if somebody has written them.
    pub(crate) fn history(&self, origin: ReplicaId, head: Head) -> Option<Vec<Entry>> {
        let (mut entries, mut chain) = (Vec::new(), head.chain);
        for seq in (1..=head.seq.get()).rev() {
            let Written { entry, previous } = self.found(Dot { origin, seq: Seq::new(seq) }, chain)?;
            entries.push(entry);
            chain = previous;
        }
        entries.reverse();
        Some(entries)
    }

    /// A device sends a bundle: from now on others may have it.
    pub(crate) fn send(&mut self, name: Name) {
        self.sent.insert(name);
    }

    pub(crate) fn was_sent(&self, name: Name) -> bool {
        self.sent.contains(&name)
    }

    /// An origin may write a number again.
    pub(crate) fn allow_fork(&mut self, origin: ReplicaId) {
        self.forking.insert(origin);
    }

    pub(crate) fn may_fork(&self, origin: ReplicaId) -> bool {
        self.forking.contains(&origin)
    }

    /// A device with this origin was copied.
    pub(crate) fn clone_of(&mut self, origin: ReplicaId) {
        self.forking.insert(origin);
        self.cloned.insert(origin);
    }

    pub(crate) fn is_cloned(&self, origin: ReplicaId) -> bool {
        self.cloned.contains(&origin)
    }

    /// Whether any origin may.
    pub(crate) fn may_any_fork(&self) -> bool {
        !self.forking.is_empty()
    }

    /// A write returned.
    pub(crate) fn acknowledge(&mut self, acknowledged: Acknowledged) {
        self.acknowledged.push(acknowledged);
    }

    pub(crate) fn acknowledged(&self) -> &[Acknowledged] {
        &self.acknowledged
    }

    /// A fault may have destroyed the last copy.
    pub(crate) fn excuse(&mut self, name: Name) {
        self.excused.insert(name);
    }

    /// Whether a log may be without it: a fault may have destroyed it, or it is called otherwise now.
    pub(crate) fn is_excused(&self, name: Name) -> bool {
        self.excused.contains(&name) || self.rehomed.contains_key(&name)
    }

    /// Whether a bundle with this dot was rewritten under another name.
    pub(crate) fn has_moved(&self, dot: Dot) -> bool {
        let mut found = self.rehomed.range((dot, ChainHash::from_bytes([0; 32]))..);
        found.next().is_some_and(|((of, _), _)| *of == dot)
    }

    /// A bundle's events were written again under another name.
    pub(crate) fn rehome(&mut self, old: Name, new: Name) {
        if old != new {
            self.rehomed.entry(old).or_default().insert(new);
        }
    }

    /// A bundle may be elsewhere and moves all the same.
    pub(crate) fn doubt(&mut self, old: Name) {
        self.in_doubt.insert(old);
    }

    pub(crate) fn moved_in_doubt(&self, old: Name) -> bool {
        self.in_doubt.contains(&old)
    }

    /// All bundles that were rewritten, with what they became.
    pub(crate) fn rehomed(&self) -> impl Iterator<Item = (Name, Name)> + '_ {
        self.rehomed.iter().flat_map(|(old, new)| new.iter().map(|new| (*old, *new)))
    }

    /// Under which names a bundle's events may be found now: its own, and those it was written again by. More than one if
    /// clones have gone different ways.
    pub(crate) fn homes(&self, name: Name) -> Vec<Name> {
        let (mut homes, mut next) = (vec![name], 0);
        while let Some(home) = homes.get(next).copied() {
            next += 1;
            let more = self.rehomed.get(&home).into_iter().flatten();
            let more: Vec<Name> = more.filter(|name| !homes.contains(name)).copied().collect();
            homes.extend(more);
        }
        homes
    }

    /// An application cannot write a bundle again, and knows it.
    pub(crate) fn give_up(&mut self, name: Name) {
        self.given_up.insert(name);
    }

    pub(crate) fn is_given_up(&self, name: Name) -> bool {
        self.given_up.contains(&name)
    }

    /// The policy has refused a bundle.
    pub(crate) fn refuse(&mut self, dot: Dot) {
        self.refused.insert(dot);
    }

    pub(crate) fn refused(&self) -> &BTreeSet<Dot> {
        &self.refused
    }
}
