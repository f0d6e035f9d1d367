//! What passes on a link, in plain words.

use std::fmt;
use std::time::SystemTime;

use syncline::TransportError;
use syncline::format::run::Run;
use syncline::protocol::{Answer, Have, Notice, Pulled, Reply, Request, Tail};

/// One message of a device to the server with what came back, or one notice of the server.
#[derive(Debug, Clone)]
pub struct Message {
    /// When it began, by the machine's clock.
    pub at: SystemTime,
    /// What it is.
    pub what: What,
    /// What came back.
    pub came: Came,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Which versions and limits the server has.
    Hello,
    /// How far the server's log reaches.
    Heads,
    /// What the device lacks. By heads, or else by its cursor in the server's log.
    Pull {
        /// Whether it names what the device has, origin by origin.
        by_heads: bool,
    },
    /// What the server lacks.
    Push(Load),
    /// A snapshot of the server, or a piece of it.
    Snapshot,
    /// A piece of a snapshot for the server.
    Supply,
    /// The device follows the server's log from now on.
    Watch,
    /// The server tells that its log has moved: so many bundles are in it.
    Notice {
        /// Bundles in the server's log.
        head: u64,
    },
}

/// Bundles that a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many bundles.
    pub bundles: u64,
    /// How many bytes they take, as they are packed.
    pub bytes: usize,
}

impl Load {
    fn of(runs: &[Run]) -> Self {
        let bundles = runs.iter().map(Run::count).sum();
        Self { bundles, bytes: runs.iter().map(|run| run.as_bytes().len()).sum() }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// It is on its way.
    Nothing,
    /// An answer.
    Answer,
    /// A page of bundles, and how many more there are.
    Bundles {
        /// What came.
        load: Load,
        /// Bundles that are still to be asked for, at most.
        left: u64,
    },
    /// How far the server's log reaches: so many bundles.
    Log {
        /// Bundles in the server's log.
        head: u64,
    },
    /// All bundles were taken but those that were refused, with the first reason.
    Taken {
        /// How many were refused.
        refused: usize,
        /// Why the first of them was.
        why: Option<String>,
    },
    /// The server's no.
    Refused(String),
    /// Nobody has answered.
    Lost(String),
    /// The device does not wait for it any more.
    GivenUp,
}

impl What {
    pub(crate) fn of(request: &Request) -> Self {
        match request {
            Request::Hello => Self::Hello,
            Request::Heads(_) | Request::HeadsAfter(..) | Request::Compare(..) => Self::Heads,
            Request::Pull(_, pull) => Self::Pull { by_heads: matches!(pull.have, Have::Heads(_)) },
            Request::Push(_, _, push) => Self::Push(Load::of(&push.runs)),
            Request::Snapshot(..) => Self::Snapshot,
            Request::Supply(..) => Self::Supply,
        }
    }

    pub(crate) fn told(notice: &Notice) -> Self {
        Self::Notice { head: notice.head.position.get() }
    }

    /// Whether it goes from the device to the server.
    pub fn is_up(&self) -> bool {
        !matches!(self, Self::Notice { .. })
    }
}

impl Came {
    pub(crate) fn of(answer: &Answer) -> Self {
        match &answer.reply {
            Reply::Hello(_) | Reply::Snapshots(_) | Reply::Piece(_) | Reply::Wanted(_) => Self::Answer,
            Reply::Heads(heads) => Self::Log { head: heads.head.position.get() },
            Reply::Compare(told) => Self::Log { head: told.head.position.get() },
            Reply::Pull(Pulled { runs, next, head, .. }) | Reply::Tail(Tail { runs, next, head, .. }) => {
                Self::Bundles { load: Load::of(runs), left: head.since(next.position) }
            }
            Reply::Push(pushed) => Self::Taken {
                refused: pushed.refused.len(),
                why: pushed.refused.first().map(|refused| refused.refusal.message.clone()),
            },
        }
    }

    pub(crate) fn failed(error: &TransportError) -> Self {
        match error {
            TransportError::Refused(problem) => Self::Refused(problem.to_string()),
            error => Self::Lost(innermost(error)),
        }
    }

    /// Whether the message went as it should.
    pub fn is_well(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Lost(_) | Self::Taken { refused: 1.., .. })
    }
}

/// What lies at the bottom of an error.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bundles {
            0 => f.write_str("nothing new"),
            1 => write!(f, "1 bundle, {} bytes", self.bytes),
            bundles => write!(f, "{bundles} bundles, {} bytes", self.bytes),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello => f.write_str("hello"),
            Self::Heads => f.write_str("heads"),
            Self::Pull { by_heads: true } => f.write_str("pull by heads"),
            Self::Pull { by_heads: false } => f.write_str("pull"),
            Self::Push(load) => write!(f, "push {load}"),
            Self::Snapshot => f.write_str("ask for a snapshot"),
            Self::Supply => f.write_str("hand over a snapshot"),
            Self::Watch => f.write_str("watch"),
            Self::Notice { head } => write!(f, "notice: the log has {head} bundles"),
        }
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("on its way"),
            Self::Answer => f.write_str("answered"),
            Self::Bundles { load, left: 0 } => write!(f, "{load}"),
            Self::Bundles { load, left } => write!(f, "{load}; {left} more to ask for"),
            Self::Log { head } => write!(f, "the log has {head} bundles"),
            Self::Taken { refused: 0, .. } => f.write_str("stored"),
            Self::Taken { refused, why } => {
                write!(f, "{refused} refused")?;
                why.iter().try_for_each(|why| write!(f, ": {why}"))
            }
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Lost(why) => write!(f, "lost: {why}"),
            Self::GivenUp => f.write_str("given up"),
        }
    }
}
