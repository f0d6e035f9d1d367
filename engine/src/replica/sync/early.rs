//! Own bundles whose times are too far ahead of the peer's clock: the peer does not accept them yet.
//!
//! The peer has told its clock, so these bundles are found before they are sent. A tail that was never sent gets the times it should have
//! had. A bundle that may have been sent does not change. It waits if the wait is short. Otherwise it moves under a new identity, because
//! nothing behind it could ever reach this peer. A peer that has it under its old name then has its events twice.

use std::time::Duration;

use super::{Session, SyncError, WaitCause, Waiting};
use crate::clock::ClockDrift;
use crate::format::heads::Head;
use crate::format::time::{NTP64, after, ahead};
use crate::id::{Dot, Seq};
use crate::protocol::{Code, Problem, Reply, Request};
use crate::replica::heal::{Healed, PeerClock, Repair};
use crate::replica::locked;
use crate::reserved::PeerRow;
use crate::store::StoredRun;

/// A wait is short up to this many times the allowed drift: two minutes by default.
const SHORT_WAIT: u32 = 2;

/// An own bundle that the peer does not take yet.
#[derive(Debug, Clone)]
pub(super) struct TooEarly {
    /// The own head with it.
    pub(super) at: Head,
    pub(super) problem: Problem,
}

impl Session<'_> {
    /// What of these own runs the peer may take now, and the first bundle that it does not take yet: the one that it has refused, or one
    /// that its clock tells.
    pub(super) fn offer(
        &self,
        stored: Vec<StoredRun>,
        refused: Option<&(Seq, Problem)>,
    ) -> (Vec<StoredRun>, Option<TooEarly>) {
        let known = self.theirs.heads.get(self.own).seq;
        let bound = self.bound();
        let last = refused.map_or(u64::MAX, |(at, _)| at.get() - 1);
        let mut offer = Vec::with_capacity(stored.len());
        for stored in stored {
            if stored.run.last_time() <= bound && stored.run.last().get() <= last {
                offer.push(stored);
                continue;
            }
            let early = |dot: Dot, time| dot.seq.get() > last || (dot.seq > known && time > bound);
            let mut chain = stored.previous;
            let first = stored.run.bundles().find(|bundle| {
                chain = bundle.chain_after(chain);
                early(bundle.dot, bundle.time)
            });
            let Some(at) = first.map(|bundle| Head { seq: bundle.dot.seq, chain, time: bundle.time }) else {
                offer.push(stored);
                continue;
            };
            let before = stored.run.until(Seq::new(at.seq.get() - 1), stored.previous);
            let before = before.filter(|_| stored.run.first() < at.seq);
            offer.extend(before.map(|run| StoredRun { run, ..stored }));
            let refused = refused.filter(|(seq, _)| *seq == at.seq).map(|(_, problem)| problem.clone());
            return (offer, Some(TooEarly { at, problem: refused.unwrap_or_else(|| self.too_early(at)) }));
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

    fn too_early(&self, at: Head) -> Problem {
        let drift = ClockDrift { ahead: ahead(at.time, self.now()), allowed: self.allowed() };
        Problem::clock_ahead(Dot { origin: self.own, seq: at.seq }, drift)
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

    /// Gives the own bundles from `early` on other times, or another name with them if that is allowed. Returns whether there is
    /// something to send now. If not, the report says what waits, and why.
    pub(super) async fn retime(&mut self, early: TooEarly) -> Result<bool, SyncError> {
        let TooEarly { at, problem } = early;
        if self.ask_allowed().await? {
            return Ok(true);
        }
        let untried = !std::mem::replace(&mut self.retimed, true) && !self.inner.shared;
        let healed = match self.believed().filter(|_| untried) {
            Some(peer) => self.repair(at, &problem, peer).await?,
            None => Healed::Not,
        };
        match healed {
            Healed::Bundles(_) => return Ok(true),
            // The new tail is read and judged, unless it has another identity.
            Healed::ByAnother => return Ok(self.inner.turn().await.id == self.own),
            Healed::Not => {}
        }
        self.report.waiting = self.waiting(at.seq, &problem).await;
        let doubted = |doubt| Problem::new(problem.code.clone(), format!("bundle {} has to wait: {doubt}", at.seq));
        self.report.stopped = Some(self.doubted().map(doubted).unwrap_or(problem));
        Ok(false)
    }

    /// Gives the own bundles from `at` on new times: under their names if they were never sent, else under others if they would have to
    /// wait for long.
    async fn repair(&mut self, at: Head, problem: &Problem, peer: PeerClock) -> Result<Healed, SyncError> {
        self.correct(peer.off);
        let restamped = self.inner.heal(before(at), Some(at), Repair::Restamp { peer }).await?;
        self.report.restamped += restamped.count();
        match restamped {
            Healed::Not if !is_short(problem, self.inner.clock.max_drift()) => self.move_on(at, peer).await,
            restamped => Ok(restamped),
        }
    }

    /// Moves the own bundles from `at` on under a new identity, with new times.
    async fn move_on(&mut self, at: Head, peer: PeerClock) -> Result<Healed, SyncError> {
        let Some(new_id) = &self.inner.new_id else { return Ok(Healed::Not) };
        let fresh = new_id();
        let healed = self.inner.heal(before(at), Some(at), Repair::Move { fresh, peer }).await?;
        if let Healed::Bundles(moved) = healed {
            // From here on the session speaks for the new identity, of which the peer has nothing.
            self.report.moved = moved;
            self.own = fresh;
            self.row = PeerRow { acked: Seq::ZERO, ..self.row };
        }
        Ok(healed)
    }

    async fn waiting(&self, at: Seq, problem: &Problem) -> Option<Waiting> {
        let Code::ClockAhead { ahead_ms, allowed_ms, .. } = problem.code else { return None };
        let turn = self.inner.turn().await;
        let cause = if self.inner.shared {
            WaitCause::Served
        } else if at <= locked(&self.inner.peers).acked() {
            WaitCause::Stored
        } else if at <= turn.seen() {
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

/// The last own bundle before this head's.
fn before(at: Head) -> Seq {
    Seq::new(at.seq.get() - 1)
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
