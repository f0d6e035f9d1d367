//! The last messages of a link.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::message::{Came, Message, What};

/// How many messages are kept.
const KEPT: usize = 200;

/// The last messages of a link, and how many there were. Clones are one.
#[derive(Debug, Clone)]
pub struct Messages {
    kept: Arc<Mutex<Kept>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The number of the first one that is kept.
    first: u64,
    messages: VecDeque<Message>,
}

impl Messages {
    /// None yet. `changed` is moved on with each message, and with each answer.
    pub fn new(changed: watch::Sender<u64>) -> Self {
        Self { kept: Arc::default(), changed }
    }

    /// The last `count` messages, latest first, each with its number.
    pub fn last(&self, count: usize) -> Vec<(u64, Message)> {
        let kept = self.kept();
        let numbered = (kept.first..).zip(&kept.messages);
        let skipped = kept.messages.len().saturating_sub(count);
        let mut last: Vec<_> = numbered.skip(skipped).map(|(number, message)| (number, message.clone())).collect();
        last.reverse();
        last
    }

    /// How many messages there were.
    pub fn count(&self) -> u64 {
        let kept = self.kept();
        kept.first + kept.messages.len() as u64
    }

    /// A message sets out.
    pub(crate) fn begin(&self, what: What) -> Underway {
        let number = self.push(what, Came::Nothing);
        Underway { messages: self.clone(), number, ended: false }
    }

    /// A message that wants no answer.
    pub(crate) fn tell(&self, what: What) {
        self.push(what, Came::Answer);
    }

    fn push(&self, what: What, came: Came) -> u64 {
        let mut kept = self.kept();
        if kept.messages.len() == KEPT {
            kept.messages.pop_front();
            kept.first += 1;
        }
        kept.messages.push_back(Message { at: SystemTime::now(), what, came });
        let number = kept.first + kept.messages.len() as u64 - 1;
        drop(kept);
        self.change();
        number
    }

    fn end(&self, number: u64, came: Came) {
        let mut kept = self.kept();
        let place = number.checked_sub(kept.first).and_then(|place| usize::try_from(place).ok());
        if let Some(message) = place.and_then(|place| kept.messages.get_mut(place)) {
            message.came = came;
        }
        drop(kept);
        self.change();
    }

    pub(crate) fn change(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere has not left it half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that is on its way. If it is dropped before it has ended, nobody waits for the answer any more.
#[derive(Debug)]
pub(crate) struct Underway {
    messages: Messages,
    number: u64,
    ended: bool,
}

impl Underway {
    pub(crate) fn end(mut self, came: Came) {
        self.ended = true;
        self.messages.end(self.number, came);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if !self.ended {
            self.messages.end(self.number, Came::GivenUp);
        }
    }
}
