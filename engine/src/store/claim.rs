//! What this process has open, so that an adapter can say who keeps somebody out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many handles this process holds on each place.
static OPEN: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// A place that this process has open: a canonical path, or whatever names the data in the whole machine. An adapter keeps it next to
/// its lock for as long as it holds that lock, so that [`Holder::of`] can tell.
#[derive(Debug)]
pub struct Claim(String);

impl Claim {
    /// Notes that this process has `place` open, until the claim is dropped.
    pub fn new(place: impl Into<String>) -> Self {
        let place = place.into();
        *open().entry(place.clone()).or_default() += 1;
        Self(place)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut open = open();
        if let Some(count) = open.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.0);
            }
        }
    }
}

/// Who has the data open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// This process: a handle that was opened before is still alive.
    ThisProcess,
    /// Another process.
    AnotherProcess,
}

impl Holder {
    /// Who has `place` open, given that somebody has.
    pub fn of(place: &str) -> Self {
        if open().contains_key(place) { Self::ThisProcess } else { Self::AnotherProcess }
    }
}

/// Who it is, and what to do about it.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThisProcess => {
                "this process; use the handle that is open already, or drop it and every store opened from it first"
            }
            Self::AnotherProcess => "another process; stop that process, or open another file",
        })
    }
}

fn open() -> MutexGuard<'static, BTreeMap<String, usize>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_held_by_this_process_until_its_last_claim_is_dropped() {
        let place = "a place of this test";
        let claims = [Claim::new(place), Claim::new(place)];
        for claim in claims {
            assert_eq!(Holder::of(place), Holder::ThisProcess);
            drop(claim);
        }
        assert_eq!(Holder::of(place), Holder::AnotherProcess);
    }
}
