//! What a piece of work needs of its connection.

/// What a piece of work needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Each statement stands for itself.
    Statements,
    /// All of it is done, or nothing.
    Transaction,
    /// It only reads, and all of it from one moment.
    Moment,
}

impl Work {
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::Statements | Self::Transaction => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::Moment => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }

    pub(crate) fn isolation(self) -> &'static str {
        match self {
            Self::Statements | Self::Transaction => "read committed",
            Self::Moment => "repeatable read",
        }
    }
}
