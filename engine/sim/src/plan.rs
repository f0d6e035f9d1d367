//! A history before it happens: who is there, what is done to them and when.

use std::fmt;

use crate::action::{Action, Shape, Step};
use crate::case::{Case, Trait};
use crate::profile::{Mix, Profile};
use crate::rng::Rng;

/// This many of a thousand histories have short pages.
const SHORT_PAGES: u32 = 300;

/// This many of a thousand devices start with the old version of a user's program, in every profile, if there is a newer one.
const OLD_OF_OWN: u32 = 600;
/// This many start with the old version of the lab's own, if there are snapshots that bring the newer version's views.
const OLD_WITH_SNAPSHOTS: u32 = 300;

/// A history before it happens. Its `Debug` is the history's name and a line for each step; [`Lab::check`](crate::Lab::check) tells
/// what happens in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan {
    /// The seed of everything random.
    pub seed: u64,
    /// How devices reach each other.
    pub shape: Shape,
    /// How many devices there are at first.
    pub devices: u8,
    /// How many servers there are; none if devices serve each other.
    pub servers: u8,
    /// Devices that stay in sync by themselves, a set of bits.
    pub live: u32,
    /// Devices whose disks lose what was not flushed when the power goes, a set of bits.
    pub unsynced: u32,
    /// Devices that start with fewer views, a set of bits.
    pub old: u32,
    /// Devices that also start so, if the user has brought a newer version of the program.
    pub newer: u32,
    /// Devices that also start so with the lab's own program: only snapshots bring them the newer version's views.
    pub late: u32,
    /// What happens, in order.
    pub steps: Vec<Step>,
    pub(crate) mix: Mix,
    /// The name under which it comes again.
    pub(crate) case: Case,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, shape, devices, servers, steps, .. } = self;
        write!(f, "{case} ({shape}; devices: {devices}, servers: {servers}, steps: {})", steps.len())?;
        let mut micros = 0;
        steps.iter().try_for_each(|step| {
            micros += u64::from(step.gap);
            write!(f, "\n{:>12.3} ms  {:?}", micros as f64 / 1e3, step.action)
        })
    }
}

impl Plan {
    /// The plan of a seed: at least `steps` steps of trouble as `profile` has it.
    pub fn new(seed: u64, profile: Profile, steps: usize) -> Self {
        let mut rng = Rng::stream(seed, 0);
        let mut mix = profile.mix(&mut rng);
        let shape = *rng.weighted(&mix.shapes).expect("a mix has a shape");
        let devices = 2 + rng.below(3) as u8;
        let servers = match shape {
            Shape::Star => 1,
            Shape::Twins => 2,
            Shape::Cluster => 2 + rng.below(2) as u8,
            Shape::Chain | Shape::Mesh => 0,
        };
        let some =
            |rng: &mut Rng, per_mille| (0..32).fold(0, |bits, bit| bits | u32::from(rng.chance(per_mille)) << bit);
        let live = some(&mut rng, mix.live);
        let unsynced = some(&mut rng, mix.unsynced);
        let old = some(&mut rng, mix.old);
        let step = |number| Step { gap: rng.below(mix.gap_max) as u32, action: mix.action(&mut rng, devices, number) };
        let steps: Vec<Step> = (0..steps).map(step).collect();
        let mut rng = Rng::stream(seed, 4);
        if rng.chance(SHORT_PAGES) {
            mix.speed.page = rng.between(1, 12) as u32;
        }
        let case = Case::new(profile, seed, steps.len());
        let newer = some(&mut Rng::stream(seed, 5), OLD_OF_OWN);
        let late = some(&mut Rng::stream(seed, 5), if mix.folds { OLD_WITH_SNAPSHOTS } else { 0 });
        Self { seed, shape, devices, servers, live, unsynced, old, newer, late, steps, mix, case }
    }

    /// Leaves out all steps but these, which are given in order. Those that stay happen when they would have happened.
    pub fn keep(&mut self, keep: &[usize]) {
        let (mut kept, mut waited) = (Vec::new(), 0u32);
        for (number, step) in self.steps.iter().enumerate() {
            waited = waited.saturating_add(step.gap);
            if keep.binary_search(&number).is_ok() {
                kept.push(Step { gap: std::mem::take(&mut waited), ..*step });
            }
        }
        self.steps = kept;
    }
}

impl Case {
    /// What happens in it.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::new(self.seed, self.profile, self.steps);
        if let Some(keep) = &self.keep {
            plan.keep(keep);
        }
        plan.devices = plan.devices.min(self.devices.unwrap_or(u8::MAX).max(1));
        self.without.iter().for_each(|left_out| left_out.leave_out(&mut plan));
        Plan { case: self.clone(), ..plan }
    }
}

impl Trait {
    fn leave_out(self, plan: &mut Plan) {
        let (rates, speed) = (&mut plan.mix.rates, &mut plan.mix.speed);
        match self {
            Self::Delays => (rates.delayed, rates.delay_max) = (0, 0),
            Self::Losses => (rates.request_lost, rates.answer_lost) = (0, 0),
            Self::Repeats => rates.duplicated = 0,
            Self::Proxies => (rates.foreign, rates.deaf, rates.room) = (0, 0, 0),
            Self::SlowDisks => (speed.slow, speed.yields, speed.scans) = (0, 0, 0),
            Self::UnsyncedDisks => plan.unsynced = 0,
            // If nobody syncs by hand, nothing would be exchanged without them.
            Self::LiveDevices if plan.mix.alone => {}
            Self::LiveDevices => plan.live = 0,
            Self::OldVersions => (plan.old, plan.newer, plan.late) = (0, 0, 0),
            Self::Servers if plan.shape == Shape::Cluster => plan.servers = 1,
            Self::Servers => {}
            Self::ShortPages => speed.page = u32::MAX,
            Self::Bursts => plan.steps.iter_mut().for_each(|step| {
                if let Action::Write { count, .. } = &mut step.action {
                    *count = 1;
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_step_happens_when_it_would_have_happened() {
        let whole = Case::new(Profile::Mixed, 3, 40).plan();
        let case = Case { keep: Some(vec![5, 30]), ..Case::new(Profile::Mixed, 3, 40) };
        let due = |plan: &Plan, step: usize| plan.steps[..=step].iter().map(|step| u64::from(step.gap)).sum::<u64>();
        assert_eq!(due(&case.plan(), 1), due(&whole, 30));
    }
}
