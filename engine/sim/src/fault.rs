//! What can go wrong, by name, and how often it really did.

use std::fmt;

/// Gives the faults their names, once.
macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident = $name:literal,)+) => {
        /// One kind of trouble. Counted where it takes effect, not where it is planned.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* $fault,)+
        }

        impl Fault {
            /// Every fault, in the order of a report.
            pub const ALL: &[Self] = &[$(Self::$fault,)+];

            /// Its name, as reports and the command line spell it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }
        }
    };
}

faults! {
    /// A request or an answer took longer than those after it.
    Reordered = "reordered",
    /// A request did not arrive.
    RequestLost = "request-lost",
    /// A request arrived, its answer did not.
    AnswerLost = "answer-lost",
    /// A request arrived twice, the second time much later.
    Duplicated = "duplicated",
    /// A connection was cut: calls under way and watches ended.
    Cut = "cut",
    /// A request or an answer met a partition.
    Partitioned = "partitioned",
    /// Somebody on the way answered in a server's place.
    Foreign = "foreign",
    /// A message was too large for somebody on the way.
    TooLarge = "too-large",
    /// A watch was open, and its notices were held back.
    HeldBack = "held-back",
    /// A process died and started again.
    Crashed = "crashed",
    /// A process died while a commit was under way.
    CrashedInCommit = "crashed-in-commit",
    /// A process died again while it was recovering.
    CrashedInRecovery = "crashed-in-recovery",
    /// The power went.
    PowerCut = "power-cut",
    /// The power went, and commits that had returned were gone.
    SuffixLost = "suffix-lost",
    /// A running write or sync was dropped.
    Cancelled = "cancelled",
    /// A read or a commit failed and had no effect.
    IoFailed = "io-failed",
    /// A commit failed and had its effect all the same.
    OutcomeUnknown = "outcome-unknown",
    /// A commit met a full disk.
    DiskFull = "disk-full",
    /// A clock was set to another time.
    ClockJumped = "clock-jumped",
    /// A clock that was wrong became right again.
    ClockSetRight = "clock-set-right",
    /// A clock stood still.
    ClockFroze = "clock-froze",
    /// A clock ran fast or slow.
    ClockDrifted = "clock-drifted",
    /// A device went back to a backup.
    DeviceRestored = "device-restored",
    /// A device's data was copied to another device, and both continued.
    DeviceCloned = "device-cloned",
    /// A server went back to a backup, as a new log.
    ServerRestored = "server-restored",
    /// A server went back to a backup and kept the identity of its log.
    ServerRewound = "server-rewound",
    /// A server's log came back without the claims of its origins, as from a file of an earlier version.
    ClaimsLost = "claims-lost",
    /// A device left for ever.
    Left = "left",
    /// A bundle was refused.
    Refused = "refused",
    /// A bundle from too far in the future was refused or held.
    TooFarAhead = "too-far-ahead",
    /// A device gave its tail new times. (What the engine does about a clock, not a fault.)
    Restamped = "restamped",
    /// A device took a new identity. (What the engine does about a fork, not a fault.)
    Rehomed = "rehomed",
    /// A device moved what it may have sent under a new identity, with new times. (What the engine does about a clock, not a fault.)
    Moved = "moved",
    /// A log whose kinds were not all known was folded again by a version that knows them.
    UnknownKind = "unknown-kind",
    /// A device was upgraded to a version with more views.
    Upgraded = "upgraded",
    /// A device was opened with a view whose history was trimmed. (What an upgrade may lead to, not a fault.)
    WithoutHistory = "without-history",
    /// A user's grant was taken away while a device had something to exchange.
    Revoked = "revoked",
    /// A view was rebuilt.
    Rebuilt = "rebuilt",
    /// An archive did not answer.
    ArchiveFailed = "archive-failed",
    /// A log was trimmed.
    Trimmed = "trimmed",
    /// A server's log was folded into a snapshot.
    SnapshotMade = "snapshot-made",
    /// A device made a snapshot, and its peer took it.
    SnapshotUploaded = "snapshot-uploaded",
    /// A device began its log anew with a snapshot.
    SnapshotTaken = "snapshot-taken",
    /// A process died while it took a snapshot.
    SnapshotInterrupted = "snapshot-interrupted",
    /// A new device joined.
    Joined = "joined",
    /// A forged push was sent.
    Forged = "forged",
    /// An own write was refused, since it would have let a row grow beyond its limit.
    RowTooLarge = "row-too-large",
    /// What others had written let a row grow beyond the limit of own writes.
    RowOutgrown = "row-outgrown",
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each fault took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally([u32; Fault::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Fault::ALL.len()])
    }
}

impl Tally {
    /// Counts one.
    pub fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often it took effect.
    pub fn get(&self, fault: Fault) -> u32 {
        self.0[fault as usize]
    }

    /// Every fault with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u32)> + '_ {
        Fault::ALL.iter().map(|fault| (*fault, self.get(*fault)))
    }
}
