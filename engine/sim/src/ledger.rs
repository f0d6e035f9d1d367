//! What was really written, acknowledged, refused and lost: the truth that logs are compared with.

use std::collections::{BTreeMap, BTreeSet};

use syncline::{ChainHash, Dot, ReplicaId};

/// One bundle and the history that it ends. Two bundles of one dot differ in it.
pub(crate) type Name = (Dot, ChainHash);

/// A write that returned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) name: Name,
    /// The index of the device that wrote it.
    pub(crate) device: usize,
}

/// Everything that the world did on purpose.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Every bundle that its own origin has committed. More than one hash: a fork.
    written: BTreeMap<Dot, Vec<ChainHash>>,
    acknowledged: Vec<Acknowledged>,
    /// Acknowledged bundles whose only copies a fault may have destroyed.
    excused: BTreeSet<Name>,
    /// Bundles that an application wrote again under another name.
    rehomed: BTreeMap<Name, Name>,
    /// Bundles that the policy has refused.
    refused: BTreeSet<Dot>,
    /// Origins whose devices were restored or cloned.
    forking: BTreeSet<ReplicaId>,
}

impl Ledger {
    /// A bundle was committed by its own origin. Returns whether its dot was taken by another bundle.
    pub(crate) fn write(&mut self, (dot, chain): Name) -> bool {
        let chains = self.written.entry(dot).or_default();
        if !chains.contains(&chain) {
            chains.push(chain);
        }
        chains.len() > 1
    }

    /// Whether somebody has written this very bundle.
    pub(crate) fn knows(&self, (dot, chain): Name) -> bool {
        self.written.get(&dot).is_some_and(|chains| chains.contains(&chain))
    }

    /// An origin may write a number again.
    pub(crate) fn allow_fork(&mut self, origin: ReplicaId) {
        self.forking.insert(origin);
    }

    pub(crate) fn may_fork(&self, origin: ReplicaId) -> bool {
        self.forking.contains(&origin)
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

    pub(crate) fn is_excused(&self, name: Name) -> bool {
        self.excused.contains(&name)
    }

    /// The application has written a bundle's events again.
    pub(crate) fn rehome(&mut self, old: Name, new: Name) {
        self.rehomed.insert(old, new);
    }

    /// Under which name a bundle's events are to be found now.
    pub(crate) fn home(&self, mut name: Name) -> Name {
        while let Some(next) = self.rehomed.get(&name) {
            name = *next;
        }
        name
    }

    /// The policy has refused a bundle.
    pub(crate) fn refuse(&mut self, dot: Dot) {
        self.refused.insert(dot);
    }

    pub(crate) fn refused(&self) -> &BTreeSet<Dot> {
        &self.refused
    }
}
