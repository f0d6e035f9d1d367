//! The lab's own test: known faults, built in on purpose, each of which it must find.
//!
//! At least one for every class of incident that sync engines have had: the lab is only as good as what it catches.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::case::Case;
use crate::finding::Finding;
use crate::lab::{Lab, lab};
use crate::profile::Profile;
use crate::stack::{Misuse, ViewUnderTest};
use crate::summary::Summary;
use crate::workload::Cells;

mod bad_store;
mod flaw;
mod projections;
mod snapshot_ways;
mod table;
mod ways;

use bad_store::BadStores;
use flaw::Flaw as Storing;
use projections::{FirstEvents, Flaw as Folding, Wrong};
use snapshot_ways::{Flaw as Folded, SnapshotWay};
pub use table::{Sought, seek_all, table};
use ways::{BadWay, Flaw as Carrying};

/// How many histories are given to each planted fault: one that takes more counts as not found.
pub const SEEDS_MAX: u64 = 1_000;

/// Where a fault is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Projection(Folding),
    /// The lab's own projection, wrong.
    FirstEvents,
    Store(Storing),
    /// In a store, under a projection that puts events aside.
    StoreOfOld(Storing),
    /// The new version of a program has the view of the old one.
    Upgrade,
    Way(Carrying),
    /// What a peer says of its snapshots, or a device of those that it hands in.
    Snapshots(Folded),
    Use(Misuse),
}

/// A class of incidents that sync engines have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class {
    /// Its number in the catalogue of faults, `F1` and so on; empty for what no catalogue lists.
    pub number: &'static str,
    /// What happened.
    pub title: &'static str,
}

/// Gives each planted fault its name, its class of incident, what it is and where it is looked for, once.
macro_rules! plants {
    ($(#[doc = $doc:literal] $plant:ident = $name:literal, $number:literal, $title:literal, $part:expr, $profile:ident;)+) => {
        /// A fault built in on purpose.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Plant {
            $(#[doc = $doc] $plant,)+
        }

        impl Plant {
            /// Every planted fault, by class.
            pub const ALL: &[Self] = &[$(Self::$plant,)+];

            /// Its name, as tables and the command line spell it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$plant => $name,)+
                }
            }

            /// What it does.
            pub fn summary(self) -> &'static str {
                match self {
                    $(Self::$plant => $doc.trim_ascii(),)+
                }
            }

            /// The class of incidents that it stands for.
            pub fn class(self) -> Class {
                match self {
                    $(Self::$plant => Class { number: $number, title: $title },)+
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
    /// A reader passes a position whose bundle shows up later.
    ReaderPassesPositions = "reader-passes-positions", "F1", "positions out of commit order", Part::Store(Storing::HidesTheLast), Calm;
    /// A gap inside a page is not noticed, and the cursor continues behind it.
    GapInPage = "gap-in-page", "F2", "a cursor past what was not applied", Part::Way(Carrying::SkipsPulled), Calm;
    /// Positions are compared as text.
    PositionsAsText = "positions-as-text", "F3", "positions as text", Part::Store(Storing::PositionsAsText), Calm;
    /// A log went back to a backup, and an old cursor into it is served as if nothing had happened.
    CursorOfAnotherLog = "cursor-of-another-log", "F4", "numbers used again, or used up", Part::Way(Carrying::NoDigest), Restore;
    /// A number that a failed commit has used is not used again, as with the sequences of a database.
    SequenceGaps = "sequence-gaps", "F4", "numbers used again, or used up", Part::Store(Storing::SequenceGaps), Hostile;
    /// A reader asks for everything after the latest time that it knows.
    LatestTimeOnly = "latest-time-only", "F5", "latest time instead of what is known", Part::Way(Carrying::LatestTimeOnly), Calm;
    /// Compaction removes what a reader still needs, without an error.
    CompactsUnderReaders = "compacts-under-readers", "F6", "compaction under a reader", Part::Store(Storing::Compacts), Calm;
    /// A clock far ahead is believed.
    NoClockBound = "no-clock-bound", "F7", "a clock far ahead", Part::Use(Misuse::NoBound), Clock;
    /// A refused commit still moves the clock.
    RefusedCommitMovesClock = "refused-commit-moves-clock", "F8", "a refused commit moves the clock", Part::Store(Storing::KeepsRefusedTimes), Hostile;
    /// An honest device with a fast clock is refused, and learns neither the reason nor the right time.
    ClockRefusedMute = "clock-refused-mute", "F9", "an honest clock locked out", Part::Way(Carrying::RefusesClocksMute), Clock;
    /// A clock is corrected, and no report says so.
    HidesCorrections = "hides-corrections", "F9", "an honest clock locked out", Part::Use(Misuse::HidesCorrections), Times;
    /// A server does not say how late its last bundles are, and devices believe its wrong clock.
    HidesTimes = "hides-times", "F7", "a clock far ahead", Part::Way(Carrying::HidesTimes), Times;
    /// A device forgets what its clock showed before it jumped, and bundles get the time of the next sync.
    LosesReadings = "loses-readings", "F10", "a clock goes back", Part::Store(Storing::LosesReadings), Times;
    /// After a restart a device forgets that its peer has just agreed with its clock.
    LosesContacts = "loses-contacts", "F10", "a clock goes back", Part::Store(Storing::LosesContacts), Times;
    /// After a restart the clock starts from the beginning.
    ClockForgetsAtRestart = "clock-forgets-at-restart", "F10", "a clock goes back", Part::Store(Storing::ForgetsTheClock), Crash;
    /// If two times are equal, each replica keeps what arrived last.
    TiesByArrival = "ties-by-arrival", "F11", "ties", Part::Projection(Folding::TiesByArrival), Clock;
    /// Times are rounded to milliseconds, so several bundles share one time.
    RoundsTimes = "rounds-times", "F12", "the counter of a time", Part::Store(Storing::RoundsTimes), Crash;
    /// Times are kept as signed numbers: from 2038 on they are negative.
    SignedTimes = "signed-times", "F13", "unsigned times in signed columns", Part::Store(Storing::SignedTimes), Clock;
    /// A cloned or restored device is accepted with another history.
    AcceptsForks = "accepts-forks", "F14", "a cloned or restored device", Part::Way(Carrying::AcceptsForks), Restore;
    /// A forked device is left as it is.
    LeavesForks = "leaves-forks", "F14", "a cloned or restored device", Part::Use(Misuse::LeavesForks), Restore;
    /// A forked device starts with an empty log, and what only it had is lost.
    ForgetsPending = "forgets-pending", "F14", "a cloned or restored device", Part::Use(Misuse::ForgetsPending), Restore;
    /// One device opens the local store of another.
    SharesStores = "shares-stores", "F15", "another's local store", Part::Store(Storing::SharesStores), Calm;
    /// The mark of what may have been sent is not stored.
    MarksStand = "marks-stand", "F16", "a lost answer, and duplicates", Part::Store(Storing::MarksStand), Doubt;
    /// The mark of what may have been sent is stored after sending.
    MarksLate = "marks-late", "F16", "a lost answer, and duplicates", Part::Store(Storing::MarksLate), Doubt;
    /// The mark of what may have been sent leaves out the last bundle of a push.
    MarksShort = "marks-short", "F16", "a lost answer, and duplicates", Part::Store(Storing::MarksShort), Doubt;
    /// After a restart nothing counts as sent.
    MarksAnew = "marks-anew", "F16", "a lost answer, and duplicates", Part::Store(Storing::MarksAnew), Doubt;
    /// A push without an answer counts as not sent.
    MarksLowered = "marks-lowered", "F16", "a lost answer, and duplicates", Part::Store(Storing::MarksLowered), Doubt;
    /// A push that is repeated is stored again.
    TakesTwice = "takes-twice", "F16", "a lost answer, and duplicates", Part::Store(Storing::TakesTwice), Flaky;
    /// A repeated read returns a bundle twice.
    ReadsTwice = "reads-twice", "F16", "a lost answer, and duplicates", Part::Store(Storing::ReadsTwice), Calm;
    /// A device that starts with an empty log writes again what others already have of it.
    WritesAllAgain = "writes-all-again", "F16", "a lost answer, and duplicates", Part::Use(Misuse::WritesAllAgain), Restore;
    /// A gap inside a push is not noticed.
    GapInPush = "gap-in-push", "F17", "a gap inside a push", Part::Way(Carrying::DropsTheFirst), Restore;
    /// Only the first of several runs is stored.
    StoresTheFirst = "stores-the-first", "F17", "a gap inside a push", Part::Store(Storing::StoresTheFirst), Flaky;
    /// Runs of one commit are stored in another order.
    ReordersRuns = "reorders-runs", "F17", "a gap inside a push", Part::Store(Storing::Reorders), Flaky;
    /// A push that was lost counts as delivered.
    LostPushCounts = "lost-push-counts", "F18", "dropped on a passing error", Part::Way(Carrying::AcknowledgesLost), Flaky;
    /// After a crash every commit fails.
    StuckAfterCrash = "stuck-after-crash", "F19", "stuck", Part::Store(Storing::StuckAfterCrash), Crash;
    /// Notices are lost, and a device waits for one for ever.
    LosesNotices = "loses-notices", "F19", "stuck", Part::Way(Carrying::LosesNotices), Live;
    /// An answer of a proxy on the way counts as an answer of the peer.
    BelievesAnybody = "believes-anybody", "F19", "stuck", Part::Way(Carrying::BelievesAnybody), Proxied;
    /// A message that is too large for a proxy looks like a peer that is away.
    HidesSizes = "hides-sizes", "F19", "stuck", Part::Way(Carrying::HidesSizes), Proxied;
    /// A live sync does not retry what it left out.
    ForgetsLeftOut = "forgets-left-out", "F18", "dropped on a passing error", Part::Use(Misuse::ForgetsLeftOut), Proxied;
    /// A live sync relies on notices alone and never polls.
    NeverPolls = "never-polls", "F19", "stuck", Part::Use(Misuse::NeverPolls), Proxied;
    /// A refused bundle blocks all bundles behind it.
    RefusalHoldsUp = "refusal-holds-up", "F20", "a refused event", Part::Way(Carrying::RefusesAll), Hostile;
    /// A refused bundle is lost, and its writer is not told.
    LosesLetters = "loses-letters", "F20", "a refused event", Part::Store(Storing::LosesLetters), Hostile;
    /// The events of a refused bundle are kept.
    KeepsVoids = "keeps-voids", "F20", "a refused event", Part::Store(Storing::KeepsVoids), Hostile;
    /// One server accepts what another refuses.
    TwoPolicies = "two-policies", "F20", "a refused event", Part::Use(Misuse::TwoPolicies), Twins;
    /// A delete leaves nothing behind, and an older write brings the thing back.
    ResurrectsDeleted = "resurrects-deleted", "F21", "a deleted thing comes back", Part::Projection(Folding::ForgetsDeletes), Flaky;
    /// A commit is reported as synced, and a power cut loses it.
    AcknowledgesEarly = "acknowledges-early", "F22", "acknowledged before it is durable", Part::Store(Storing::AcknowledgesEarly), Crash;
    /// A crash keeps the bundles of a commit but not its rows.
    TearsCommits = "tears-commits", "F23", "half a commit", Part::Store(Storing::TearsCommits), Crash;
    /// A failed commit has stored half of itself.
    FailsHalfWay = "fails-half-way", "F23", "half a commit", Part::Store(Storing::FailsHalfWay), Calm;
    /// A view that is rebuilt is folded on top of its old rows.
    RebuildsOnTop = "rebuilds-on-top", "F23", "half a commit", Part::Store(Storing::KeepsCleared), Hostile;
    /// Recovering twice undoes more than recovering once.
    RecoversTwice = "recovers-twice", "F24", "a crash during recovery", Part::Store(Storing::RecoversTwice), Crash;
    /// Stored bytes change.
    RotsBits = "rots-bits", "F25", "damaged data", Part::Store(Storing::RotsBits), Crash;
    /// After a crash the chain hashes start from zero.
    ForgetsChains = "forgets-chains", "F25", "damaged data", Part::Store(Storing::ForgetsChains), Crash;
    /// If a run is cut for a small page, the part keeps the check of the whole run.
    RecutsKeepChecks = "recuts-keep-checks", "F25", "damaged data", Part::Store(Storing::RecutsKeepChecks), Calm;
    /// Bytes change on the way.
    ChangesBodies = "changes-bodies", "F25", "damaged data", Part::Way(Carrying::ChangesBodies), Calm;
    /// The places of one device's bundles are counted from zero.
    MisplacesOrigins = "misplaces-origins", "F25", "damaged data", Part::Store(Storing::MisplacesOrigins), Clock;
    /// A store has another log identity after it is opened again.
    ChangesIdentity = "changes-identity", "", "a store's small print", Part::Store(Storing::ChangesIdentity), Crash;
    /// Two handles on one store do not notice each other.
    IgnoresConflicts = "ignores-conflicts", "F30", "two programs on one store", Part::Store(Storing::IgnoresConflicts), Hostile;
    /// A process has crashed, and its store says that it is still in use.
    KeepsItsLock = "keeps-its-lock", "F30", "two programs on one store", Part::Store(Storing::KeepsItsLock), Crash;
    /// A status is older than the last commit.
    StaleStatus = "stale-status", "F30", "two programs on one store", Part::Store(Storing::StaleStatus), Calm;
    /// A commit answers a position that is not its own.
    MiscountsPositions = "miscounts-positions", "", "a store's small print", Part::Store(Storing::MiscountsPositions), Calm;
    /// A scan ends with its first page.
    ScansOnePage = "scans-one-page", "", "a store's small print", Part::Store(Storing::ScansOnePage), Calm;
    /// A scan goes from the last key to the first.
    ScansBackwards = "scans-backwards", "", "a store's small print", Part::Store(Storing::ScansBackwards), Calm;
    /// A store panics if it is asked for more rows than it expected.
    PanicsAtLoads = "panics-at-loads", "", "a store's small print", Part::Store(Storing::PanicsAtLoads), Calm;
    /// A device that brings bundles of others becomes their owner.
    SupplyingOwns = "supplying-owns", "", "accounts after a restore", Part::Way(Carrying::OwnsSupplied), Owned;
    /// Accounts mix up the owners of origins, and a device may no longer write.
    MixesOwners = "mixes-owners", "", "accounts after a restore", Part::Use(Misuse::MixesOwners), Owned;
    /// A peer hands out a bundle that nobody has written.
    Invents = "invents", "", "a peer that lies", Part::Way(Carrying::Invents), Calm;
    /// The last event to arrive wins.
    ArrivalWins = "arrival-wins", "", "a projection's mistakes", Part::Projection(Folding::ArrivalWins), Flaky;
    /// A projection reads a clock.
    ReadsClock = "reads-clock", "", "a projection's mistakes", Part::Projection(Folding::ReadsClock), Calm;
    /// A projection's rows are hash maps.
    HashOrder = "hash-order", "", "a projection's mistakes", Part::Projection(Folding::HashOrder), Calm;
    /// A projection panics.
    Panics = "panics", "", "a projection's mistakes", Part::Projection(Folding::Panics), Calm;
    /// A full row keeps what came first.
    FirstComeStays = "first-come-stays", "", "limits that decide by order of arrival", Part::Projection(Folding::FirstComeStays), Large;
    /// Only the first piece of a row in several pieces is stored.
    StoresTheFirstPiece = "stores-the-first-piece", "", "limits that decide by order of arrival", Part::Store(Storing::StoresTheFirstPiece), Large;
    /// A piece that a row no longer needs is kept.
    KeepsPieces = "keeps-pieces", "", "limits that decide by order of arrival", Part::Store(Storing::KeepsPieces), Large;
    /// A row as it was at the checkpoint is forgotten when it changes.
    LosesPreImages = "loses-pre-images", "", "a log that stays small", Part::Store(Storing::LosesPreImages), Hostile;
    /// A checkpoint moves, and rows as they were at the one before are taken for those of the new one.
    KeepsPreImages = "keeps-pre-images", "", "a log that stays small", Part::Store(Storing::KeepsPreImages), Hostile;
    /// A checkpoint is off by one bundle.
    CheckpointsTooEarly = "checkpoints-too-early", "", "a log that stays small", Part::Store(Storing::CheckpointsTooEarly), Hostile;
    /// A trim deletes bundles that are still pending.
    TrimsPending = "trims-pending", "", "a log that stays small", Part::Store(Storing::TrimsPending), Hostile;
    /// A trim deletes the rows as they were at the checkpoint.
    TrimsPreImages = "trims-pre-images", "", "a log that stays small", Part::Store(Storing::TrimsPreImages), Hostile;
    /// Rows of a snapshot are read as they are, and not as they were at its heads.
    NewerRows = "newer-rows", "", "a log that stays small", Part::Store(Storing::HidesPreImages), Folded;
    /// A snapshot takes the place of a log, and bundles that it does not cover are lost.
    DropsBeside = "drops-beside", "", "a log that stays small", Part::Store(Storing::DropsBeside), Folded;
    /// A snapshot takes the place of a log, and the rows of the old log stay beside its own.
    KeepsOldRows = "keeps-old-rows", "", "a log that stays small", Part::Store(Storing::KeepsOldRows), Folded;
    /// A log that begins with a snapshot forgets one of its origins.
    BeginsShort = "begins-short", "", "a log that stays small", Part::Store(Storing::BeginsShort), Folded;
    /// The last rows of a snapshot are not written.
    LosesLastRows = "loses-last-rows", "", "a log that stays small", Part::Store(Storing::LosesLastRows), Folded;
    /// The chunks of a snapshot that was taken stay.
    KeepsChunks = "keeps-chunks", "", "a log that stays small", Part::Store(Storing::KeepsChunks), Folded;
    /// After a crash the rows of a snapshot that were written so far are taken for all of them.
    TakesHalf = "takes-half", "", "a log that stays small", Part::Store(Storing::TakesHalf), Folded;
    /// A peer says that its snapshot covers one bundle more than it does.
    CoversTooFar = "covers-too-far", "", "a log that stays small", Part::Snapshots(Folded::CoversTooFar), Folded;
    /// A peer hands out an older snapshot in place of the one that it has named.
    StaleSnapshot = "stale-snapshot", "", "a log that stays small", Part::Snapshots(Folded::Stale), Folded;
    /// The heads of a snapshot leave out an origin whose bundles are in its rows.
    HeadsTooShort = "heads-too-short", "", "a log that stays small", Part::Snapshots(Folded::HeadsTooShort), Folded;
    /// The heads of a snapshot name a bundle that nobody has written.
    HeadsTooFar = "heads-too-far", "", "a log that stays small", Part::Snapshots(Folded::HeadsTooFar), Folded;
    /// A snapshot has the right heads and no rows.
    LacksRows = "lacks-rows", "", "a log that stays small", Part::Snapshots(Folded::LacksRows), Folded;
    /// A device hands in a snapshot that has the right heads and no rows.
    HandsInNothing = "hands-in-nothing", "", "a log that stays small", Part::Snapshots(Folded::HandsInNothing), Folded;
    /// An archive acknowledges what it is given, and keeps nothing of it.
    ArchivesNothing = "archives-nothing", "", "a log that stays small", Part::Use(Misuse::ArchivesNothing), Folded;
    /// An archive keeps half of what it is given.
    ArchivesHalf = "archives-half", "", "a log that stays small", Part::Use(Misuse::ArchivesHalf), Folded;
    /// After a restart a server trims without its archive.
    TrimsUnarchived = "trims-unarchived", "", "a log that stays small", Part::Use(Misuse::TrimsUnarchived), Folded;
    /// An event is put aside if what it builds on has not arrived.
    AsideByArrival = "aside-by-arrival", "", "a projection's mistakes", Part::Projection(Folding::AsideByArrival), Flaky;
    /// What an old version has put aside is forgotten, and not counted.
    LosesNotes = "loses-notes", "", "events that are put aside", Part::StoreOfOld(Storing::LosesNotes), Calm;
    /// A new version that reads more keeps the view of the old one: what the old one has put aside is never folded.
    UpgradesInPlace = "upgrades-in-place", "", "events that are put aside", Part::Upgrade, Calm;
    /// A counter skips events that are older than its last one, as if devices took turns to write.
    SkipsLate = "skips-late", "", "a projection's mistakes", Part::Projection(Folding::SkipsLate), Flaky;
    /// The last event to arrive wins, but no two devices ever write to one row.
    NeverMeets = "never-meets", "", "a test that tests nothing", Part::Projection(Folding::NeverMeets), Calm;
    /// Only the first event of every bundle is folded, on every device.
    FirstEvents = "first-events", "", "a projection's mistakes", Part::FirstEvents, Calm;
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
            Part::Projection(flaw) => lab = lab.projection(Wrong(flaw)).writes(projections::writes(flaw)),
            Part::Store(flaw) => lab = lab.stores(move || BadStores::new(flaw)),
            Part::StoreOfOld(flaw) => {
                lab = lab.projection(Wrong(Folding::OldVersion));
                lab = lab.writes(projections::writes(Folding::OldVersion));
                lab = lab.stores(move || BadStores::new(flaw));
            }
            Part::Upgrade => {
                lab = lab.projection(Wrong(Folding::OldVersion)).newer_projection(Wrong(Folding::NewVersion));
                lab = lab.writes(projections::writes(Folding::NewVersion));
            }
            Part::Snapshots(flaw) => lab = lab.ways(move |inner| Arc::new(SnapshotWay::new(flaw, inner))),
            Part::Way(flaw) => lab = lab.ways(move |inner| Arc::new(BadWay::new(flaw, inner))),
            Part::FirstEvents => lab.stack.views[0] = ViewUnderTest::new(FirstEvents(Cells::of_set()), false),
            Part::Use(misuse) => lab.stack.misuse = Some(misuse),
        }
        lab
    }

    /// The history of this seed in which it is looked for.
    pub fn case(self, seed: u64) -> Case {
        Case::new(self.profile(), seed, 200)
    }

    /// Looks for it in histories of its profile, seed after seed from `first` on. Returns how many it took, and what was found.
    pub fn sought(self, first: u64, seeds_max: u64) -> Option<(u64, Finding)> {
        let (lab, mut summary) = (self.lab(), Summary::default());
        (0..seeds_max).find_map(|number| {
            let outcome = lab.outcome(&self.case(first + number), false);
            summary.add(&outcome);
            outcome.finding.or_else(|| lab.untested(&summary)).map(|finding| (number + 1, finding))
        })
    }
}
