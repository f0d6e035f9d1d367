//! A server and three devices in one process, with a switch on each link between them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`stage`] | the server and the three devices, linked |
//! | [`server`] | the server: a real one over HTTP, with a switch |
//! | [`link`], [`message`], [`messages`] | the way from a device to the server, with a switch, and what passes on it |
//! | [`compare`] | whether all four are equal |
//! | [`samples`] | what is there when the demo begins |
//! | [`script`] | the scenario without a person |
//! | [`page`] | the page that shows all of it |

pub mod compare;
mod error;
pub mod link;
pub mod message;
pub mod messages;
pub mod page;
pub mod samples;
pub mod script;
pub mod server;
pub mod stage;

pub use compare::Comparison;
pub use error::DemoError;
pub use link::{Link, Passage};
pub use messages::Messages;
pub use page::{Door, Show};
pub use server::Server;
pub use stage::{Plan, Seat, Stage};
