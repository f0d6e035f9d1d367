//! One history from its plan to its verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fault::Tally;
use crate::finding::{Finding, Law};
use crate::plan::Plan;
use crate::stack::Stack;
use crate::trace::Line;
use crate::world::World;

/// What became of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The law it broke, if it broke one.
    pub finding: Option<Finding>,
    /// A number for everything that happened: equal where a seed is run twice.
    pub trace: u64,
    /// Which faults took effect, and how often.
    pub tally: Tally,
    /// Actions: those of the plan, and the syncs of healing.
    pub steps: u64,
    /// How often a task was resumed.
    pub polls: u64,
    /// What happened, where it was asked for.
    pub story: Vec<Line>,
}

/// Runs a plan.
pub(crate) fn run(plan: &Plan, stack: &Stack, with_story: bool) -> Outcome {
    let mut world = World::new(plan.clone(), stack.clone(), with_story);
    let ended = catch_unwind(AssertUnwindSafe(|| happen(&mut world)));
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(_)) => world.sim.found(Law::ComesToRest, "something runs without end and without time passing"),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            world.sim.found(Law::NoPanic, format!("a panic: {text}"));
        }
    }
    let (steps, polls) = (world.steps, world.exec.polls());
    let mut state = world.sim.state();
    state.trace.note(polls);
    let (trace, tally, story) = (state.trace.hash(), state.tally.clone(), state.trace.take_story());
    drop(state);
    Outcome { finding: world.sim.finding(), trace, tally, steps, polls, story }
}

fn happen(world: &mut World) -> Result<(), crate::executor::Spins> {
    world.sim.tell(|| {
        let Plan { shape, devices, servers, .. } = &world.plan;
        format!("a {shape:?} of {devices} devices and {servers} servers")
    });
    if !world.rest()? {
        return Ok(());
    }
    for step in world.plan.steps.clone() {
        world.step(step)?;
        if world.sim.finding().is_some() {
            return Ok(());
        }
    }
    world.heal()
}
