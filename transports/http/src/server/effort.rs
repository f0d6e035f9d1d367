//! What it costs to unpack bodies, counted by user before it is spent.
//!
//! Some hundred bytes can unpack to nine million. Bodies that unpack to little more than their own size are not counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use syncline::authority::Name;
use tokio::time::Instant;

/// A body may unpack to this many times its size without being counted, because text compresses by less.
const RATIO_PAID: usize = 32;
/// Bytes beyond that which a user may have unpacked per second, in the long run.
const BYTES_PER_SECOND: usize = 32 * 1024 * 1024;
/// Bytes that a user may have unpacked at once.
const BURST_BYTES: usize = 64 * 1024 * 1024;
/// Users that are remembered before those who have paid everything are looked for.
const USERS_MAX: usize = 1_024;

/// What each user owes.
#[derive(Debug, Default)]
pub(super) struct Efforts(Mutex<BTreeMap<Name, Owed>>);

#[derive(Debug, Clone, Copy)]
struct Owed {
    bytes: usize,
    at: Instant,
}

impl Owed {
    /// What is left to pay at this moment.
    fn by(self, now: Instant) -> usize {
        let paid = now.saturating_duration_since(self.at).as_secs_f64() * BYTES_PER_SECOND as f64;
        self.bytes.saturating_sub(paid as usize)
    }
}

impl Efforts {
    /// The unpacking of a body of so many bytes.
    pub(super) fn of<'a>(&'a self, user: &'a Name, packed: usize) -> Effort<'a> {
        Effort { efforts: self, user, paid: packed.saturating_mul(RATIO_PAID) }
    }

    fn count(&self, user: &Name, cost: usize) -> Result<(), Duration> {
        if cost == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= USERS_MAX {
            users.retain(|_, owed| owed.by(now) > 0);
        }
        let owed = users.get(user).map_or(0, |owed| owed.by(now));
        let over = (owed + cost).saturating_sub(BURST_BYTES);
        // A user without debt is not refused, however large the body is.
        if over > 0 && owed > 0 {
            return Err(Duration::from_secs_f64(over.min(owed) as f64 / BYTES_PER_SECOND as f64));
        }
        users.insert(user.clone(), Owed { bytes: owed + cost, at: now });
        Ok(())
    }
}

/// One body.
#[derive(Debug)]
pub(super) struct Effort<'a> {
    efforts: &'a Efforts,
    user: &'a Name,
    /// Bytes that the sender has paid for.
    paid: usize,
}

impl Effort<'_> {
    /// Counts the unpacking of so many bytes more, or says how long to wait before it may be done.
    pub(super) fn count(&mut self, unpacked: usize) -> Result<(), Duration> {
        let paid = unpacked.min(self.paid);
        self.paid -= paid;
        self.efforts.count(self.user, unpacked - paid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn user(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn tiny_bodies_that_unpack_to_millions_are_held_to_a_rate_and_others_are_not() {
        let efforts = Efforts::default();
        let (ann, ben) = (user("ann"), user("ben"));
        let at_once = (0..100).take_while(|_| efforts.of(&ann, 307).count(9 * MIB).is_ok()).count();
        assert_eq!(at_once, 7);
        assert_eq!(efforts.of(&ben, 307).count(9 * MIB), Ok(()));
        for _ in 0..1_000 {
            assert_eq!(efforts.of(&ann, MIB).count(9 * MIB), Ok(()), "it is paid for with bytes");
        }
        let wait = efforts.of(&ann, 307).count(9 * MIB).unwrap_err();
        assert!(wait < Duration::from_secs(1), "{wait:?}");
        tokio::time::advance(wait).await;
        assert_eq!(efforts.of(&ann, 307).count(9 * MIB), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn users_who_have_paid_are_forgotten() {
        let efforts = Efforts::default();
        for number in 0..3 * USERS_MAX {
            efforts.of(&user(&format!("u{number}")), 1).count(MIB).unwrap();
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        assert!(efforts.0.lock().unwrap().len() <= USERS_MAX);
    }
}
