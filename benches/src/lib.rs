//! Syncline measured against the bare libraries doing the same work by hand, in one run on one machine.
//!
//! Rates of one machine say little about another, and disks change their mind within an hour. So everything here comes in
//! pairs: ours, and the same work written by hand on the bare library, taken in turns. What counts is the ratio.
//!
//! * `cargo run --release -p syncline-benches` compares all backends, prints the ratios next to their targets, see [`compare`], and says
//!   which backend suits a workload, see [`choose`].
//! * `cargo run --release -p syncline-benches --bin bootstrap` measures how a new device begins with a snapshot, see [`bootstrap`].
//! * `--bin spaces` measures the memory of idle spaces, see [`spaces`].
//! * `--bin trimmed` measures what a trim leaves on the disk, see [`trimmed`].
//! * `cargo bench -p syncline-benches` runs the criterion benches, which are for comparing one build with another.
//!
//! The work is the same everywhere: a [`Workload`](workload::Workload) of attribute writes, without chance.

pub mod bare;
pub mod bootstrap;
pub mod choose;
pub mod compare;
pub mod cost;
pub mod disk;
pub mod fresh;
pub mod memory;
pub mod ours;
pub mod pipeline;
pub mod place;
pub mod rounds;
pub mod server;
pub mod sizes;
pub mod spaces;
mod table;
pub mod trimmed;
pub mod workload;

/// Whatever stops a measurement, for a person to read.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The state of a replica or of what is written by hand, to be compared: row key → value as JSON.
pub type State = std::collections::BTreeMap<Vec<u8>, String>;
