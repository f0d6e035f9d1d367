//! The convergence lab: the real engine on simulated disks, clocks and networks, in virtual time, with faults drawn from a seed.
//!
//! One seed is one history, always the same. While it runs and when it has healed, the laws are checked: nothing acknowledged is
//! lost, nothing comes twice or from nowhere, logs are contiguous and chained, rows are equal everywhere, equal to a rebuild and to a
//! naive oracle, cursors never skip, clocks stay within the bound, nothing waits behind a refusal, status never lies.
//!
//! ```
//! use syncline_sim::{Profile, run_seed};
//!
//! let outcome = run_seed(7, Profile::Flaky, 50, false);
//! assert_eq!(outcome.finding, None);
//! assert_eq!(outcome.trace, run_seed(7, Profile::Flaky, 50, false).trace, "a seed is one history");
//! ```
//!
//! For your own projections and stores there is [`lab()`]; [`guide`] takes you from an empty crate to a caught fault.
//!
//! The program `sim` runs many: `cargo run --release -p syncline-sim -- --profile restore --histories 1000 --jobs 2`.

#[doc = include_str!("../docs/prove-your-stack.md")]
pub mod guide {}

#[doc = include_str!("../docs/teeth.md")]
pub mod teeth {}

mod access;
mod accounts;
mod action;
mod archive;
mod case;
mod clock;
mod device;
mod disk;
mod executor;
mod failure;
mod fault;
mod finding;
mod handle;
mod heal;
mod history;
mod image;
mod invariants;
mod keeper;
mod kept;
mod lab;
mod ledger;
mod live;
mod lock;
mod meeting;
mod names;
mod net;
mod on_disk;
mod plan;
pub mod planted;
mod profile;
mod quiet;
mod response;
mod rng;
mod rows;
mod shared;
mod shrink;
mod sim;
mod skew;
mod stack;
mod stores;
mod strategy;
mod summary;
mod tell;
mod touched;
mod trace;
mod transport;
mod watched_log;
mod witness;
mod workload;
mod world;

pub use action::{Action, Machine, Shape, Step};
pub use case::{Case, Trait};
pub use failure::Failure;
pub use fault::{Fault, Tally};
pub use finding::{Finding, Law};
pub use history::Outcome;
pub use kept::kept;
pub use lab::{Lab, lab};
pub use on_disk::{OnDisk, on_disk};
pub use plan::Plan;
pub use planted::Plant;
pub use profile::Profile;
pub use rng::Rng;
pub use rows::Rows;
pub use stores::{Crash, Stores};
pub use strategy::{Histories, HistoryTree, histories};
pub use summary::{Fired, Summary};
pub use touched::Touched;
pub use trace::Line;
pub use workload::POISON;

/// Runs the history of one seed: so many steps, with the faults of a profile. With `story` it tells what happens.
pub fn run_seed(seed: u64, profile: Profile, steps: usize, story: bool) -> Outcome {
    lab(seed..seed).outcome(&Case::new(profile, seed, steps), story)
}
