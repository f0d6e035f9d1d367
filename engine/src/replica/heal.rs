//! Healing without a person: the tail of own bundles is rewritten.
//!
//! This solves two problems. *The clock was far off*: the tail gets new times from the corrected clock. It keeps its names if it is here
//! alone ([`Turn::seen`]). A bundle that may have been sent never changes under its name, so it moves under a new identity. *The
//! history has forked*, because the device was cloned or restored from a backup: the replica takes a new identity, and the tail moves
//! under it. In both cases the bundles keep their places in the log and their order, and the rows that they touch are folded again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::checkpoint::Start;
use super::peers::{Peers, peer_row};
use super::readings::reading_rows;
use super::restamp::Restamped;
use super::sent::sent_row;
use super::turn::Turn;
use super::unreadable::notes;
use super::{Inner, ReplicaError, locked};
use crate::format::event::{Event, encode_body};
use crate::format::heads::Head;
use crate::format::run::{Body, Bundle, Run, RunBuilder, VerifiedRun};
use crate::format::time::{NTP64, Offset, Stamp, after as bound};
use crate::format::wire::DecodeError;
use crate::id::{Dot, Position, ReplicaId, Seq};
use crate::projection::Moved;
use crate::protocol::Refusal;
use crate::reserved::{self, DEAD_LETTERS, DeadLetterRow, IDENTITY, MOVED, PeerRow};
use crate::store::{Limit, Rewrite, RowKey, RowWrite, StoreError, StoredRun, ViewId, WriteBatch};

/// The code of the refusal of a bundle that outgrew a limit when it was rewritten.
const OUTGROWN: &str = "outgrown";
/// Log bytes of the tail read at a time.
const CHUNK: Limit = Limit::bytes(4 * 1024 * 1024);

/// How the tail is rewritten.
#[derive(Debug, Clone, Copy)]
pub(super) enum Repair {
    /// With the times that it should have had.
    Restamp {
        /// What the peer says of its clock.
        peer: PeerClock,
    },
    /// Under a new identity.
    Rehome {
        /// The identity.
        fresh: ReplicaId,
    },
    /// With new times and under a new identity, since others may have the tail as it is.
    Move {
        /// The identity.
        fresh: ReplicaId,
        /// What the peer says of its clock.
        peer: PeerClock,
    },
}

/// What came of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Healed {
    /// So many bundles were rewritten.
    Bundles(u64),
    /// Another handle on this store has written the tail again.
    ByAnother,
    /// None: it is not allowed to these bundles, or does not help.
    Not,
}

impl Healed {
    /// How many bundles were rewritten.
    pub(super) fn count(self) -> u64 {
        match self {
            Self::Bundles(count) => count,
            Self::ByAnother | Self::Not => 0,
        }
    }
}

/// What a peer says of its clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerClock {
    /// The time now.
    pub(super) now: NTP64,
    /// How far ahead of it times may lie.
    pub(super) allowed: Duration,
    /// How far the right clock is ahead of this device's.
    pub(super) off: Offset,
}

impl Repair {
    /// The new identity, if there is one.
    fn fresh(self) -> Option<ReplicaId> {
        match self {
            Self::Restamp { .. } => None,
            Self::Rehome { fresh } | Self::Move { fresh, .. } => Some(fresh),
        }
    }

    /// The peer's clock, if the tail gets new times.
    fn peer(self) -> Option<PeerClock> {
        match self {
            Self::Restamp { peer } | Self::Move { peer, .. } => Some(peer),
            Self::Rehome { .. } => None,
        }
    }
}

/// The tail in its new form.
#[derive(Debug, Default)]
struct Rewritten {
    /// Its runs, each at its place.
    runs: Vec<(Position, VerifiedRun)>,
    /// The dead letters of the bundles that have become void.
    letters: Vec<RowWrite>,
}

impl Inner {
    /// Rewrites the own bundles behind `after`, if `at`, the bundle that is in trouble or was compared last, is still what it was.
    pub(super) async fn heal(&self, after: Seq, at: Option<Head>, repair: Repair) -> Result<Healed, ReplicaError> {
        let mut turn = self.turn().await;
        loop {
            while turn.catch_up_some().await? {}
            let tail = turn.own_tail(after).await?;
            let from = turn.head_at(after, &tail).await?;
            if at.is_some_and(|at| !still_there(&tail, from, at)) {
                return Ok(Healed::ByAnother);
            }
            if !turn.may_repair(after, repair).await? {
                return Ok(Healed::Not);
            }
            let new = match repair.peer() {
                Some(peer) => turn.right_times(&tail, from, peer).await?,
                None => turn.kept_times(&tail).await?,
            };
            let Some(first) = new.first else { return Ok(Healed::Not) };
            // Bundles before the first that changes stay as they are, unless all get another name.
            let after = repair.fresh().map_or(Seq::new(first.get() - 1), |_| after);
            let tail = turn.own_tail(after).await?;
            if tail.first().is_some_and(|first| first.position <= turn.settled()) {
                return Ok(Healed::Not);
            }
            let from = turn.head_at(after, &tail).await?;
            let (batch, rows) = match turn.rewrite_batch(&tail, from, repair, &new).await {
                Err(ReplicaError::Store(error))
                    if matches!(*error, StoreError::CursorGone { .. }) && turn.is_cut_by_others().await? =>
                {
                    continue;
                }
                rewritten => rewritten?,
            };
            if repair.peer().is_some_and(|peer| !helps(&batch, peer)) {
                return Ok(Healed::Not);
            }
            // Only what remains has been issued.
            self.clock.rewind(batch.clock);
            if let Err(error) = turn.commit(batch).await {
                // The old tail is still there, as far as is known: no time of it may be issued again.
                self.clock.advance(turn.status.high_water());
                match error {
                    StoreError::Conflict { .. } => continue,
                    error => return Err(error.into()),
                }
            }
            rows.into_iter().for_each(|row| locked(&self.peers).note(row));
            turn.reload().await?;
            return Ok(Healed::Bundles(if repair.fresh().is_some() { bundles(&tail) } else { new.count }));
        }
    }
}

impl Turn<'_> {
    /// Whether the own bundles behind `after` may be rewritten in this way.
    async fn may_repair(&self, after: Seq, repair: Repair) -> Result<bool, StoreError> {
        Ok(match repair {
            Repair::Restamp { .. } => self.seen() <= after,
            // What a peer has stored would be there twice. Another handle may have had the answer.
            Repair::Move { .. } => Peers::load(&*self.inner.store).await?.acked() <= after,
            // A log with two histories of one origin cannot be exchanged at all: here, twice is the lesser evil.
            Repair::Rehome { .. } => true,
        })
    }

    /// The own runs behind `after`, as they lie in the log.
    pub(super) async fn own_tail(&self, after: Seq) -> Result<Vec<StoredRun>, StoreError> {
        let (mut tail, mut from) = (Vec::<StoredRun>::new(), after);
        loop {
            let page = self.inner.store.read_origin(self.id, from, CHUNK).await?;
            let Some(last) = page.last() else { return Ok(tail) };
            from = last.run.last();
            tail.extend(page);
        }
    }

    /// The own head as it was after bundle `after`.
    pub(super) async fn head_at(&self, after: Seq, tail: &[StoredRun]) -> Result<Head, StoreError> {
        let Some(first) = tail.first() else { return Ok(self.status.heads.get(self.id)) };
        if after == Seq::ZERO {
            return Ok(Head::NONE);
        }
        let last = self.inner.store.read_origin(self.id, Seq::new(after.get() - 1), Limit::items(1)).await?;
        let time = last.first().map_or(NTP64(0), |stored| stored.run.last_time());
        Ok(Head { seq: after, chain: first.previous, time })
    }

    async fn rewrite_batch(
        &self,
        tail: &[StoredRun],
        from: Head,
        repair: Repair,
        new: &Restamped,
    ) -> Result<(WriteBatch, Vec<PeerRow>), ReplicaError> {
        let (times, readings) = new.last(bundles(tail));
        let Rewritten { runs, letters } = self.rewritten(tail, from, repair, times);
        let clear = self.foreign_views();
        let mut batch = WriteBatch { expected: Some(self.status.revision), clear, ..WriteBatch::default() };
        let touched = self.touched(tail, &runs);
        let first = tail.first().map_or(self.status.head, |stored| stored.position);
        let start = self.start(&touched, first).await?;
        batch.clear.extend(start.clear.clone());
        batch.rows = self.refold_tail(touched, start, from.seq, &runs).await?;
        batch.rows.extend(letters);
        batch.rows.extend(self.readings().await?.forget_behind(self.id, from.seq));
        let read = runs.iter().flat_map(|(_, verified)| verified.run().bundles()).zip(readings);
        let read = read.map(|(bundle, reading)| (bundle.dot, bundle.time, *reading));
        batch.rows.extend(reading_rows(read, self.inner.clock.max_drift()));
        let mut peers = Vec::new();
        if let Some(fresh) = repair.fresh() {
            batch.rows.push(reserved::put(IDENTITY, Bytes::new(), &fresh));
            batch.rows.push(sent_row(&self.sent.of_new_identity(fresh)));
            batch.rows.extend(moved_rows(self.id, tail, &runs));
            // What peers have acknowledged was of the old identity.
            let known = Peers::load(&*self.inner.store).await?;
            peers = known.all().map(|row| PeerRow { acked: Seq::ZERO, ..row }).collect();
            batch.rows.extend(peers.iter().map(peer_row));
        }
        let others = self.status.heads.iter().filter(|(origin, _)| *origin != self.id).map(|(_, head)| head.time);
        let times = runs.iter().map(|(_, verified)| verified.head().time).chain(others);
        batch.clock = times.chain([from.time]).max().unwrap_or(NTP64(0));
        batch.rewrite = Some(Rewrite { origin: self.id, after: from, runs });
        Ok((batch, peers))
    }

    /// The tail in its new form, run by run, each at its old place. A bundle that has outgrown a limit since the stamps that its events
    /// name have moved becomes void and a dead letter: nothing else waits for it, and the application hears of it.
    fn rewritten(&self, tail: &[StoredRun], from: Head, repair: Repair, times: &[NTP64]) -> Rewritten {
        let (origin, mut head) = repair.fresh().map_or((self.id, from), |fresh| (fresh, Head::NONE));
        let stays = Stamp { time: from.time, origin: self.id, index: u16::MAX };
        let mut moved = Moved::new((from.seq > Seq::ZERO).then_some(stays));
        for (bundle, time) in tail.iter().flat_map(|stored| stored.run.bundles()).zip(times) {
            for event in bundle.events().flatten() {
                moved.insert(event.stamp, Stamp { time: *time, origin, index: event.stamp.index });
            }
        }
        let (mut new, mut times) = (Rewritten::default(), times.iter().copied());
        for stored in tail {
            let mut builder = RunBuilder::new(origin, head.seq.plus(1), head.chain);
            for (bundle, time) in stored.run.bundles().zip(times.by_ref()) {
                match (self.moved_body(&bundle, &moved), bundle.body) {
                    (Ok(Some(body)), _) => builder.push(time, Body::Full(&body)),
                    (Err(error), Body::Full(body)) => {
                        let (bytes, digest) = bundle.body.seal();
                        let dot = builder.push(time, Body::Void { bytes, digest });
                        new.letters.push(outgrown(dot, body, &error));
                        dot
                    }
                    (_, body) => builder.push(time, body),
                };
            }
            let verified = builder.finish().expect("a stored run has at least one bundle");
            head = verified.head();
            new.runs.push((stored.position, verified));
        }
        new
    }

    /// A body whose events name stamps that have moved; none if it stays byte for byte.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] if it, or an event of it, exceeds its limit in the new form.
    fn moved_body(&self, bundle: &Bundle<'_>, moved: &Moved) -> Result<Option<Vec<u8>>, DecodeError> {
        let mut changed = false;
        let mut events = Vec::new();
        for event in bundle.events() {
            let Ok(event) = event else { return Ok(None) };
            let moved = self.inner.projections.moved(&event, moved);
            changed |= moved.is_some();
            events.push(moved.unwrap_or_else(|| Event::new(event.event_type(), event.payload.to_vec())));
        }
        Ok(if changed { Some(encode_body(&events)?) } else { None })
    }

    /// The rows that a tail touches as it is, or in its new form.
    fn touched(&self, tail: &[StoredRun], new: &[(Position, VerifiedRun)]) -> BTreeSet<RowKey> {
        let projections = self.folded_projections();
        let old = projections.plan(tail.iter().map(|stored| &stored.run)).rows();
        let new = projections.plan(new.iter().map(|(_, verified)| verified.run())).rows();
        old.into_iter().chain(new).collect()
    }

    /// Folds touched rows again from `start` on, without the old tail and with the new, and notes which events of the new one are put
    /// aside.
    async fn refold_tail(
        &self,
        touched: BTreeSet<RowKey>,
        mut start: Start,
        after: Seq,
        new: &[(Position, VerifiedRun)],
    ) -> Result<Vec<RowWrite>, StoreError> {
        let runs: Vec<Run> = new.iter().map(|(_, verified)| verified.run().clone()).collect();
        let own = self.id;
        let kept = |stored: &StoredRun| match stored.run.origin() == own {
            true => stored.run.until(after, stored.previous).filter(|_| stored.run.first() <= after),
            false => Some(stored.run.clone()),
        };
        let wanted =
            |view: &ViewId, key: &[u8]| touched.contains(&RowKey::new(view.clone(), Bytes::copy_from_slice(key)));
        let pre_images = std::mem::take(&mut start.pre_images);
        let projections = &self.folded_projections();
        let (rows, aside) = self.inner.refold(start, projections, kept, |_| true, wanted, &runs).await?;
        let mut rows = self.refolded(touched, rows).await?;
        rows.extend(pre_images);
        // The old tail takes its notes along, and the new one has its own, perhaps under the same names.
        let gone = self.notes_gone(own, after.plus(1), self.status.heads.get(own).seq).await?.into_iter();
        let notes: BTreeMap<_, _> = gone.chain(notes(aside)).map(|row| (row.key.clone(), row)).collect();
        rows.extend(notes.into_values());
        Ok(rows)
    }
}

/// The dead letter of an own bundle that does not fit a bundle any more.
fn outgrown(dot: Dot, body: &[u8], error: &DecodeError) -> RowWrite {
    let message = format!("the stamps that it names had to be replaced, and so it has outgrown its limit: {error}");
    let letter = DeadLetterRow { refusal: Refusal::new(OUTGROWN, message), body: body.to_vec() };
    reserved::put(DEAD_LETTERS, reserved::dot_key(dot), &letter)
}

/// Whether the peer would believe the first new time: it may have to follow others that are too far ahead.
fn helps(batch: &WriteBatch, peer: PeerClock) -> bool {
    let runs = batch.rewrite.iter().flat_map(|rewrite| &rewrite.runs);
    let first = runs.flat_map(|(_, verified)| verified.run().bundles()).next();
    first.is_none_or(|bundle| bundle.time <= bound(peer.now, peer.allowed))
}

/// How many bundles a tail has.
fn bundles(tail: &[StoredRun]) -> u64 {
    tail.iter().map(|stored| stored.run.count()).sum()
}

/// Whether the bundle that was sent last is still the one in the tail.
fn still_there(tail: &[StoredRun], from: Head, sent: Head) -> bool {
    let bundles = tail.iter().flat_map(|stored| stored.run.bundles()).take_while(|bundle| bundle.dot.seq <= sent.seq);
    let (mut seq, mut chain) = (from.seq, from.chain);
    for bundle in bundles {
        (seq, chain) = (bundle.dot.seq, bundle.chain_after(chain));
    }
    (seq, chain) == (sent.seq, sent.chain)
}

/// Where each bundle of the tail has gone, for those who ask for its outcome by its old name.
fn moved_rows(old: ReplicaId, tail: &[StoredRun], new: &[(Position, VerifiedRun)]) -> Vec<RowWrite> {
    let dots = tail.iter().flat_map(|stored| stored.run.bundles()).map(|bundle| bundle.dot.seq);
    let moved = new.iter().flat_map(|(_, verified)| verified.run().bundles()).map(|bundle| bundle.dot);
    dots.zip(moved).map(|(seq, to)| reserved::put(MOVED, reserved::dot_key(Dot { origin: old, seq }), &to)).collect()
}
