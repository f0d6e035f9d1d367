//! A log as its onlookers know it: whose it is, which clock its holder has, and what it must hold.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use syncline::LogId;

use crate::clock::NodeClock;
use crate::image::Image;
use crate::ledger::Name;
use crate::lock::locked;

/// One log, without the disk that it lies on.
pub(crate) struct WatchedLog {
    pub(crate) name: String,
    pub(crate) clock: Arc<NodeClock>,
    image: Mutex<Image>,
}

impl fmt::Debug for WatchedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedLog").field("name", &self.name).finish_non_exhaustive()
    }
}

impl WatchedLog {
    /// An empty log of this identity.
    pub(crate) fn new(name: String, clock: Arc<NodeClock>, log: LogId) -> Self {
        Self { name, clock, image: Mutex::new(Image::new(log)) }
    }

    /// What the log must hold.
    pub(crate) fn image(&self) -> MutexGuard<'_, Image> {
        locked(&self.image)
    }

    /// An older state has come back. Returns the bundles that are gone with the newer one.
    pub(crate) fn replace(&self, image: Image) -> Vec<Name> {
        let mut present = self.image();
        let same = image.revision == present.revision;
        let trusted = image.log != present.log || (present.trusted && same);
        let old = std::mem::replace(&mut *present, Image { trusted, ..image });
        old.names().filter(|name| !present.holds(*name)).collect()
    }
}
