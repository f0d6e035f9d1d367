//! Taking turns: ours, by hand, ours, by hand. A disk that changes its mind then does it to both.

use std::time::{Duration, Instant};

/// What each round measured.
#[derive(Debug, Clone, Default)]
pub struct Rounds {
    ours: Vec<f64>,
    by_hand: Vec<f64>,
}

impl Rounds {
    /// Notes one round: how many events took how long on either side.
    pub fn note(&mut self, events: usize, ours: Duration, by_hand: Duration) {
        self.note_values(rate(events, ours), rate(events, by_hand));
    }

    /// Notes one round of values that were measured otherwise.
    pub fn note_values(&mut self, ours: f64, by_hand: f64) {
        self.ours.push(ours);
        self.by_hand.push(by_hand);
    }

    /// The median of our values.
    pub fn ours(&self) -> f64 {
        median(self.ours.clone())
    }

    /// The median of the values by hand.
    pub fn by_hand(&self) -> f64 {
        median(self.by_hand.clone())
    }

    /// Each round's ratio, ours to by hand. What slowed a whole round down is not in it.
    pub fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.by_hand).map(|(ours, by_hand)| ours / by_hand).collect()
    }

    /// The median of the rounds' ratios.
    pub fn ratio(&self) -> f64 {
        median(self.ratios())
    }
}

/// Events per second.
pub fn rate(events: usize, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}

/// How long it takes.
///
/// # Errors
/// The error of `work`.
pub fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<Duration, E> {
    let start = Instant::now();
    work().map(|_| start.elapsed())
}

/// The middle of some values; not a number if there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(low), values.get(high)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_and_of_two_their_mean() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), 3.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_slow_round_does_not_change_the_ratio() {
        let mut rounds = Rounds::default();
        for slow in [1.0, 7.0, 1.0] {
            rounds.note_values(8.0 / slow, 10.0 / slow);
        }
        assert!((rounds.ratio() - 0.8).abs() < 1e-9);
    }
}
