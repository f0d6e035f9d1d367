//! The bounded way from asynchronous callers to threads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event_listener::Event as Signal;

/// First in, first out. Bounded by the weight of what is queued, so that slow work holds up its callers and not memory.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Wakes threads that wait for items.
    filled: Condvar,
    /// Wakes callers that wait for room.
    drained: Signal,
    weight_max: usize,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    weight: usize,
    closed: bool,
    /// How many threads wait, and for how many items.
    waiting: usize,
    wanted: usize,
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("length", &self.len()).finish_non_exhaustive()
    }
}

/// The threads behind the queue have ended.
#[derive(Debug)]
pub(crate) struct Closed;

impl<T> Queue<T> {
    pub(crate) fn new(weight_max: usize) -> Self {
        let state = State { items: VecDeque::new(), weight: 0, closed: false, waiting: 0, wanted: 1 };
        Self { state: Mutex::new(state), filled: Condvar::new(), drained: Signal::new(), weight_max }
    }

    /// Appends an item, after waiting for room if there is none. Dropping the future before it is done drops the item.
    pub(crate) async fn push(&self, item: T, weight: usize) -> Result<(), Closed> {
        let mut item = Some(item);
        while !self.try_push(&mut item, weight)? {
            let listener = self.drained.listen();
            if self.try_push(&mut item, weight)? {
                break;
            }
            listener.await;
        }
        Ok(())
    }

    fn try_push(&self, item: &mut Option<T>, weight: usize) -> Result<bool, Closed> {
        let mut state = self.state();
        if state.closed {
            return Err(Closed);
        }
        if state.weight + weight > self.weight_max && !state.items.is_empty() {
            return Ok(false);
        }
        state.weight += weight;
        state.items.extend(item.take().map(|item| (item, weight)));
        let wake = state.waiting > 0 && state.items.len() >= state.wanted;
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        Ok(true)
    }

    /// Takes the first item, after waiting for one; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut state = self.wait(1, None);
        let (item, weight) = state.items.pop_front()?;
        state.weight -= weight;
        drop(state);
        self.drained.notify(usize::MAX);
        Some(item)
    }

    /// Takes the first items: at most `max`, and no more than the first once they weigh more than `weight_max`. Waits for one
    /// for as long as it takes, then up to `patience` for `wanted`. Empty once the queue is closed and empty.
    pub(crate) fn pop_many(&self, max: usize, weight_max: usize, wanted: usize, patience: Duration) -> Vec<T> {
        let mut state = self.wait(1, None);
        if state.items.len() < wanted.min(max) && !patience.is_zero() {
            drop(state);
            state = self.wait(wanted.min(max), Some(Instant::now() + patience));
        }
        let (mut taken, mut weight) = (Vec::new(), 0);
        while let Some((item, size)) = state
            .items
            .pop_front_if(|(_, size)| taken.is_empty() || (taken.len() < max && weight + *size <= weight_max))
        {
            weight += size;
            taken.push(item);
        }
        state.weight -= weight;
        drop(state);
        self.drained.notify(usize::MAX);
        taken
    }

    /// How many items are queued.
    pub(crate) fn len(&self) -> usize {
        self.state().items.len()
    }

    /// Takes no more items. What is queued is still given out.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
        self.drained.notify(usize::MAX);
    }

    /// Closes the queue and drops what is queued.
    pub(crate) fn abandon(&self) {
        self.close();
        let items = std::mem::take(&mut self.state().items);
        drop(items);
    }

    fn wait(&self, wanted: usize, deadline: Option<Instant>) -> MutexGuard<'_, State<T>> {
        let mut state = self.state();
        while state.items.len() < wanted && !state.closed {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            state.waiting += 1;
            state.wanted = wanted;
            state = match left {
                Some(left) => self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.waiting -= 1;
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::*;

    const NO_PATIENCE: Duration = Duration::ZERO;
    /// Long enough to show that nobody waits it out.
    const ENDLESS: Duration = Duration::from_secs(3_600);

    /// Pushes an item that there is room for.
    fn push<T>(queue: &Queue<T>, item: T, weight: usize) {
        queue.push(item, weight).now_or_never().unwrap().unwrap();
    }

    #[test]
    fn items_come_out_as_they_went_in_and_the_rest_after_the_close() {
        let queue = Queue::new(100);
        (1..=5).for_each(|item| push(&queue, item, 1));
        assert_eq!(queue.pop(), Some(1));
        queue.close();
        assert!(matches!(queue.push(6, 1).now_or_never(), Some(Err(Closed))));
        assert_eq!(queue.pop_many(3, 100, 0, NO_PATIENCE), [2, 3, 4]);
        assert_eq!((queue.pop(), queue.pop()), (Some(5), None));
        assert!(queue.pop_many(3, 100, 9, ENDLESS).is_empty());
    }

    #[test]
    fn a_group_ends_where_it_weighs_enough_but_takes_one_item_of_any_weight() {
        let queue = Queue::new(1_000);
        for (item, weight) in [(1, 500), (2, 1), (3, 60), (4, 60)] {
            push(&queue, item, weight);
        }
        assert_eq!(queue.pop_many(10, 100, 0, NO_PATIENCE), [1]);
        assert_eq!(queue.pop_many(10, 100, 0, NO_PATIENCE), [2, 3]);
        assert_eq!(queue.pop_many(10, 100, 0, NO_PATIENCE), [4]);
    }

    #[test]
    fn a_full_queue_holds_its_callers_up_until_there_is_room() {
        let queue = Queue::new(10);
        push(&queue, "heavier than allowed", 50);
        let mut second = Box::pin(queue.push("second", 1));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(queue.pop(), Some("heavier than allowed"));
        assert!(second.now_or_never().is_some());
        push(&queue, "third", 9);
        assert!(queue.push("fourth", 1).now_or_never().is_none());
        assert_eq!(queue.pop_many(9, 100, 0, NO_PATIENCE), ["second", "third"]);
    }

    #[test]
    fn a_push_that_waits_for_room_learns_of_the_close() {
        let queue = Queue::new(1);
        push(&queue, 1, 1);
        let mut second = Box::pin(queue.push(2, 1));
        assert!(second.as_mut().now_or_never().is_none());
        queue.abandon();
        assert!(matches!(second.now_or_never(), Some(Err(Closed))));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn a_group_waits_for_as_many_as_are_wanted() {
        let queue = Arc::new(Queue::new(100));
        let taker = std::thread::spawn({
            let queue = queue.clone();
            move || queue.pop_many(10, 100, 3, ENDLESS)
        });
        (1..=3).for_each(|item| push(&queue, item, 1));
        assert_eq!(taker.join().unwrap(), [1, 2, 3]);
    }
}
