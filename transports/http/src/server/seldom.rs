//! Log lines that are written seldom, however often their cause happens, so that they do not fill the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a line of the log stands for all that would follow it.
const PERIOD: Duration = Duration::from_secs(10);

/// When something was said last.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    at: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// Whether to say it again, and how often it has happened since it was said last.
    pub(super) fn again(&self) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.unsaid += 1;
        if said.at.is_some_and(|at| at.elapsed() < PERIOD) {
            return None;
        }
        said.at = Some(Instant::now());
        Some(std::mem::take(&mut said.unsaid))
    }
}
