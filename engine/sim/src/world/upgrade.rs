//! Devices that begin with the old version of the program, and when they get the new one.

use std::time::Duration;

use super::World;
use crate::fault::Fault;
use crate::rng::Rng;
use crate::trace::Moment;

/// Devices are upgraded within so many steps, if these take as long as they can. (A history has 200, and they take half of that.)
const UPGRADED_BY: u64 = 100;

impl World {
    /// Whether devices may trim their logs. One that is upgraded later may only if there are snapshots that have its new views.
    pub(super) fn may_trim(&self, is_old: bool) -> bool {
        self.plan.case.profile.lets_trim() && (self.plan.mix.folds || !is_old)
    }

    /// Whether more devices start with the old version than the profile says, and are upgraded at moments of their own.
    fn upgrades_apart(&self) -> bool {
        self.stack.has_own_upgrade() || self.plan.mix.folds
    }

    /// The devices that start with the old version, a set of bits.
    pub(super) fn old(&self) -> u32 {
        self.plan.old | if self.stack.has_own_upgrade() { self.plan.newer } else { self.plan.late }
    }

    /// Decides when devices are upgraded, if not by steps of the plan.
    pub(super) fn plan_upgrades(&mut self) {
        if self.upgrades_apart() {
            let mut rng = Rng::stream(self.plan.seed, 6);
            let mut moment = || Moment(0).after(Duration::from_micros(rng.below(self.plan.mix.gap_max * UPGRADED_BY)));
            self.upgrades = (0..self.places.len()).map(|index| (moment(), index)).collect();
        }
    }

    /// Upgrades the devices whose moment has come.
    pub(super) fn upgrade_those_due(&mut self) {
        let now = self.sim.now();
        for (_, index) in self.upgrades.extract_if(.., |(due, _)| *due <= now).collect::<Vec<_>>() {
            if !self.places[index].left {
                self.upgrade(index);
            }
        }
    }

    /// Opens a device with all views, while what it has under way continues with the old ones. Returns whether it was old.
    pub(crate) fn upgrade(&mut self, index: usize) -> bool {
        let device = &self.places[index].device;
        let was_old = device.upgrade();
        if was_old {
            self.sim.fault(Fault::Upgraded, || format!("device {index} is upgraded"));
            if device.disk.with_image(|image| image.head()) > 0 {
                self.sim.count(Fault::UnknownKind);
            }
            device.open_after(Duration::ZERO);
            self.live(index);
        }
        was_old
    }
}
