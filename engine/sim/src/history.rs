//! One history from its plan to its verdict.

use std::collections::BTreeMap;

use syncline::ViewId;

use crate::executor::Spins;
use crate::fault::Tally;
use crate::finding::{Finding, Law};
use crate::plan::Plan;
use crate::quiet;
use crate::stack::Stack;
use crate::touched::Touched;
use crate::trace::Line;
use crate::world::World;

/// What became of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The law it broke, if it broke one.
    pub finding: Option<Finding>,
    /// A number for everything that happened: equal if a seed is run twice.
    pub trace: u64,
    /// Which faults took effect, and how often.
    pub tally: Tally,
    /// Actions: those of the plan, and the syncs of healing.
    pub steps: u64,
    /// How often a task was resumed.
    pub polls: u64,
    /// How many rounds of syncs it took until all logs were equal again, once the faults had stopped.
    pub rounds: u32,
    /// Whether an application had to help.
    pub helped: bool,
    /// What happened if it was asked for.
    pub story: Vec<Line>,
    /// How events have touched the user's views, if the history came to its end.
    pub touched: BTreeMap<ViewId, Touched>,
}

/// Runs a plan.
pub(crate) fn run(plan: &Plan, stack: &Stack, with_story: bool) -> Outcome {
    let mut world = World::new(plan.clone(), stack.clone(), with_story);
    match quiet::catch(|| happen(&mut world)) {
        Ok(Ok(())) => {}
        Ok(Err(Spins)) => world.sim.found(Law::ComesToRest, "something runs without end and without time passing"),
        Err(panic) => world.sim.found(Law::NoPanic, format!("a panic: {panic}")),
    }
    let (steps, polls) = (world.steps, world.exec.polls());
    let mut state = world.sim.state();
    state.trace.note(polls);
    let (trace, tally, story) = (state.trace.hash(), state.tally.clone(), state.trace.take_story());
    drop(state);
    let touched = std::mem::take(&mut world.touched);
    let (rounds, helped) = (world.rounds_taken, world.helped);
    let finding = world.sim.finding().map(|finding| with_failures(finding, &world));
    Outcome { finding, trace, tally, steps, polls, rounds, helped, story, touched }
}

/// A finding, with what may be its cause: failures of a user's stores that nobody has planned.
fn with_failures(finding: Finding, world: &World) -> Finding {
    let failures = world.disks().into_iter().filter_map(|disk| disk.own_failure());
    let detail = std::iter::once(finding.detail).chain(failures).collect::<Vec<_>>().join("; ");
    Finding { detail, ..finding }
}

fn happen(world: &mut World) -> Result<(), Spins> {
    world.sim.tell(|| {
        let Plan { shape, devices, servers, .. } = &world.plan;
        let some = |count: &u8, one: &str| format!("{count} {one}{}", if *count == 1 { "" } else { "s" });
        match servers {
            0 => format!("{shape}: {}", some(devices, "device")),
            _ => format!("{shape}: {}, {}", some(devices, "device"), some(servers, "server")),
        }
    });
    // That everybody starts goes without saying.
    world.sim.state().trace.mute(true);
    if !world.rest()? {
        return Ok(());
    }
    world.sim.state().trace.mute(false);
    for step in world.plan.steps.clone() {
        world.step(step)?;
        if world.sim.finding().is_some() {
            return Ok(());
        }
    }
    world.heal()
}
