//! What may still need bundles of a log, how far each lets the log be trimmed, and how much is to be kept anyway.

use std::fmt;
use std::time::Duration;

use crate::authority::Principal;
use crate::format::time::NTP64;
use crate::id::{Dot, Position};
use crate::projection::Aside;
use crate::snapshot::SnapshotId;
use crate::store::ViewId;

/// How much of a log a trim keeps, whether or not something needs it. A number alone means so many bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The newest bundles.
    pub bundles: u64,
    /// All bundles from the first on that is not older than this.
    pub age: Option<Duration>,
    /// Of a log that a service shares: all that a device has not read yet which asked for something no longer ago than this. A device that
    /// stays away longer takes a snapshot when it comes back.
    pub window: Duration,
}

impl Keep {
    /// The window if nothing else is said: 30 days.
    pub const WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);
}

impl From<u64> for Keep {
    fn from(bundles: u64) -> Self {
        Self { bundles, age: None, window: Self::WINDOW }
    }
}

/// What needs bundles of a log that is to be trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hold {
    /// The caller keeps the newest bundles.
    Kept,
    /// Rows are folded again from the checkpoint on if a bundle behind it is refused or moves.
    Checkpoint,
    /// The last own bundle that a peer has answered for, or the first of all. The next push begins behind it.
    Own(Dot),
    /// A view is folded up to here. If the replica does not maintain it, [`Replica::drop_view`](crate::Replica::drop_view) ends this.
    View(ViewId),
    /// An event that a view has put aside because of its version. A later version of the program may read it, and then folds the view
    /// again.
    Unread(Box<Aside>),
    /// Bundles that are not older than the age that is to be kept.
    Young,
    /// A [service](crate::replica::Compose::shared_with_service) shares the store. A device that lacks bundles up to here can take this
    /// snapshot in their place; none if there is no snapshot.
    Snapshot(Option<SnapshotId>),
    /// This device has read so far. It last asked for something at this time.
    Device {
        /// The device.
        device: Principal,
        /// When it was seen last.
        seen: NTP64,
    },
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => f.write_str("the newest bundles are to be kept"),
            Self::Checkpoint => f.write_str("rows are folded again from the checkpoint on"),
            Self::Own(dot) => write!(f, "pushes begin at own bundle {dot}"),
            Self::View(view) => write!(f, "view {view} is folded up to here; drop it if no program maintains it"),
            Self::Unread(aside) => write!(f, "an event of bundle {} is put aside: {}", aside.dot, aside.cause),
            Self::Young => f.write_str("the bundles behind are not old enough"),
            Self::Snapshot(None) => f.write_str("no snapshot can take the place of bundles; make one"),
            Self::Snapshot(Some(id)) => {
                write!(f, "the newest snapshot, {id}, covers the bundles up to here; make a newer one")
            }
            Self::Device { device, seen } => {
                write!(f, "device {device} has read up to here; it was seen last {} s after 1970", seen.as_secs())
            }
        }
    }
}

/// How far one thing lets a log be trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrimBound {
    /// What needs the bundles behind `at`.
    pub hold: Hold,
    /// Bundles up to here may go, as far as this is concerned.
    pub at: Position,
}

/// How far a log can be trimmed, and why not further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrimPlan {
    /// Bundles up to here are gone already.
    pub base: Position,
    /// The log's last bundle.
    pub head: Position,
    /// Bundles up to here can go. `base` if none can.
    pub to: Position,
    /// Everything that holds bundles, in order: the first decides.
    pub bounds: Vec<TrimBound>,
}

impl TrimPlan {
    /// How many bundles can go.
    pub fn bundles(&self) -> u64 {
        self.to.since(self.base)
    }
}
