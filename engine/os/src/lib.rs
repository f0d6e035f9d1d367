//! Time and chance of this machine, for programs to pass into the engine, which takes both from outside. And what adapters
//! on files have to know of them.
//!
//! ```
//! let (clock, id) = (syncline_os::wall_clock, syncline_os::replica_id());
//! assert!(clock().as_secs() > 1_700_000_000);
//! assert_ne!(id, syncline_os::replica_id());
//! ```

mod in_place;

pub use in_place::{Displaced, InPlace};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use syncline::authority::accounts::Token;
use syncline::{LogId, NTP64, ReplicaId};

/// The system's clock. A clock set before 1970 reads as 1970, one after 2106 as 2106.
pub fn wall_clock() -> NTP64 {
    time_of(SystemTime::now())
}

/// A moment of the system's clock as a time, as `View::state_at` takes it.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// let yesterday = syncline_os::time_of(SystemTime::now() - Duration::from_secs(86_400));
/// assert!(yesterday < syncline_os::wall_clock());
/// ```
pub fn time_of(moment: SystemTime) -> NTP64 {
    ntp64(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A span since 1970 as a time; the end of time if it is longer.
pub fn ntp64(since_1970: Duration) -> NTP64 {
    syncline::format::time::after(NTP64(0), since_1970)
}

/// A new replica's identity.
///
/// # Panics
/// If the system has no random source. Every supported system has one.
pub fn replica_id() -> ReplicaId {
    ReplicaId::from_bytes(bytes()).expect("128 random bits are not all zero")
}

/// A new log's identity.
///
/// # Panics
/// As [`replica_id`].
pub fn log_id() -> LogId {
    LogId::from_bytes(bytes()).expect("128 random bits are not all zero")
}

/// A new token. Show it once, store its hash.
///
/// # Panics
/// As [`replica_id`].
pub fn token() -> Token {
    Token::from_secret(bytes())
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("every supported system has a source of chance");
    bytes
}
