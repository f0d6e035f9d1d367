//! Events that a view could not fold, and why.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::format::event::EventType;
use crate::id::Dot;
use crate::store::ViewId;

/// An event that was put aside: it is in the log and in no row of this view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The view that it was meant for. None if the bundle's body itself is malformed.
    pub view: Option<ViewId>,
    /// Its bundle.
    pub dot: Dot,
    /// Its index in the bundle.
    pub index: u16,
    /// Its event type. None if the bundle's body itself is malformed.
    pub event_type: Option<EventType>,
    /// Why.
    pub cause: Cause,
}

/// Why an event was put aside. Stored, so variants are only ever added at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[non_exhaustive]
pub enum Cause {
    /// The projection says that it cannot read the event, and why.
    #[error("{0}")]
    Unreadable(String),
    /// The view reads the event's type, and not this version of it.
    #[error("version {version} of the event's type is not one that the view reads ({known:?}); upgrade the program")]
    OtherVersion {
        /// The event's version.
        version: u16,
        /// The versions that the view reads.
        known: Vec<u16>,
    },
    /// The projection's code panicked on the event, with this message. The row is as it was before.
    #[error("the projection panicked: {0}; correct it, then rebuild the view or give it a new version")]
    Panicked(String),
    /// The event exceeds a limit of [`limits`](crate::limits).
    #[error("{what} would be {size}, the limit is {max}")]
    TooLarge {
        /// What is too large, with its unit.
        what: Cow<'static, str>,
        /// Its size. Counting may have ended just over the limit.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The stored row that the event belongs to cannot be read back, though it was folded from the log by this very program.
    #[error(
        "the row cannot be read back as the projection wrote it: {0}; correct the state's encoding, then rebuild the view"
    )]
    Row(String),
    /// The bundle's body cannot be read as events, from this index on.
    #[error("the bundle's body is malformed: {0}")]
    Malformed(String),
}

impl Cause {
    /// Whether an own write with such an event is refused to its writer. If the code or the row has failed, or a limit is exceeded,
    /// the event cannot be in any replica's rows. If the projection itself puts the event aside, the write is accepted: a newer
    /// version may read it.
    pub(crate) fn refuses_writes(&self) -> bool {
        matches!(self, Self::Panicked(_) | Self::TooLarge { .. } | Self::Row(_))
    }

    pub(crate) fn too_large(what: &'static str, size: usize, max: usize) -> Self {
        Self::TooLarge { what: what.into(), size: size as u64, max: max as u64 }
    }
}
