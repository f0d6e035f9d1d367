//! Which store suits this workload? A [`Pattern`] says what an application does; every [`Candidate`], shipped or your own, does it in a
//! process of its own; the [`Summary`] says what each took.
//!
//! A program that compares a store of its own with those shipped is a few lines, see `benches/examples/own_store.rs`:
//!
//! ```no_run
//! use syncline::store::Durability;
//! use syncline_benches::choose::{self, Candidate, Processes};
//!
//! fn main() -> std::process::ExitCode {
//!     let mine = Candidate::new("mine", Durability::Synced, Processes::One, |folder| {
//!         Ok(std::sync::Arc::new(syncline_sqlite::SqliteStorage::at(folder.join("mine.sqlite"))?))
//!     });
//!     choose::main(Candidate::shipped().chain([mine]))
//! }
//! ```

mod candidate;
mod errand;
mod pattern;
mod program;
mod summary;

pub use candidate::{Candidate, Processes};
pub use errand::{ERRAND, run_errand};
pub use pattern::{Distribution, Flags, InvalidPattern, Pattern};
pub use program::main;
pub use summary::{Line, Summary, measure};
