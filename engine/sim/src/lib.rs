//! The convergence lab.

mod access;
mod clock;
mod device;
mod disk;
mod executor;
mod fault;
mod finding;
mod heal;
mod history;
mod image;
mod invariants;
mod ledger;
mod net;
mod plan;
mod profile;
mod response;
mod rng;
mod shared;
mod sim;
mod stack;
mod store;
mod stores;
mod trace;
mod transport;
mod witness;
mod workload;
mod world;

pub use fault::{Fault, Tally};
pub use finding::{Finding, Law};
pub use history::Outcome;
pub use plan::{Action, Plan, Shape, Step};
pub use profile::Profile;
pub use rng::Rng;
pub use stores::{Crash, Stores};
pub use trace::Line;
pub use workload::POISON;

/// Runs one seed.
pub fn run_seed(seed: u64, profile: Profile, steps: usize, story: bool) -> Outcome {
    history::run(&Plan::new(seed, profile, steps), &stack::Stack::own(), story)
}
