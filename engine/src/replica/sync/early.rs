//! Own bundles whose times lie too far ahead of the peer's clock: it does not take them yet.
//!
//! The peer has told its clock, so they are found before they are sent, and a tail that was never sent gets the times it should have
//! had. What may have been sent already stays what it is. It waits if the wait is short. Otherwise it moves under a new identity, since
//! nothing behind it could ever reach this peer; whoever has it under its old name then has its events twice.

use std::time::Duration;

use super::{Session, SyncError, WaitCause, Waiting};
use crate::clock::ClockDrift;
use crate::id::{Dot, Seq};
use crate::protocol::{Code, Problem, Reply, Request};
use crate::replica::heal::{Cure, PeerClock};
use crate::replica::locked;
use crate::reserved::PeerRow;
use crate::store::StoredRun;
use crate::time::{NTP64, after, ahead};

/// A wait is short up to so many times the drift that is allowed: two minutes, unless told otherwise.
const SHORT_WAIT: u32 = 2;

/// An own bundle that the peer does not take yet.
#[derive(Debug, Clone)]
pub(super) struct TooEarly {
    pub(super) at: Seq,
    pub(super) problem: Problem,
}

impl Session<'_> {
    /// What of these own runs the peer may take now, and the first bundle that it does not take yet: the one that it has refused, or one
    /// that its clock tells.
    pub(super) fn offer(
        &self,
        stored: Vec<StoredRun>,
        refused: Option<&TooEarly>,
    ) -> (Vec<StoredRun>, Option<TooEarly>) {
        let known = self.theirs.heads.get(self.own).seq;
        let bound = self.bound();
        let last = refused.map_or(u64::MAX, |refused| refused.at.get() - 1);
        let mut offer = Vec::with_capacity(stored.len());
        for stored in stored {
            if stored.run.last_time() <= bound && stored.run.last().get() <= last {
                offer.push(stored);
                continue;
            }
            let early = |dot: Dot, time| dot.seq.get() > last || (dot.seq > known && time > bound);
            let first = stored.run.bundles().find(|bundle| early(bundle.dot, bundle.time));
            let Some((dot, time)) = first.map(|bundle| (bundle.dot, bundle.time)) else {
                offer.push(stored);
                continue;
            };
            let before = stored.run.until(Seq::new(dot.seq.get() - 1), stored.previous);
            let before = before.filter(|_| stored.run.first() < dot.seq);
            offer.extend(before.map(|run| StoredRun { run, ..stored }));
            let refused = refused.filter(|refused| refused.at == dot.seq).cloned();
            return (offer, Some(refused.unwrap_or_else(|| self.too_early(dot, time))));
        }
        (offer, None)
    }

    /// The latest time that the peer believes, as far as is known. If it says nothing of its clock, this device's own has to do: what is
    /// not sent can still get another time.
    pub(super) fn bound(&self) -> NTP64 {
        let now = self.now();
        if now == NTP64(0) { NTP64(u64::MAX) } else { after(now, self.allowed()) }
    }

    fn now(&self) -> NTP64 {
        if self.clock == NTP64(0) { self.inner.clock.physical() } else { self.clock }
    }

    /// How far ahead the peer lets times lie: as far as this replica does, unless it was asked.
    pub(super) fn allowed(&self) -> Duration {
        self.allowed.unwrap_or(self.inner.clock.max_drift())
    }

    fn too_early(&self, at: Dot, time: NTP64) -> TooEarly {
        let drift = ClockDrift { ahead: ahead(time, self.now()), allowed: self.allowed() };
        TooEarly { at: at.seq, problem: Problem::clock_ahead(at, drift) }
    }

    /// Asks the peer how far ahead it lets times lie. Returns whether that is news.
    async fn ask_allowed(&mut self) -> Result<bool, SyncError> {
        if self.allowed.is_some() {
            return Ok(false);
        }
        let answer = self.peer.call(Request::Hello).await?;
        let Reply::Hello(hello) = answer.reply else { return Err(SyncError::Unexpected) };
        self.allowed = Some(Duration::from_millis(hello.drift_ms_max));
        self.hear_clock(answer.clock);
        Ok(true)
    }

    /// Gives the own bundles from `early` on other times, or another name with them, where that is allowed. Returns whether there is
    /// something to send now. If not, the report says what waits, and why.
    pub(super) async fn retime(&mut self, early: TooEarly) -> Result<bool, SyncError> {
        let TooEarly { at, problem } = early;
        if self.ask_allowed().await? {
            return Ok(true);
        }
        let before = Seq::new(at.get() - 1);
        let untried = !std::mem::replace(&mut self.retimed, true) && !self.inner.served;
        if let Some(peer) = self.believed().filter(|_| untried) {
            self.correct(peer.off);
            let restamped = self.inner.heal(before, None, Cure::Restamp { peer }).await?;
            self.report.restamped += restamped;
            if restamped == 0 && !is_short(&problem, self.inner.clock.max_drift()) {
                self.move_on(before, peer).await?;
            }
            if restamped + self.report.moved > 0 {
                return Ok(true);
            }
        }
        self.report.waiting = self.waiting(at, &problem).await;
        let doubted = |doubt| Problem::new(problem.code.clone(), format!("bundle {at} has to wait: {doubt}"));
        self.report.stopped = Some(self.doubted().map(doubted).unwrap_or(problem));
        Ok(false)
    }

    /// Moves the own bundles behind `before` under a new identity, with new times.
    async fn move_on(&mut self, before: Seq, peer: PeerClock) -> Result<(), SyncError> {
        let Some(identities) = &self.inner.identities else { return Ok(()) };
        let fresh = identities();
        self.report.moved = self.inner.heal(before, None, Cure::Move { fresh, peer }).await?;
        if self.report.moved > 0 {
            // From here on the session speaks for the new identity, of which the peer has nothing.
            self.own = fresh;
            self.row = PeerRow { acked: Seq::ZERO, ..self.row };
        }
        Ok(())
    }

    async fn waiting(&self, at: Seq, problem: &Problem) -> Option<Waiting> {
        let Code::ClockAhead { ahead_ms, allowed_ms, .. } = problem.code else { return None };
        let turn = self.inner.turn.lock().await;
        let cause = if self.inner.served {
            WaitCause::Served
        } else if at <= locked(&self.inner.peers).acked() {
            WaitCause::Stored
        } else if at <= self.inner.seen(&turn) {
            WaitCause::Sent
        } else if self.believed().is_none() {
            WaitCause::Doubted
        } else {
            WaitCause::Follows
        };
        let drift = ClockDrift { ahead: Duration::from_millis(ahead_ms), allowed: Duration::from_millis(allowed_ms) };
        let bundles = turn.status.heads.get(self.own).seq.since(Seq::new(at.get() - 1));
        Some(Waiting { dot: Dot { origin: self.own, seq: at }, bundles, drift, cause })
    }
}

/// Whether the peer takes the bundle soon without anything being done.
fn is_short(problem: &Problem, drift: Duration) -> bool {
    match problem.code {
        Code::ClockAhead { ahead_ms, allowed_ms, .. } => {
            Duration::from_millis(ahead_ms.saturating_sub(allowed_ms)) <= drift.saturating_mul(SHORT_WAIT)
        }
        _ => true,
    }
}
