//! A page for the user of this machine alone.
//!
//! A page on loopback is not private by itself: every web page that the person visits may send requests to it. So three things are
//! checked on each request, see [`guard`]: the host that it was sent to, where it comes from, and a key in the address.

mod guard;
mod key;
mod serve;

pub use guard::guard;
pub use key::{InvalidKey, Key};
pub use serve::{Bound, ServeError, Serving, bind};
