//! Crashes every store of Syncline many times while it is written to, and looks at what is left.
//!
//! Two rigs. The *kill rig* ends the writing process with SIGKILL, and the server behind it if there is one. The *cut rig* lets
//! the store lie on a file system of its own and takes that down at once, with all that it had not written yet, as a power cut
//! does. The one shows that commits are whole, the other that they are durable: a kill loses nothing that a process has handed
//! to the system, so it cannot show the second (see `engine/docs/durability.md` for the figures and how to repeat them).
//!
//! A process [works](work) on the real store: it opens it, [checks](check) all of it against the [ledger], then writes
//! from many tasks at once, and tells each commit before it begins and after it has returned. The [rig] keeps the ledger,
//! chooses the moment, makes the crash, and starts the process again on what is left. Every bundle follows from a seed (see
//! [script]), so that the check knows what each must hold.
//!
//! Settings that promise less than is done to them are [controls](control): they must lose something, or the run shows nothing.

pub mod chance;
pub mod check;
pub mod control;
pub mod ledger;
pub mod message;
pub mod open;
pub mod peer;
pub mod record;
pub mod report;
pub mod rig;
pub mod script;
pub mod setting;
pub mod work;
