//! The engine as a whole: replicas, a service and the way between them, all in memory.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may fail, and is a program")]

mod archive;
mod attributes;
mod busy;
mod checkpoint;
mod clocks;
mod cut;
mod digests;
mod healing;
mod large;
mod live;
mod mesh;
mod moving;
mod outcomes;
mod owners;
mod panics;
mod portable;
mod put_aside;
mod recovery;
mod replica;
mod short;
mod since;
mod snapshot;
mod sync;
mod trim;
mod trimmed;
mod typed;
mod unseen;
mod views;
mod world;
