//! On what something is measured, and how much of it.

use std::time::Duration;

use syncline::store::Durability;

use crate::Failure;
use crate::compare::measure::Side;
use crate::compare::work::FEW;
use crate::compare::{Measurement, Work, appends, arrival, bytes, crash, fresh, reads, weight};
use crate::place::{Backend, Ground, Place};
use crate::workload::Keys;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Rounds that count; one before them fills caches and tables.
    pub rounds: usize,
    /// How long both sides together work in one round of what can be stopped at any time.
    pub round: Duration,
    /// A part of the usual number of events if that is fixed before.
    pub scale: f64,
}

impl Effort {
    /// For numbers to be published.
    pub const FULL: Self = Self { rounds: 15, round: Duration::from_millis(300), scale: 1.0 };
    /// For a rough look.
    pub const QUICK: Self = Self { rounds: 3, round: Duration::from_millis(100), scale: 0.1 };

    /// The same for so much less work, down to next to nothing.
    #[must_use]
    pub fn scaled(self, part: f64) -> Self {
        let rounds = (self.rounds as f64 * part).ceil() as usize;
        Self { rounds: rounds.clamp(1, self.rounds), round: self.round.mul_f64(part), scale: self.scale * part }
    }

    /// A number of events; a multiple of 100.
    pub fn events(&self, usual: usize) -> usize {
        ((usual as f64 * self.scale) as usize).next_multiple_of(100).max(100)
    }

    /// Rounds of what takes long: a third of them, and at least three if there are so many.
    pub fn few_rounds(&self) -> usize {
        (self.rounds / 3).max(self.rounds.min(3))
    }
}

/// A backend with a durability, somewhere.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'a> {
    /// The store.
    pub backend: Backend,
    /// What a commit is told to survive.
    pub durability: Durability,
    /// Where databases are made.
    pub ground: &'a Ground,
    /// How much is measured.
    pub effort: Effort,
    /// The program that is started if a process of its own is measured: with [`crash::ERRAND`] and an errand, which it must
    /// [run](crash::Errand::run), or with [`memory::SERVE`](crate::memory::SERVE) and a file, which it must
    /// [serve](crate::memory::serve).
    pub program: &'a std::path::Path,
}

impl Bench<'_> {
    /// Why some work cannot be measured here.
    pub fn gap(&self, work: Work) -> Option<&'static str> {
        match (work, self.backend) {
            (Work::Reopen, Backend::Memory) => Some("nothing is left to open after a kill"),
            (Work::Disk, Backend::Memory) => Some("it takes nothing on the disk"),
            (Work::Memory | Work::Server, _) if !cfg!(target_os = "linux") => {
                Some("only Linux tells the peak of a process")
            }
            _ => None,
        }
    }

    /// Measures one kind of work.
    ///
    /// # Errors
    /// [`Failure`] of the store, its bare library, the file system, or a program that was started.
    pub async fn measure(&self, work: Work) -> Result<Measurement, Failure> {
        let (ours, by_hand) = match work {
            Work::Single | Work::Batch | Work::SingleRow | Work::FewKeys | Work::ManyKeys => {
                appends::one_writer(self, work).await?
            }
            Work::Writers => appends::writers(self).await?,
            Work::Grouping => appends::grouping(self).await?,
            Work::InOrder | Work::Late => arrival::arrival(self, work == Work::Late).await?,
            Work::Tail => reads::tail(self).await?,
            Work::Rebuild => reads::rebuild(self).await?,
            Work::Fresh => fresh::fresh(self, FEW).await?,
            Work::FreshDistinct => fresh::fresh(self, Keys::Distinct).await?,
            Work::Reopen => crash::reopen(self).await?,
            Work::Disk => weight::disk(self).await?,
            Work::Memory => weight::memory(self).await?,
            Work::Wire => bytes::wire(self, FEW).await?,
            Work::WireDistinct => bytes::wire(self, Keys::Distinct).await?,
            Work::Push => bytes::push(self).await?,
            Work::LogSingle => bytes::log(self, 1).await?,
            Work::LogBundles => bytes::log(self, 10).await?,
            Work::LogSynced => bytes::synced_log(self).await?,
            Work::Server => bytes::server(self).await?,
        };
        Ok(Measurement::new(work, self.backend, self.durability, ours, by_hand))
    }

    /// A new place for one side.
    pub(super) fn place(&self) -> Result<Place, Failure> {
        self.ground.place(self.backend)
    }
}

/// What both sides did.
pub(super) type Sides = (Side, Option<Side>);
