//! What can be wrong with a log.

use syncline::format::ChainHash;
use syncline::format::wire::DecodeError;
use syncline::{Dot, Position, ReplicaId, Seq};
use thiserror::Error;

/// The first thing found wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Damage {
    /// Stored bytes do not read as a run.
    #[error("{at} cannot be read: {why}")]
    Unreadable {
        /// Where, in the store's words.
        at: String,
        /// How.
        why: String,
    },
    /// The log ends before its head.
    #[error("nothing can be read after position {after}, but the head is {head}")]
    Ends {
        /// The last position that was read.
        after: Position,
        /// The position of the last bundle.
        head: Position,
    },
    /// Positions are not gapless.
    #[error("bundle {dot} lies at position {found} and not at {expected}")]
    Misplaced {
        /// The bundle.
        dot: Dot,
        /// Where it should lie.
        expected: Position,
        /// Where it lies.
        found: Position,
    },
    /// An origin's seqs are not gapless.
    #[error("position {position} holds bundle {found}, but bundle {expected} of that origin comes next")]
    Gap {
        /// The position.
        position: Position,
        /// The seq that should come.
        expected: Seq,
        /// The bundle that comes.
        found: Dot,
    },
    /// An origin's times do not rise.
    #[error("bundle {dot} at position {position} is not later than the one before it")]
    NotLater {
        /// The bundle.
        dot: Dot,
        /// Its position.
        position: Position,
    },
    /// A run was written behind another bundle than the log has before it.
    #[error("bundle {dot} at position {position} does not continue the log before it: the hash before it differs")]
    Unlinked {
        /// The bundle.
        dot: Dot,
        /// Its position.
        position: Position,
    },
    /// Bytes have changed: a hash is not what its log says. A run has one hash for all its bundles.
    #[error(
        "bundle {dot} at position {position}, or one packed with it before it, is not what was written: its hash differs"
    )]
    Changed {
        /// The bundle up to which the change lies.
        dot: Dot,
        /// Its position.
        position: Position,
    },
    /// A body cannot be read as events.
    #[error("bundle {dot} at position {position} cannot be read as events: {why}")]
    Body {
        /// The bundle.
        dot: Dot,
        /// Its position.
        position: Position,
        /// What is wrong with it.
        why: DecodeError,
    },
    /// An index has lost a bundle.
    #[error("bundle {dot} is in the log, and is not found by its origin")]
    Lost {
        /// The first bundle that is not found.
        dot: Dot,
    },
    /// The log ends at another bundle than its heads say.
    #[error("origin {origin} ends at bundle {found} ({found_chain}), its head says {expected} ({expected_chain})")]
    Head {
        /// The origin.
        origin: ReplicaId,
        /// The last bundle that the head names.
        expected: Seq,
        /// The chain hash that the head names.
        expected_chain: ChainHash,
        /// The last bundle in the log.
        found: Seq,
        /// The chain hash after it.
        found_chain: ChainHash,
    },
}
