//! A store of your own next to those shipped: which of them is right for your workload?
//!
//!     cargo run --release -p syncline-benches --example own_store -- --payload-bytes 2000 --writers 4
//!
//! `--help` lists what a workload is made of. A file in TOML may say it, too; `benches/examples/chat.toml` is one.

use std::process::ExitCode;
use std::sync::Arc;

use syncline::store::Durability::Synced;
use syncline_benches::choose::{self, Candidate, Processes};

fn main() -> ExitCode {
    let lmdb =
        Candidate::new("lmdb", Synced, Processes::One, |folder| Ok(Arc::new(syncline_example_lmdb::open(folder)?)));
    let fjall =
        Candidate::new("fjall", Synced, Processes::One, |folder| Ok(Arc::new(syncline_example_fjall::open(folder)?)));
    choose::main(Candidate::shipped().chain([lmdb, fjall]))
}
