//! What many histories came to: how much happened, which faults took effect, how long healing took.

use std::collections::BTreeMap;
use std::fmt;

use syncline::ViewId;

use crate::fault::Fault;
use crate::history::Outcome;
use crate::touched::Touched;

/// What all histories of a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How many histories there were.
    pub histories: u64,
    /// Actions in all: those of the plans, and the syncs of healing.
    pub steps: u64,
    /// How often a task was resumed, in all.
    pub polls: u64,
    /// The most rounds that healing took: every device syncs with each of its peers in one round.
    pub rounds: u32,
    /// In how many histories an application had to help: a device held another history than its peers, and continued in a fresh
    /// store.
    pub helped: u64,
    /// How events have touched the user's views.
    pub touched: BTreeMap<ViewId, Touched>,
    /// How often each fault took effect.
    fired: [Fired; Fault::ALL.len()],
}

/// How often one fault took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fired {
    /// In how many histories.
    pub histories: u64,
    /// How many times in all.
    pub times: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            histories: 0,
            steps: 0,
            polls: 0,
            rounds: 0,
            helped: 0,
            touched: BTreeMap::new(),
            fired: [Fired::default(); Fault::ALL.len()],
        }
    }
}

impl Summary {
    /// Counts one history in.
    pub fn add(&mut self, outcome: &Outcome) {
        self.histories += 1;
        self.steps += outcome.steps;
        self.polls += outcome.polls;
        self.rounds = self.rounds.max(outcome.rounds);
        self.helped += u64::from(outcome.helped);
        for (view, touched) in &outcome.touched {
            self.touched.entry(view.clone()).or_default().add(*touched);
        }
        for (fired, (_, count)) in self.fired.iter_mut().zip(outcome.tally.iter()) {
            fired.histories += u64::from(count > 0);
            fired.times += u64::from(count);
        }
    }

    /// How often a fault took effect.
    pub fn fired(&self, fault: Fault) -> Fired {
        self.fired[fault as usize]
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, steps, polls, rounds, helped, .. } = self;
        writeln!(f, "{histories} histories, {steps} steps, {polls} resumptions")?;
        writeln!(f, "healed within {rounds} rounds at most; in {helped} histories an application had to help")?;
        for (view, Touched { rows, shared, .. }) in &self.touched {
            writeln!(f, "{view}: {rows} rows, {shared} of them touched by two devices or more")?;
        }
        writeln!(f, "{:<24}{:>14}{:>16}", "what took effect", "in histories", "times")?;
        for fault in Fault::ALL {
            let Fired { histories, times } = self.fired(*fault);
            let share = 100.0 * histories as f64 / self.histories.max(1) as f64;
            writeln!(f, "  {:<22}{share:>13.1}%{times:>16}", fault.name())?;
        }
        Ok(())
    }
}
