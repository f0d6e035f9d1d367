//! The lab's own test: known faults, built in on purpose, each of which it must find.
//!
//! One for every class of incident that sync engines have had: the lab is only as good as what it catches.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::case::Case;
use crate::finding::Finding;
use crate::lab::{Lab, lab};
use crate::profile::Profile;

mod projections;
mod stores;
mod ways;

use projections::{Flaw as Folding, Wrong};
use stores::{BadStores, Flaw as Storing};
use ways::{BadWay, Flaw as Carrying};

/// Where a fault is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Projection(Folding),
    Store(Storing),
    Way(Carrying),
    /// No bound on foreign times, at replicas and servers.
    NoBound,
    /// An application that leaves a forked device as it is.
    NoResponse,
}

/// Gives each planted fault its name, what it is and where it is looked for, once.
macro_rules! plants {
    ($($(#[$doc:meta])* $plant:ident = $name:literal, $part:expr, $profile:ident;)+) => {
        /// A fault built in on purpose.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Plant {
            $($(#[$doc])* $plant,)+
        }

        impl Plant {
            /// Every planted fault.
            pub const ALL: &[Self] = &[$(Self::$plant,)+];

            /// Its name, as tables and the command line spell it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$plant => $name,)+
                }
            }

            /// In which histories it is looked for.
            pub fn profile(self) -> Profile {
                match self {
                    $(Self::$plant => Profile::$profile,)+
                }
            }

            fn part(self) -> Part {
                match self {
                    $(Self::$plant => $part,)+
                }
            }
        }
    };
}

plants! {
    /// A polling reader passes a position whose bundle shows up later.
    ReaderPassesPositions = "reader-passes-positions", Part::Store(Storing::HidesTheLast), Calm;
    /// Positions are compared as text.
    PositionsAsText = "positions-as-text", Part::Store(Storing::PositionsAsText), Calm;
    /// A cursor into another copy of the log is served, and heads are not compared.
    CursorOfAnotherLog = "cursor-of-another-log", Part::Way(Carrying::NoDigest), Restore;
    /// What is missing is found by the latest time known.
    LatestTimeOnly = "latest-time-only", Part::Way(Carrying::LatestTimeOnly), Calm;
    /// Compaction removes what a reader still needs, and nobody says so.
    CompactsUnderReaders = "compacts-under-readers", Part::Store(Storing::Compacts), Calm;
    /// A clock far ahead is believed.
    NoClockBound = "no-clock-bound", Part::NoBound, Clock;
    /// A refused commit moves the clock.
    RefusedCommitMovesClock = "refused-commit-moves-clock", Part::Store(Storing::KeepsRefusedTimes), Hostile;
    /// An honest device with a fast clock is refused and not told why.
    ClockRefusedMute = "clock-refused-mute", Part::Way(Carrying::RefusesClocksMute), Clock;
    /// After a restart the clock starts anew.
    ClockForgetsAtRestart = "clock-forgets-at-restart", Part::Store(Storing::ForgetsTheClock), Crash;
    /// Each replica decides a tie for what came last.
    TiesByArrival = "ties-by-arrival", Part::Projection(Folding::TiesByArrival), Clock;
    /// Times are kept as signed numbers.
    SignedTimes = "signed-times", Part::Store(Storing::SignedTimes), Clock;
    /// A cloned or restored device is let in with another history.
    AcceptsForks = "accepts-forks", Part::Way(Carrying::AcceptsForks), Restore;
    /// A forked device is left as it is.
    LeavesForks = "leaves-forks", Part::NoResponse, Restore;
    /// A repeated read gives a bundle twice.
    ReadsTwice = "reads-twice", Part::Store(Storing::ReadsTwice), Calm;
    /// A gap inside a push is not noticed.
    GapInPush = "gap-in-push", Part::Way(Carrying::DropsTheFirst), Restore;
    /// A gap inside a page is not noticed.
    GapInPage = "gap-in-page", Part::Way(Carrying::SkipsPulled), Calm;
    /// A push that was lost counts as delivered.
    LostPushCounts = "lost-push-counts", Part::Way(Carrying::AcknowledgesLost), Flaky;
    /// After a crash nothing goes on.
    StuckAfterCrash = "stuck-after-crash", Part::Store(Storing::StuckAfterCrash), Crash;
    /// Notices are lost, and a device that waits for one waits for ever.
    LosesNotices = "loses-notices", Part::Way(Carrying::LosesNotices), Live;
    /// A refused bundle holds up all behind it.
    RefusalHoldsUp = "refusal-holds-up", Part::Way(Carrying::RefusesAll), Hostile;
    /// A deleted thing comes back with an older write.
    ResurrectsDeleted = "resurrects-deleted", Part::Projection(Folding::ForgetsDeletes), Flaky;
    /// Acknowledged before it is durable.
    AcknowledgesEarly = "acknowledges-early", Part::Store(Storing::AcknowledgesEarly), Crash;
    /// A crash leaves half a commit.
    TearsCommits = "tears-commits", Part::Store(Storing::TearsCommits), Crash;
    /// Recovering twice undoes more than recovering once.
    RecoversTwice = "recovers-twice", Part::Store(Storing::RecoversTwice), Crash;
    /// Stored bytes change.
    RotsBits = "rots-bits", Part::Store(Storing::RotsBits), Crash;
    /// Bytes change on the way.
    ChangesBodies = "changes-bodies", Part::Way(Carrying::ChangesBodies), Calm;
    /// A failed commit has stored half of itself.
    FailsHalfWay = "fails-half-way", Part::Store(Storing::FailsHalfWay), Calm;
    /// Two handles on one store do not notice each other.
    IgnoresConflicts = "ignores-conflicts", Part::Store(Storing::IgnoresConflicts), Hostile;
    /// A refused bundle's events stay.
    KeepsVoids = "keeps-voids", Part::Store(Storing::KeepsVoids), Hostile;
    /// A view that is rebuilt is folded on top of its old rows.
    RebuildsOnTop = "rebuilds-on-top", Part::Store(Storing::KeepsCleared), Hostile;
    /// A status is older than the last commit.
    StaleStatus = "stale-status", Part::Store(Storing::StaleStatus), Calm;
    /// Of several runs only the first is stored.
    StoresTheFirst = "stores-the-first", Part::Store(Storing::StoresTheFirst), Flaky;
    /// A commit answers a position that is not its own.
    MiscountsPositions = "miscounts-positions", Part::Store(Storing::MiscountsPositions), Calm;
    /// Runs of one commit are stored in another order.
    ReordersRuns = "reorders-runs", Part::Store(Storing::Reorders), Flaky;
    /// The last event to arrive wins.
    ArrivalWins = "arrival-wins", Part::Projection(Folding::ArrivalWins), Flaky;
    /// A projection reads a clock.
    ReadsClock = "reads-clock", Part::Projection(Folding::ReadsClock), Calm;
    /// A projection's rows are hash maps.
    HashOrder = "hash-order", Part::Projection(Folding::HashOrder), Calm;
    /// A projection panics.
    Panics = "panics", Part::Projection(Folding::Panics), Calm;
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|plant| plant.name() == name);
        found.copied().ok_or_else(|| format!("no fault is planted under the name `{name}`"))
    }
}

impl Plant {
    /// A lab of one seed with this fault built in.
    pub fn lab(self) -> Lab {
        let mut lab = lab(0..1).profile(self.profile());
        match self.part() {
            Part::Projection(flaw) => lab = lab.projection(Wrong(flaw)).writes(projections::writes),
            Part::Store(flaw) => lab = lab.stores(move || BadStores::new(flaw)),
            Part::Way(flaw) => lab = lab.ways(move |inner| Arc::new(BadWay::new(flaw, inner))),
            Part::NoBound => lab.stack.unbounded = true,
            Part::NoResponse => lab.stack.careless = true,
        }
        lab
    }

    /// The history of this seed in which it is looked for.
    pub fn case(self, seed: u64) -> Case {
        Case::new(self.profile(), seed, 200)
    }

    /// Looks for it in histories of its profile, seed after seed from `first` on. Returns how many it took, and what was found.
    pub fn sought(self, first: u64, seeds_max: u64) -> Option<(u64, Finding)> {
        let lab = self.lab();
        (0..seeds_max).find_map(|number| {
            let outcome = lab.outcome(&self.case(first + number), false);
            outcome.finding.map(|finding| (number + 1, finding))
        })
    }
}
