//! The least speed of a peer: how long it may let others wait.

use std::time::Duration;

/// Bytes that each second of waiting must bring.
const BYTES_PER_SECOND: u32 = 16 * 1024;

/// Waiting that a peer has left. Waiting uses it up, and bytes that move earn it again, never more than the patience there was at first. So
/// a peer that moves less than 16 KiB per second of waiting is given up soon, whatever it has moved before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    patience: Duration,
    left: Duration,
}

impl Floor {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, left: patience }
    }

    /// How long it may be waited for now.
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// It was waited for so long, and has moved so many bytes.
    pub(super) fn moved(&mut self, waited: Duration, bytes: usize) {
        let earned = Duration::from_secs(1).saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX)) / BYTES_PER_SECOND;
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(self.patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_peer_at_the_least_speed_goes_on_for_ever_and_a_slower_one_does_not() {
        let (mut fast, mut slow) = (Floor::new(30 * SECOND), Floor::new(30 * SECOND));
        for _ in 0..1_000 {
            fast.moved(SECOND, 16 * 1024);
            slow.moved(SECOND, 15 * 1024);
        }
        assert!(fast.left() == 30 * SECOND && slow.left() < SECOND, "{fast:?} {slow:?}");
    }

    #[test]
    fn what_moved_fast_earns_no_more_than_the_first_patience() {
        let mut floor = Floor::new(30 * SECOND);
        floor.moved(SECOND, 9 << 20);
        assert_eq!(floor.left(), 30 * SECOND);
        floor.moved(30 * SECOND, 1);
        assert!(floor.left() < SECOND);
    }
}
