//! An archive: the bundles that a log does not keep any more, in segments, in a folder or an object store.
//!
//! A [`Replica`](crate::Replica) with an archive writes bundles there before a [trim](crate::Replica::trim) deletes them. So the whole
//! history stays: [`state_at`](crate::replica::View::state_at), rebuilds and new views read it, and so does an
//! [export](crate::portable::Exporter::begin_whole).
//!
//! A segment holds the bundles of some positions of a log. [`History`] puts segments together, checks that each bundle follows those of
//! its origin before it, and that the log follows the last of them. Nothing else has to be kept: an archive is a set of
//! names with bytes. The crate `syncline-archive` keeps it in a folder or an object store. The layout is in `docs/format.md`.

use std::fmt;
use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use crate::format::wire::DecodeError;
use crate::id::{Dot, InvalidId, LogId, Position, SpaceId};
use crate::store::BoxError;

mod history;
mod memory;
mod segment;

pub use history::{Archived, History, HistoryError};
pub use memory::MemoryArchive;
pub use segment::{SEGMENT_FORMAT, Segment};

/// Where segments are kept. What it returns is not believed: segments carry their hash, and bundles their chain.
///
/// `syncline_conformance::archive::check` proves an archive of your own.
#[async_trait]
pub trait Archive: Debug + Send + Sync + 'static {
    /// The names of all segments of a space, in any order. Things with other names are left out.
    ///
    /// # Errors
    /// The archive's own. The engine wraps it as [`ArchiveError::Unavailable`].
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError>;

    /// A segment's bytes; `None` if there is none of this name.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError>;

    /// Keeps a segment. It is durable when this returns. A segment of the same name is replaced, and a reader gets the old one or the
    /// new one, whole.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    ///
    /// # Cancel
    /// The segment is kept or not.
    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError>;
}

#[async_trait]
impl<A: Archive + ?Sized> Archive for Arc<A> {
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError> {
        (**self).list(space).await
    }

    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError> {
        (**self).get(space, name).await
    }

    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError> {
        (**self).put(space, name, bytes).await
    }
}

/// Names a segment: which positions of which log. As text it is two numbers of 20 digits and the log's id, so that names are in the
/// order of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The position before its first bundle.
    pub after: Position,
    /// The position of its last bundle.
    pub last: Position,
    /// The log that it was written from.
    pub log: LogId,
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:020}-{}", self.after.get(), self.last.get(), self.log)
    }
}

impl FromStr for SegmentName {
    type Err = InvalidId;

    fn from_str(name: &str) -> Result<Self, InvalidId> {
        let rule =
            "it takes two numbers of 20 digits, the first one smaller, and the id of a log, with a hyphen between them";
        let invalid = || InvalidId::new("name of a segment", name, rule);
        let mut parts = name.splitn(3, '-');
        let mut part = || parts.next().ok_or_else(invalid);
        let number = |text: &str| match text.len() {
            20 => text.parse().map(Position::new).map_err(|_| invalid()),
            _ => Err(invalid()),
        };
        let named = Self { after: number(part()?)?, last: number(part()?)?, log: part()?.parse()? };
        // A sign before a number is not a digit.
        if named.after < named.last && named.to_string() == name { Ok(named) } else { Err(invalid()) }
    }
}

/// Why an archive has not taken bundles, or does not give the history.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It failed: the network, the disk, its rights. Nothing has changed; try again.
    #[error("the archive failed to {what}: {source}; nothing has changed, try again")]
    Unavailable {
        /// What it was asked for.
        what: &'static str,
        /// Why.
        source: BoxError,
    },
    /// No segment has these bundles.
    #[error(
        "the archive of {space} has no segment with bundle {}: bring it back, or read the history from another copy",
        .behind.plus(1)
    )]
    Missing {
        /// The space.
        space: SpaceId,
        /// What the archive has reaches up to here.
        behind: Position,
    },
    /// A segment is not what was written.
    #[error("segment {name} of {space} in the archive is damaged: {why}; bring back a copy of it")]
    Damaged {
        /// The space.
        space: SpaceId,
        /// The segment.
        name: SegmentName,
        /// What is wrong with it.
        why: SegmentFault,
    },
    /// The segments, or the last one and the log, are of different histories.
    #[error(
        "bundle {at} in the archive of {space} is of another history than what follows it: the archive is of another log, or a log was \
         restored to an older state and went on"
    )]
    Contradicts {
        /// The space.
        space: SpaceId,
        /// A bundle that does not fit.
        at: Dot,
    },
}

impl ArchiveError {
    pub(crate) fn unavailable(what: &'static str) -> impl Fn(BoxError) -> Self {
        move |source| Self::Unavailable { what, source }
    }
}

/// What is wrong with the bytes of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SegmentFault {
    /// They begin otherwise.
    #[error("it begins with other bytes")]
    NotASegment,
    /// They have a format that this build does not know.
    #[error("it has format version {found}, this build reads up to {SEGMENT_FORMAT}; upgrade Syncline to read it")]
    UnsupportedVersion {
        /// The version found.
        found: u8,
    },
    /// Some of them have changed.
    #[error("its hash differs")]
    Hash,
    /// It does not read.
    #[error("{0}")]
    Content(#[from] DecodeError),
    /// It is another one than its name says.
    #[error("it is segment {name} of {space}")]
    Misnamed {
        /// The space that it is of.
        space: SpaceId,
        /// Its name.
        name: SegmentName,
    },
    /// It was there when the archive was listed.
    #[error("it is gone")]
    Gone,
}
