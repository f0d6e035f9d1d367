//! What can be wrong with a store.

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A page that reaches the head leaves its last run out now and then, and says that it was the end.
    HidesTheLast,
    /// Positions are compared as text.
    PositionsAsText,
    /// Old bundles are thrown away, and a read from before them starts behind.
    Compacts,
    /// A refused commit leaves its time behind.
    KeepsRefusedTimes,
    /// After a restart the clock starts at zero.
    ForgetsTheClock,
    /// Times are signed: after 2038 none is larger than the last.
    SignedTimes,
    /// A read returns a run twice.
    ReadsTwice,
    /// After a crash in which a commit was lost no commit succeeds any more.
    StuckAfterCrash,
    /// The last commit is gone when the power goes, although it was called synced.
    AcknowledgesEarly,
    /// A crash leaves the runs of the last commit and not its rows.
    TearsCommits,
    /// Each crash that follows another undoes one commit more.
    RecoversTwice,
    /// A crash flips a bit of a body.
    RotsBits,
    /// A commit that fails has stored half of itself.
    FailsHalfWay,
    /// The revision that a batch was computed from is not looked at.
    IgnoresConflicts,
    /// A bundle that is made void stays.
    KeepsVoids,
    /// A view that is cleared stays.
    KeepsCleared,
    /// The status is that of the last commit but one.
    StaleStatus,
    /// Only the first of several runs in a batch is stored.
    StoresTheFirst,
    /// The answer to a commit counts one position too few.
    MiscountsPositions,
    /// Two commits that come together are stored the other way round.
    Reorders,
    /// A run that a log has already is appended once more.
    TakesTwice,
    /// A number that a failed commit has used is not used again.
    SequenceGaps,
    /// After a crash the chain hashes start again.
    ForgetsChains,
    /// A run that is cut for a small page keeps the check of the whole.
    RecutsKeepChecks,
    /// Times are kept in milliseconds.
    RoundsTimes,
    /// The places of one origin's runs are counted from zero.
    MisplacesOrigins,
    /// A scan ends with its first page.
    ScansOnePage,
    /// A scan goes from the last key to the first.
    ScansBackwards,
    /// Rows of views that nobody has declared are thrown away.
    LosesLetters,
    /// Notes of the events that were put aside are thrown away.
    LosesNotes,
    /// The readings of the clock for written bundles are thrown away.
    LosesReadings,
    /// The contacts with peers' clocks are thrown away.
    LosesContacts,
    /// Many rows at once are more than it can take.
    PanicsAtLoads,
    /// Only the first piece of a row in several pieces is stored.
    StoresTheFirstPiece,
    /// The rows as they were at the checkpoint are thrown away.
    LosesPreImages,
    /// Those of an earlier checkpoint stay.
    KeepsPreImages,
    /// A checkpoint is stored one bundle too early.
    CheckpointsTooEarly,
    /// A trim takes all bundles along, also those that are pending.
    TrimsPending,
    /// A trim takes the rows as they were at the checkpoint along.
    TrimsPreImages,
    /// Rows as they were at the checkpoint cannot be listed.
    HidesPreImages,
    /// A log that is replaced keeps no bundle beside the new beginning.
    DropsBeside,
    /// The rows of a log that is replaced stay.
    KeepsOldRows,
    /// A log that is replaced forgets one of the heads with which it begins.
    BeginsShort,
    /// The last rows of a snapshot that is taken are not written.
    LosesLastRows,
    /// Chunks of snapshots are never deleted.
    KeepsChunks,
    /// After a crash nobody knows that a snapshot is being taken, and its views count as folded.
    TakesHalf,
    /// A piece of a row that is deleted stays.
    KeepsPieces,
    /// All devices' stores are one: their names are not looked at.
    SharesStores,
    /// The mark of what may have been sent stays where it was at first.
    MarksStand,
    /// A mark is stored with the commit after its own.
    MarksLate,
    /// A mark is stored one bundle short.
    MarksShort,
    /// After a restart the mark begins again.
    MarksAnew,
    /// The mark goes down to what a peer has acknowledged.
    MarksLowered,
    /// A process that has crashed still holds its lock.
    KeepsItsLock,
    /// After a crash the log has another identity.
    ChangesIdentity,
}
