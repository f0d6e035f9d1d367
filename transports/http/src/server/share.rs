//! Limited resources that users share: bytes of messages, requests under way, streams.
//!
//! Each user may hold as much as is still free. One user who takes everything gets half, two such users get a third each, and so on.
//! So something is left for the next user, and nothing is reserved in vain. These are the dynamic thresholds by which switches share
//! their buffers (Choudhury and Hahne, 1998).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use syncline::authority::Name;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The whole, and who holds how much of it.
#[derive(Debug)]
pub(super) struct Pot {
    total: usize,
    books: Mutex<Books>,
    /// Tells those who wait that something was given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Books {
    held: usize,
    by: BTreeMap<Name, usize>,
}

impl Pot {
    pub(super) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { total, books: Mutex::default(), freed: Notify::new() })
    }

    /// A share for a user, if they may have as much now.
    pub(super) fn take(self: &Arc<Self>, user: &Name, amount: usize) -> Option<Share> {
        let mut share = Share { pot: self.clone(), user: user.clone(), amount: 0 };
        share.grow(amount).then_some(share)
    }

    /// A share for a user, waited for. Who waits holds nothing.
    pub(super) async fn wait(self: &Arc<Self>, user: &Name, amount: usize, patience: Duration) -> Option<Share> {
        let waiting = async {
            loop {
                // Listening comes before looking, so that nothing given back is missed.
                let freed = self.freed.notified();
                match self.take(user, amount) {
                    Some(share) => return share,
                    None => freed.await,
                }
            }
        };
        timeout(patience, waiting).await.ok()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one request holds of a pot. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share {
    pot: Arc<Pot>,
    user: Name,
    amount: usize,
}

impl Share {
    /// Takes more, if the user may have it now.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let mut books = self.pot.books();
        let held = books.by.get(&self.user).copied().unwrap_or_default() + more;
        if books.held + more > self.pot.total || held > self.pot.total - books.held - more {
            return false;
        }
        books.held += more;
        books.by.insert(self.user.clone(), held);
        self.amount += more;
        true
    }

    /// Gives back what exceeds this amount, or takes what is lacking, if the user may have it now.
    pub(super) fn resize(&mut self, amount: usize) -> bool {
        self.shrink(amount);
        self.grow(amount - self.amount)
    }

    /// Gives back what exceeds this amount.
    pub(super) fn shrink(&mut self, amount: usize) {
        let less = self.amount.saturating_sub(amount);
        if less == 0 {
            return;
        }
        let mut books = self.pot.books();
        books.held -= less;
        match books.by.get_mut(&self.user) {
            Some(held) if *held > less => *held -= less,
            _ => drop(books.by.remove(&self.user)),
        }
        drop(books);
        self.amount -= less;
        self.pot.freed.notify_waiters();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    /// As many shares of one as the user gets.
    fn all_of(pot: &Arc<Pot>, name: &str) -> Vec<Share> {
        std::iter::from_fn(|| pot.take(&user(name), 1)).collect()
    }

    #[test]
    fn whoever_takes_all_they_can_leaves_as_much_as_they_have() {
        let pot = Pot::new(120);
        let ann = all_of(&pot, "ann");
        assert_eq!(ann.len(), 60);
        let ben = all_of(&pot, "ben");
        assert_eq!(ben.len(), 30);
        assert_eq!(all_of(&pot, "eve").len(), 15);
        drop(ann);
        assert_eq!(all_of(&pot, "eve").len(), 45);
        drop(ben);
        let books = pot.books();
        assert_eq!((books.held, books.by.len()), (0, 0));
    }

    #[test]
    fn a_share_grows_as_far_as_its_user_may_and_gives_back_what_it_does_not_need() {
        let pot = Pot::new(100);
        let mut share = pot.take(&user("ann"), 30).unwrap();
        assert!(share.grow(20) && !share.grow(1));
        share.shrink(10);
        assert_eq!(pot.books().held, 10);
        assert!(!share.grow(41) && share.grow(40));
        assert!(share.resize(20) && share.resize(30) && !share.resize(51));
        assert_eq!(pot.books().held, 30);
    }

    #[tokio::test]
    async fn whoever_waits_gets_what_is_given_back_and_nobody_waits_for_ever() {
        let pot = Pot::new(10);
        let held = pot.take(&user("ann"), 5).unwrap();
        assert!(pot.wait(&user("ann"), 1, Duration::from_millis(1)).await.is_none());
        let waiting = tokio::spawn({
            let pot = pot.clone();
            async move { pot.wait(&user("ann"), 4, Duration::from_secs(60)).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap());
    }
}
