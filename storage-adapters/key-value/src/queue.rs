//! The bounded way from asynchronous callers to threads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event_listener::Event as Signal;

/// First in, first out. Callers wait where what is queued weighs too much, so that slow work fills no memory.
pub(crate) struct Queue<T> {
    line: Mutex<Line<T>>,
    /// Wakes threads, when items arrive or the queue closes.
    arrived: Condvar,
    /// Wakes callers, when room has been made or the queue closes.
    left: Signal,
    weight_max: usize,
}

struct Line<T> {
    items: VecDeque<(T, usize)>,
    weight: usize,
    open: bool,
    /// How many items a waiting thread waits for: fewer need not wake it.
    wanted: usize,
}

/// The threads behind the queue have ended, or are about to.
#[derive(Debug)]
pub(crate) struct Closed;

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("items", &self.line().items.len()).finish_non_exhaustive()
    }
}

impl<T> Queue<T> {
    /// An empty queue. It takes an item of any weight where nothing is queued.
    pub(crate) fn new(weight_max: usize) -> Self {
        let line = Line { items: VecDeque::new(), weight: 0, open: true, wanted: 1 };
        Self { line: Mutex::new(line), arrived: Condvar::new(), left: Signal::new(), weight_max }
    }

    /// Appends an item, after waiting for room. Dropping the future before it is done drops the item.
    pub(crate) async fn push(&self, item: T, weight: usize) -> Result<(), Closed> {
        let mut item = Some(item);
        loop {
            // Listening comes before looking, so that no room is missed.
            let listener = self.left.listen();
            if self.offer(&mut item, weight)? {
                return Ok(());
            }
            listener.await;
        }
    }

    /// Takes the item where there is room.
    fn offer(&self, item: &mut Option<T>, weight: usize) -> Result<bool, Closed> {
        let mut line = self.line();
        if !line.open {
            return Err(Closed);
        }
        if !line.items.is_empty() && line.weight + weight > self.weight_max {
            return Ok(false);
        }
        line.weight += weight;
        line.items.extend(item.take().map(|item| (item, weight)));
        let enough = line.items.len() >= line.wanted;
        drop(line);
        if enough {
            self.arrived.notify_one();
        }
        Ok(true)
    }

    /// Takes the first item, after waiting for one; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut line = self.wait(1, None);
        let (item, weight) = line.items.pop_front()?;
        line.weight -= weight;
        drop(line);
        self.left.notify(usize::MAX);
        Some(item)
    }

    /// Takes all items, after waiting for one; none once the queue is closed and empty. Where there are fewer than `hoped`,
    /// it waits for those up to `patience` longer.
    pub(crate) fn pop_all(&self, hoped: usize, patience: Duration) -> Vec<T> {
        let mut line = self.wait(1, None);
        if line.items.len() < hoped && !patience.is_zero() {
            drop(line);
            line = self.wait(hoped, Some(Instant::now() + patience));
        }
        line.weight = 0;
        let items = std::mem::take(&mut line.items);
        drop(line);
        self.left.notify(usize::MAX);
        items.into_iter().map(|(item, _)| item).collect()
    }

    /// Takes no more items. What is queued is still given out.
    pub(crate) fn close(&self) {
        self.line().open = false;
        self.arrived.notify_all();
        self.left.notify(usize::MAX);
    }

    /// Takes no more items, and drops what is queued.
    pub(crate) fn abandon(&self) {
        self.close();
        let items = std::mem::take(&mut self.line().items);
        drop(items);
    }

    fn wait(&self, count: usize, until: Option<Instant>) -> MutexGuard<'_, Line<T>> {
        let mut line = self.line();
        while line.open && line.items.len() < count {
            line.wanted = count;
            line = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self.arrived.wait(line).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => self.arrived.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        line.wanted = 1;
        line
    }

    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, pin_mut};

    #[test]
    fn who_finds_no_room_waits_until_there_is_some() {
        let queue = Queue::new(10);
        let push = |item, weight| queue.push(item, weight);
        assert!(push("heavier than allowed", 11).now_or_never().is_some());
        let second = push("second", 1);
        pin_mut!(second);
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(queue.pop(), Some("heavier than allowed"));
        assert!(second.now_or_never().is_some());
        assert!(push("third", 9).now_or_never().is_some());
        assert!(push("fourth", 1).now_or_never().is_none());
        assert_eq!(queue.pop_all(1, Duration::ZERO), ["second", "third"]);
    }

    #[test]
    fn what_is_queued_is_given_out_after_the_queue_is_closed() {
        let queue = Queue::new(10);
        let _ = queue.push(1, 1).now_or_never();
        let _ = queue.push(2, 1).now_or_never();
        queue.close();
        assert!(matches!(queue.push(3, 1).now_or_never(), Some(Err(Closed))));
        assert_eq!((queue.pop(), queue.pop_all(1, Duration::ZERO)), (Some(1), vec![2]));
        assert_eq!((queue.pop(), queue.pop_all(9, Duration::from_secs(3600))), (None, vec![]));
    }

    #[test]
    fn a_closed_queue_lets_those_go_who_wait_for_room() {
        let queue = Queue::new(1);
        let _ = queue.push(1, 1).now_or_never();
        let waiting = queue.push(2, 1);
        pin_mut!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        queue.abandon();
        assert!(matches!(waiting.now_or_never(), Some(Err(Closed))));
        assert_eq!(queue.pop(), None);
    }
}
