//! Which history the server's data have, and what follows if it is not the one that they had.
//!
//! A standby that was promoted continues where it is, and so does a restored backup. What the server before it had acknowledged may be
//! missing. Other commits may take the same positions and the same revisions, and then nobody could tell the old log's end from the
//! new one's. So each log gets a new identity, as a restored log does: who has read further than the log goes now is told so, and
//! brings back what is missing. The revisions continue beyond any that the old server can have reached: what a process remembers of a
//! revision stays true, and who waits for a larger one is woken.
//!
//! The server tells by its own identity and by its timeline, which every promotion and every restore to a point in time raises.

use std::sync::{Mutex, PoisonError};

/// What the server shows of its history. A standby has none of its own.
pub(crate) const SHOWN: &str = "CASE WHEN pg_is_in_recovery() THEN 'standby'
    ELSE (SELECT system_identifier::text FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) END";

/// The history that the server had when somebody looked last.
#[derive(Debug)]
pub(crate) struct History(Mutex<String>);

impl History {
    pub(crate) fn new(now: String) -> Self {
        Self(Mutex::new(now))
    }

    pub(crate) fn is(&self, found: &str) -> bool {
        self.now() == found
    }

    pub(crate) fn now(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, now: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}
