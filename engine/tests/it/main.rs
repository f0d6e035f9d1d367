//! The engine as a whole: replicas, a service and the way between them, all in memory.

mod outcomes;
mod recovery;
mod replica;
mod sync;
mod world;
