//! Handing over what the peer lacks.

use std::collections::BTreeSet;
use std::time::Duration;

use super::size::Sent;
use super::{Session, SyncError};
use crate::format::heads::{Difference, Head};
use crate::format::run::{Run, pack};
use crate::format::time::{NTP64, before};
use crate::id::{Cursor, Dot, Position, ReplicaId, Seq};
use crate::protocol::{Code, Problem, Push, Pushed, Reply, Request};
use crate::replica::leave::Leave;
use crate::store::lacking::place_before_lacking;
use crate::store::{Limit, StoreError, StoredRun};
use crate::transport::TransportError;

/// How often a push is adapted to what the peer answers (a gap, a clock) before it is given up until the next sync.
const PUSH_CHANGES_MAX: u32 = 3;

impl Session<'_> {
    /// Hands over own bundles, then those of others that the peer lacks: it may have been restored, or it may be reached only
    /// through this replica.
    pub(super) async fn push(&mut self) -> Result<(), SyncError> {
        self.push_own(Seq::new(u64::MAX)).await?;
        match &self.report.stopped {
            Some(problem) if !is_not_owner(problem) => Ok(()),
            _ => self.push_others().await,
        }
    }

    /// Hands own bundles over, from the last that the peer has both answered for and kept, up to the last that there is now: the
    /// application may write faster than they can be handed over, and the sync has more to do. None behind `until` are handed over.
    pub(super) async fn push_own(&mut self, until: Seq) -> Result<(), SyncError> {
        let mut end = self.own_seq().await.min(until);
        let mut from = self.row.acked.min(self.theirs.heads.get(self.own).seq);
        let (mut changes, mut refused) = (0, None);
        while from < until {
            let stored = match self.inner.store.read_origin(self.own, from, self.push_limit()).await {
                Err(StoreError::Trimmed { dot, .. }) => {
                    let last = self.last_trimmed(dot).await?;
                    if self.theirs.heads.get(self.own).seq < last {
                        self.report.trimmed_here = Some(dot);
                        return Ok(());
                    }
                    // It has them, from here or from another peer.
                    from = last;
                    self.row.acked = self.row.acked.max(last);
                    continue;
                }
                stored => stored?,
            };
            let cut = |StoredRun { run, previous, position }| {
                Some(StoredRun { run: run.until(until, previous)?, previous, position })
            };
            let (offer, too_early) = self.offer(stored.into_iter().filter_map(cut).collect(), refused.as_ref());
            let Some(last) = offer.last().map(|stored| stored.run.last()) else {
                let Some(early) = too_early else { return Ok(()) };
                if !self.retime(early).await? {
                    return Ok(());
                }
                // Under a new identity the peer has nothing.
                (from, refused) = (from.min(self.theirs.heads.get(self.own).seq), None);
                end = self.own_seq().await.min(until);
                continue;
            };
            match self.inner.leave(self.own, last, self.bound()).await? {
                Leave::Send => {}
                Leave::ReadAgain => continue,
                Leave::GivenUp => return Ok(()),
            }
            let runs = pack(offer.into_iter().map(|stored| stored.run).collect());
            let problem = match self.send(runs.clone()).await? {
                Ok(pushed) => {
                    from = self.acknowledge(from, last, pushed).await?;
                    if from >= end {
                        return Ok(());
                    }
                    continue;
                }
                Err(problem) => problem,
            };
            changes += 1;
            match problem.code {
                Code::Gap { expected, .. } if changes < PUSH_CHANGES_MAX => from = Seq::new(expected.get() - 1),
                Code::Fork { at } => return Err(SyncError::Forked { at }),
                // What precedes it passes; then it is seen what can be done about it.
                Code::ClockAhead { at, ahead_ms, allowed_ms }
                    if at.origin == self.own && changes < PUSH_CHANGES_MAX =>
                {
                    self.clock = clock_told(&runs, at, ahead_ms).unwrap_or(self.clock);
                    self.allowed = Some(Duration::from_millis(allowed_ms));
                    refused = Some((at.seq, problem));
                }
                _ => {
                    self.report.stopped = Some(problem);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Hands over bundles of other origins, in the order of this log, up to where it ends now: others may append faster than they can be
    /// handed over, and the sync has more to do. A peer takes them for origins that belong to nobody, and
    /// names those that belong to other devices. They are left to these devices.
    async fn push_others(&mut self) -> Result<(), SyncError> {
        let mut foreign = self.trimmed_origins().await?;
        let Some((mut cursor, end)) = self.first_lacking(&foreign).await? else { return Ok(()) };
        loop {
            let page = self.inner.store.read(cursor, self.push_limit()).await?;
            // Another sync may have given this replica a new identity. Bundles under it are its own, and are sent only once that is stored.
            if self.inner.turn().await.id != self.own {
                return Ok(());
            }
            let lacking = |stored: &StoredRun| {
                let known = self.theirs.heads.get(stored.run.origin()).seq;
                let is_for_us = |run: &Run| run.origin() != self.own && !foreign.contains(&run.origin());
                stored.run.since(known.plus(1)).filter(is_for_us)
            };
            let runs = pack(page.runs.iter().filter_map(lacking).collect());
            if !runs.is_empty() {
                let count: u64 = runs.iter().map(Run::count).sum();
                let sent: BTreeSet<_> = runs.iter().map(Run::origin).collect();
                match self.send(runs).await? {
                    Ok(pushed) => self.note(&pushed).await?,
                    Err(Problem { code: Code::Forbidden { mut origins }, .. }) => {
                        origins.retain(|origin| sent.contains(origin));
                        // It names none if it takes nothing from this device.
                        if origins.is_empty() {
                            return Ok(());
                        }
                        foreign.extend(origins);
                        continue;
                    }
                    Err(problem) => {
                        self.report.stopped.get_or_insert(problem);
                        return Ok(());
                    }
                }
                self.report.supplied += count;
            }
            if page.is_last() || page.next.position >= end {
                return Ok(());
            }
            cursor = page.next;
        }
    }

    /// The last bundle of an origin that has been trimmed, of which this is one.
    async fn last_trimmed(&self, Dot { origin, seq }: Dot) -> Result<Seq, StoreError> {
        let (mut trimmed, mut kept) = (seq.get(), self.inner.turn().await.status.heads.get(origin).seq.get() + 1);
        while kept - trimmed > 1 {
            let middle = trimmed + (kept - trimmed) / 2;
            match self.inner.store.read_origin(origin, Seq::new(middle - 1), Limit::items(1)).await {
                Err(StoreError::Trimmed { .. }) => trimmed = middle,
                found => kept = found.map(|_| middle)?,
            }
        }
        Ok(Seq::new(trimmed))
    }

    /// The other origins of which the peer lacks bundles that have been trimmed here. Later ones of them would leave a hole.
    async fn trimmed_origins(&mut self) -> Result<BTreeSet<ReplicaId>, StoreError> {
        let mut origins = BTreeSet::new();
        let status = self.inner.turn().await.status.clone();
        if status.base == Position::ZERO {
            return Ok(origins);
        }
        for Difference { origin, ours, theirs } in status.heads.differences(&self.theirs.heads) {
            if origin == self.own || ours.seq <= theirs.seq {
                continue;
            }
            match self.inner.store.read_origin(origin, theirs.seq, Limit::items(1)).await {
                Err(StoreError::Trimmed { dot, .. }) => {
                    self.report.trimmed_here.get_or_insert(dot);
                    origins.insert(origin);
                }
                found => drop(found?),
            }
        }
        Ok(origins)
    }

    /// The place before the first bundle of another origin that the peer lacks, or an earlier one, and where the log ends; `None` if it
    /// lacks none. Origins in `without` do not count.
    async fn first_lacking(&self, without: &BTreeSet<ReplicaId>) -> Result<Option<(Cursor, Position)>, StoreError> {
        let status = self.inner.turn().await.status.clone();
        let of_another = |origin| origin != self.own && !without.contains(&origin);
        let place = place_before_lacking(&*self.inner.store, &status, &self.theirs.heads, of_another).await?;
        Ok((place.position < status.head).then_some((place, status.head)))
    }

    /// Sends runs. A problem is an answer, except that the push is too large; other failures end the push.
    async fn send(&mut self, runs: Vec<Run>) -> Result<Result<Pushed, Problem>, SyncError> {
        self.sent = Sent::of(&runs);
        match self.peer.call(Request::Push(self.inner.space.clone(), Some(self.own), Push { runs })).await {
            Ok(answer) => {
                self.push_passed();
                self.clock = answer.clock;
                match answer.reply {
                    Reply::Push(pushed) if pushed.log == self.row.cursor.log => Ok(Ok(pushed)),
                    Reply::Push(_) => Err(SyncError::Replaced),
                    _ => Err(SyncError::Unexpected),
                }
            }
            Err(TransportError::Refused(problem)) if problem.code != Code::TooLarge => Ok(Err(problem)),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes what the peer has answered for own bundles. Refusals are stored at once, acknowledgements with the next commit.
    async fn acknowledge(&mut self, from: Seq, last: Seq, pushed: Pushed) -> Result<Seq, SyncError> {
        let through = pushed.through.iter().find(|(origin, _)| *origin == self.own).map_or(from, |(_, seq)| *seq);
        let through = through.min(last);
        if through <= from {
            return Err(SyncError::Unexpected);
        }
        self.note(&pushed).await?;
        self.report.pushed += through.since(from);
        self.row.acked = through;
        if !pushed.refused.is_empty() {
            self.inner.refuse(&pushed.refused, self.known()).await?;
            let dot = |origin, seq| Dot { origin, seq };
            let refused = pushed.refused.into_iter().map(|refused| (dot(refused.origin, refused.seq), refused.refusal));
            self.report.refused.extend(refused);
        }
        Ok(through)
    }

    /// Notes how far the peer now is.
    async fn note(&mut self, pushed: &Pushed) -> Result<(), StoreError> {
        if let Some((first, last)) = pushed.placed {
            // Nobody else has written in between: these bundles need not be skipped by a pull.
            let at_end = self.row.cursor.position == self.theirs.head.position;
            if at_end && self.row.cursor.position.plus(1) == first {
                self.row.cursor.position = last;
            }
            if self.exact.plus(1) == first {
                self.exact = last;
            }
            self.theirs.head.position = self.theirs.head.position.max(last);
        }
        let ours = self.inner.turn().await.status.heads.clone();
        for (origin, seq) in &pushed.through {
            let (ours, known) = (ours.get(*origin), self.theirs.heads.get(*origin).seq);
            if *seq > ours.seq {
                // From others. A pull up to where its log was seen to end does not bring that.
                self.beyond.insert(*origin, *seq);
            }
            let seq = (*seq).min(ours.seq);
            if seq > known
                && let Some(head) = self.head_at(*origin, seq, ours).await?
            {
                self.theirs.heads.set(*origin, head);
            }
        }
        Ok(())
    }

    /// An origin's head as it was here after bundle `seq`, which is not the last one if the application goes on writing. `None` if that has
    /// been trimmed.
    async fn head_at(&self, origin: ReplicaId, seq: Seq, now: Head) -> Result<Option<Head>, StoreError> {
        if seq == now.seq {
            return Ok(Some(now));
        }
        let stored = match self.inner.store.read_origin(origin, Seq::new(seq.get() - 1), Limit::items(1)).await {
            Err(StoreError::Trimmed { .. }) => return Ok(None),
            stored => stored?,
        };
        let head = |stored: &StoredRun| {
            let bundle = stored.run.bundles().next()?;
            Some(Head { seq, chain: bundle.chain_after(stored.previous), time: bundle.time })
        };
        Ok(stored.first().and_then(head))
    }
}

/// Whether a peer refuses own bundles because they are not those of this device there.
pub(super) fn is_not_owner(problem: &Problem) -> bool {
    matches!(&problem.code, Code::Forbidden { origins } if !origins.is_empty())
}

/// The clock of a peer that has found this bundle so far ahead of it.
fn clock_told(runs: &[Run], at: Dot, ahead_ms: u64) -> Option<NTP64> {
    let bundle = runs.iter().flat_map(Run::bundles).find(|bundle| bundle.dot == at)?;
    Some(before(bundle.time, Duration::from_millis(ahead_ms)))
}
