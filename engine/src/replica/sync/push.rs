//! Handing over what the peer lacks.

use super::{Session, SyncError};
use crate::heads::Head;
use crate::id::{Cursor, Dot, Position, Seq};
use crate::protocol::{Code, Problem, Push, Pushed, Reply, Request};
use crate::replica::heal::Cure;
use crate::replica::locked;
use crate::run::{Run, pack};
use crate::store::{Limit, StoreError, StoredRun};
use crate::transport::TransportError;

/// Bytes of runs that one push carries.
const PUSH: Limit = Limit::bytes(1024 * 1024);
/// How often a push is adapted to what the peer answers (a gap, a clock) before it is given up until the next sync.
const PUSH_CHANGES_MAX: u32 = 3;

impl Session<'_> {
    /// Hands over own bundles, then those of others that the peer lacks: it may have been restored, or it may be reached only
    /// through this replica.
    pub(super) async fn push(&mut self) -> Result<(), SyncError> {
        self.push_own().await?;
        match self.report.stopped {
            None => self.push_others().await,
            Some(_) => Ok(()),
        }
    }

    /// Hands own bundles over, from the last that the peer has both answered for and kept.
    async fn push_own(&mut self) -> Result<(), SyncError> {
        let mut from = self.row.acked.min(self.theirs.heads.get(self.own).seq);
        let mut changes = 0;
        loop {
            let stored = self.inner.store.read_origin(self.own, from, PUSH).await?;
            let sent = stored.last().cloned();
            let runs = pack(stored.into_iter().map(|stored| stored.run).collect());
            if runs.is_empty() {
                return Ok(());
            }
            let problem = match self.send(runs).await? {
                Ok(pushed) => {
                    let last = sent.as_ref().map_or(from, |sent| sent.run.last());
                    from = self.acknowledge(from, last, pushed).await?;
                    continue;
                }
                Err(problem) => problem,
            };
            changes += 1;
            match problem.code {
                Code::Gap { expected, .. } if changes < PUSH_CHANGES_MAX => from = Seq::new(expected.get() - 1),
                Code::Fork { at } => return Err(SyncError::Forked { at }),
                Code::ClockAhead { at, .. } if self.report.restamped == 0 && !self.inner.served => {
                    // Nobody has stored these: they may get the times that they should have had.
                    let elsewhere = locked(&self.inner.peers).acked_elsewhere(self.row.cursor.log);
                    let before = Seq::new(at.seq.get() - 1).max(from).max(elsewhere).max(self.row.acked);
                    let cure = Cure::Restamp { peer: self.clock };
                    self.report.restamped = self.inner.heal(before, sent.as_ref().map(end), cure).await?;
                    if self.report.restamped == 0 {
                        self.report.stopped = Some(problem);
                        return Ok(());
                    }
                }
                _ => {
                    self.report.stopped = Some(problem);
                    return Ok(());
                }
            }
        }
    }

    /// Hands over bundles of other origins, in the order of this log. A peer that does not take them from this device, as most
    /// servers, says so once.
    async fn push_others(&mut self) -> Result<(), SyncError> {
        let Some(mut cursor) = self.first_lacking().await? else { return Ok(()) };
        loop {
            let page = self.inner.store.read(cursor, PUSH).await?;
            let lacking = |stored: &StoredRun| {
                let known = self.theirs.heads.get(stored.run.origin()).seq;
                stored.run.since(known.plus(1)).filter(|run| run.origin() != self.own)
            };
            let runs = pack(page.runs.iter().filter_map(lacking).collect());
            if !runs.is_empty() {
                let count: u64 = runs.iter().map(Run::count).sum();
                match self.send(runs).await? {
                    Ok(pushed) => self.note(&pushed).await,
                    Err(Problem { code: Code::Forbidden, .. }) => return Ok(()),
                    Err(problem) => {
                        self.report.stopped = Some(problem);
                        return Ok(());
                    }
                }
                self.report.supplied += count;
            }
            if page.is_last() {
                return Ok(());
            }
            cursor = page.next;
        }
    }

    /// The place before the first bundle of another origin that the peer lacks.
    async fn first_lacking(&self) -> Result<Option<Cursor>, StoreError> {
        let status = self.inner.turn.lock().await.status.clone();
        let mut first: Option<Position> = None;
        for (origin, head) in status.heads.iter().filter(|(origin, _)| *origin != self.own) {
            let known = self.theirs.heads.get(origin).seq;
            if known < head.seq {
                let next = self.inner.store.read_origin(origin, known, Limit::items(1)).await?;
                first = first.into_iter().chain(next.first().map(|stored| stored.position)).min();
            }
        }
        Ok(first.map(|first| Cursor { log: status.log, position: Position::new(first.get() - 1) }))
    }

    /// Sends runs. A problem is an answer; other failures end the session.
    async fn send(&mut self, runs: Vec<Run>) -> Result<Result<Pushed, Problem>, SyncError> {
        match self.peer.call(Request::Push(self.inner.space.clone(), Push { runs })).await {
            Ok(answer) => {
                self.clock = answer.clock;
                match answer.reply {
                    Reply::Push(pushed) if pushed.log == self.row.cursor.log => Ok(Ok(pushed)),
                    Reply::Push(_) => Err(SyncError::Replaced),
                    _ => Err(SyncError::Unexpected),
                }
            }
            Err(TransportError::Refused(problem)) => Ok(Err(problem)),
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
        self.note(&pushed).await;
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
    async fn note(&mut self, pushed: &Pushed) {
        if let Some((first, last)) = pushed.placed {
            // Nobody else has written in between: these bundles need not be passed over by a pull.
            let at_end = self.row.cursor.position == self.theirs.head.position;
            if at_end && self.row.cursor.position.plus(1) == first {
                self.row.cursor.position = last;
            }
            self.theirs.head.position = self.theirs.head.position.max(last);
        }
        let turn = self.inner.turn.lock().await;
        for (origin, seq) in &pushed.through {
            // The hash is compared only where the seqs are equal, and then it is this.
            let head = Head { seq: *seq, ..turn.status.heads.get(*origin) };
            self.theirs.heads.set(*origin, head);
        }
    }
}

/// The head that an origin has with the last bundle of this run.
fn end(stored: &StoredRun) -> Head {
    let chain = stored.run.bundles().fold(stored.previous, |chain, bundle| bundle.chain_after(chain));
    Head { seq: stored.run.last(), chain, time: stored.run.last_time() }
}
