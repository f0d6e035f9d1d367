//! When to repeat a request, and after what pause.

use std::time::Duration;

use syncline::TransportError;
use syncline::protocol::Code;

use crate::random;

/// How often and how fast a client repeats a request. Every request may be repeated: that is the protocol's promise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    /// At least 1.
    pub(super) attempts: u32,
    /// The longest first pause.
    pub(super) first: Duration,
    /// The longest pause.
    pub(super) most: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 4, first: Duration::from_millis(100), most: Duration::from_secs(5) }
    }
}

/// What one attempt has come to, if it failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: TransportError,
    /// What a server, or a gateway before it, asks the client to wait.
    pub(super) wait: Option<Duration>,
    /// Whether it tends to be over in a moment.
    pub(super) is_brief: bool,
}

impl From<TransportError> for Failed {
    fn from(error: TransportError) -> Self {
        let (wait, is_brief) = match &error {
            TransportError::Refused(problem) => (problem.retry_after(), matches!(problem.code, Code::Busy { .. })),
            TransportError::Unreachable(_) | TransportError::Interrupted(_) => (None, true),
            _ => (None, false),
        };
        Self { error, wait, is_brief }
    }
}

impl Retry {
    /// Waits until the request may be repeated, after `made` attempts.
    ///
    /// # Errors
    /// What has failed if a further attempt is not worth it or there have been enough.
    pub(super) async fn again(&self, made: u32, failed: Failed) -> Result<(), TransportError> {
        let Some(pause) = self.pause(made, &failed, random::number()) else { return Err(failed.error) };
        tracing::debug!(error = %failed.error, made, ?pause, "the request is repeated");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// How long to wait after this number of attempts; `None` if there is no further one.
    fn pause(&self, made: u32, failed: &Failed, random: u64) -> Option<Duration> {
        let asked = failed.wait.unwrap_or_default();
        if !failed.is_brief || made >= self.attempts || asked > self.most {
            return None;
        }
        Some(jittered(self.first, self.most, made, random).max(asked))
    }
}

/// A pause that doubles with every attempt made, from `first` up to `most`, and lies somewhere in its upper half: jitter keeps
/// clients apart, the lower bound keeps them from hammering.
pub(super) fn jittered(first: Duration, most: Duration, made: u32, random: u64) -> Duration {
    let longest = first.saturating_mul(1 << made.saturating_sub(1).min(20)).min(most);
    longest.mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline::protocol::Problem;

    fn unreachable() -> Failed {
        TransportError::Unreachable("nobody is there".into()).into()
    }

    fn busy(retry_after_ms: u64) -> Failed {
        TransportError::Refused(Problem::new(Code::Busy { retry_after_ms }, "later")).into()
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_jittered() {
        let retry = Retry { attempts: u32::MAX, ..Retry::default() };
        let longest = |made| retry.pause(made, &unreachable(), u64::MAX).unwrap().as_millis();
        let shortest = |made| retry.pause(made, &unreachable(), 0).unwrap().as_millis();
        assert_eq!([1, 2, 3, 6, 7, 1_000].map(longest), [100, 200, 400, 3_200, 5_000, 5_000]);
        assert_eq!([1, 2, 1_000].map(shortest), [50, 100, 2_500]);
    }

    #[test]
    fn a_server_is_left_alone_for_as_long_as_it_asks_or_not_asked_again() {
        let retry = Retry::default();
        assert_eq!(retry.pause(1, &busy(3_000), 0), Some(Duration::from_secs(3)));
        assert_eq!(retry.pause(1, &busy(0), 0), Some(Duration::from_millis(50)));
        assert_eq!(retry.pause(1, &busy(60_000), 0), None);
    }

    #[test]
    fn only_what_may_succeed_is_repeated_and_not_for_ever() {
        let retry = Retry { attempts: 3, ..Retry::default() };
        assert!(retry.pause(2, &unreachable(), 0).is_some());
        assert!(retry.pause(3, &unreachable(), 0).is_none());
        for code in [Code::Malformed, Code::Unauthorized, Code::Internal, Code::TooLarge] {
            let refused: Failed = TransportError::Refused(Problem::new(code, "no")).into();
            assert!(retry.pause(1, &refused, 0).is_none(), "{refused:?}");
        }
        assert!(retry.pause(1, &TransportError::Garbled("noise".into()).into(), 0).is_none());
    }
}
