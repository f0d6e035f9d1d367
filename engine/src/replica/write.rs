//! Writing. Writers that come while a commit is running are committed together by the next: each gets a bundle of its own, all
//! share one durable commit.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::future::{Either, select};

use super::dead_letter::rewritten;
use super::fold::{Folding, Whose};
use super::sent::sent_row;
use super::turn::Turn;
use super::{Inner, Replica, ReplicaError, locked};
use crate::clock::ClockExhausted;
use crate::format::event::encode_body;
use crate::format::run::{Body, RunBuilder, VerifiedRun};
use crate::format::time::NTP64;
use crate::id::Dot;
use crate::limits::{BUNDLE_FRAMING_BYTES_MAX, RUN_BYTES_MAX};
use crate::projection::Aside;
use crate::store::{RowKey, RowWrite, StoreError};
use crate::typed::ToEvents;

/// How often the executor's other tasks may come first while writers gather.
const GATHER_YIELDS_MAX: usize = 4;

/// A bundle that was written: durable in this replica's store, not yet known to any peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its name: ask [`Replica::outcome`] what became of it.
    pub dot: Dot,
    /// Its time.
    pub time: NTP64,
}

/// A write that waits for a turn.
#[derive(Debug)]
pub(super) struct Pending {
    body: Bytes,
    /// The dead letter that it stands for.
    letter: Option<Dot>,
    answer: oneshot::Sender<Result<Written, ReplicaError>>,
}

/// Writes that were taken from the queue, and the run they were packed into. It outlives a dropped future: if a commit's outcome
/// is unknown, these very bundles are looked for, and committed again only if they are not there.
#[derive(Debug)]
pub(super) struct Taken {
    writes: Vec<Pending>,
    packed: Packed,
}

impl Taken {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.writes.len() as u64
    }

    /// The rows by which dead letters are dealt with.
    fn letters(&self) -> impl Iterator<Item = [RowWrite; 2]> {
        self.writes.iter().zip(&self.packed.written).filter_map(|(write, at)| Some(rewritten(write.letter?, *at)))
    }
}

#[derive(Debug, Clone)]
struct Packed {
    written: Vec<Written>,
    verified: VerifiedRun,
}

impl Replica {
    /// Records these events as one bundle and folds them into the rows, all in one durable commit. It works offline, whatever
    /// the clock shows. The events of a bundle arrive everywhere together. They are values of a
    /// [`TypedEvent`](crate::typed::TypedEvent), or [`Event`](crate::Event)s with payloads of your own.
    ///
    /// # Errors
    /// [`ReplicaError::Unwritable`] if a typed event has no form as an event; [`ReplicaError::Invalid`] if there is no event or a
    /// limit is exceeded; [`ReplicaError::Unfoldable`] if a projection of this replica panics on an event, or if a view's limit is
    /// exceeded by it; [`ReplicaError::Store`] if the store fails. Nothing was written then, unless the store itself does not know
    /// ([`StoreError::Backend`]): the bundle may be in the log.
    ///
    /// # Cancel
    /// The bundle may still be written, by the next turn at the latest.
    pub async fn write<E: ToEvents>(&self, events: &[E]) -> Result<Written, ReplicaError> {
        let body = Bytes::from(encode_body(&E::to_events(events)?)?);
        let (answer, answered) = oneshot::channel();
        locked(&self.inner.queue).push(Pending { body, letter: None, answer });
        // Anyone who gets the turn commits for all; the others only wait for their answers.
        let (mut turn, mut answered) = match select(self.inner.turn.lock(), answered).await {
            Either::Left((turn, answered)) => (turn, answered),
            Either::Right((Ok(result), _)) => return result,
            Either::Right((Err(_), _)) => unreachable!("a queued write is answered before it is dropped"),
        };
        loop {
            if let Some(result) = answered.try_recv().ok().flatten() {
                return result;
            }
            self.inner.gather(&turn).await;
            self.inner.write_some(&mut turn).await;
        }
    }
}

impl Inner {
    /// Writes a body for a caller that has the turn already.
    pub(super) async fn write_in_turn(
        &self,
        turn: &mut Turn,
        body: Bytes,
        letter: Option<Dot>,
    ) -> Result<Written, ReplicaError> {
        let (answer, mut answered) = oneshot::channel();
        locked(&self.queue).push(Pending { body, letter, answer });
        loop {
            if let Some(result) = answered.try_recv().ok().flatten() {
                return result;
            }
            self.write_some(turn).await;
        }
    }

    /// Commits what was queued or taken by writers that have gone away.
    pub(super) async fn settle(&self, turn: &mut Turn) {
        while turn.taken.is_some() || !locked(&self.queue).is_empty() {
            self.write_some(turn).await;
        }
    }

    /// Gives the writers that were answered last time the chance to write again, so that they share this commit, too. Waits no
    /// longer than it takes the executor to ask each of them once or twice; a writer alone does not wait at all.
    async fn gather(&self, turn: &Turn) {
        for _ in 0..GATHER_YIELDS_MAX {
            if turn.taken.is_some() || locked(&self.queue).len() >= turn.last_writes {
                return;
            }
            yield_once().await;
        }
    }

    /// Commits as many queued writes as fit one run, and answers them.
    async fn write_some(&self, turn: &mut Turn) {
        if turn.taken.is_none() {
            match self.take(turn) {
                Ok(taken) => turn.taken = taken,
                Err((writes, error)) => return answer(writes, |_| Err(error.into())),
            }
        }
        let result = self.commit_taken(turn).await;
        if let Some(Taken { writes, packed }) = turn.taken.take() {
            turn.last_writes = writes.len();
            answer(writes, |index| result.clone().map(|()| packed.written[index]));
        }
        self.written.notify(usize::MAX);
    }

    /// Takes the queued writes that fit one run. A run takes any one body.
    fn take(&self, turn: &Turn) -> Result<Option<Taken>, (Vec<Pending>, ClockExhausted)> {
        let mut queue = locked(&self.queue);
        let mut room = RUN_BYTES_MAX;
        let fits = |pending: &&Pending| {
            let size = pending.body.len() + BUNDLE_FRAMING_BYTES_MAX;
            let fits = size <= room;
            room -= size.min(room);
            fits
        };
        let count = queue.iter().take_while(fits).count();
        let writes: Vec<_> = queue.drain(..count).collect();
        if writes.is_empty() {
            return Ok(None);
        }
        match self.pack(turn, writes.iter().map(|pending| &pending.body)) {
            Ok(packed) => Ok(Some(Taken { writes, packed })),
            Err(error) => Err((writes, error)),
        }
    }

    /// Packs bodies into a run that follows the own head.
    fn pack<'a>(&self, turn: &Turn, bodies: impl Iterator<Item = &'a Bytes>) -> Result<Packed, ClockExhausted> {
        let head = turn.status.heads.get(turn.id);
        let mut builder = RunBuilder::new(turn.id, head.seq.plus(1), head.chain);
        let (mut written, mut last) = (Vec::new(), head.time);
        for body in bodies {
            // The clock knows the own head's time already, unless a repair of it was broken off.
            let time = self.clock.tick()?.max(NTP64(last.0.checked_add(1).ok_or(ClockExhausted)?));
            last = time;
            written.push(Written { dot: builder.push(time, Body::Full(body)), time });
        }
        let verified = builder.finish().expect("only taken writes are packed, and there is at least one");
        Ok(Packed { written, verified })
    }

    /// Commits the run of the writes taken, again after a conflict, unless it is found to be there already. Writes that cannot be folded
    /// are answered and left out.
    async fn commit_taken(&self, turn: &mut Turn) -> Result<(), ReplicaError> {
        loop {
            // A commit that was dropped half way may have gone through: then these writes are folded already.
            self.refresh(turn).await?;
            let Some(taken) = &turn.taken else { return Ok(()) };
            let verified = taken.packed.verified.clone();
            if verified.run().origin() != turn.id {
                self.repack(turn)?;
                continue;
            }
            if turn.status.heads.get(turn.id) == verified.head() {
                return Ok(());
            }
            // Somebody else may have committed without these views: one chunk, so that no write waits for a whole log.
            self.catch_up_some(turn).await?;
            let plan = self.plan(turn, std::slice::from_ref(&verified));
            let mut batch = self.append_batch(turn, vec![verified.clone()]);
            batch.rows.extend(turn.taken.iter().flat_map(Taken::letters).flatten());
            batch.rows.extend(self.reading_of(verified.run()));
            let sent = turn.sent.with_write(verified.head().seq);
            batch.rows.extend(sent.iter().map(sent_row));
            let error = match self.commit_folded(turn, plan, batch, Whose::Own).await {
                Ok(Folding::Committed) => {
                    sent.into_iter().for_each(|sent| turn.sent.wrote(sent));
                    return Ok(());
                }
                Ok(Folding::Refused(folded)) => {
                    let _ =
                        refuse_unfoldable(turn, &folded.aside) || self.refuse_overgrown(turn, folded.grown.as_ref());
                    self.repack(turn)?;
                    continue;
                }
                Ok(Folding::StartOver) => continue,
                Err(error) => error,
            };
            let own = turn.status.heads.get(turn.id);
            if own == verified.head() {
                // An interrupted commit of the same run, or this one before its backend failed, has gone through.
                return Ok(());
            }
            let moved = own.chain != verified.previous();
            match error {
                StoreError::Conflict { .. } | StoreError::OutOfOrder { .. } | StoreError::WrongChain { .. }
                    if moved =>
                {
                    // Another handle on the same store has written under the same identity: these bundles come after its.
                    self.repack(turn)?;
                }
                StoreError::Conflict { .. } => {}
                error => return Err(error.into()),
            }
        }
    }

    /// If the writes taken let a row grow too large: answers and drops the one write that does, or puts half of them off, so that the
    /// one is found. Returns whether it has done so: then the others have to be packed again.
    fn refuse_overgrown(&self, turn: &mut Turn, grown: Option<&(RowKey, usize)>) -> bool {
        let Some((row, bytes)) = grown.filter(|(_, bytes)| *bytes > self.row_bytes_max) else { return false };
        let Some(taken) = &mut turn.taken else { return false };
        let put_off = taken.writes.split_off(taken.writes.len() / 2);
        if !taken.writes.is_empty() {
            locked(&self.queue).splice(..0, put_off);
            return true;
        }
        let (key, bytes, max) = (String::from_utf8_lossy(&row.key).into_owned(), *bytes, self.row_bytes_max);
        answer(put_off, |_| Err(ReplicaError::RowTooLarge { view: row.view.clone(), key: key.clone(), bytes, max }));
        true
    }

    /// Packs the writes taken again, if there are any left.
    fn repack(&self, turn: &mut Turn) -> Result<(), ClockExhausted> {
        let Some(taken) = &turn.taken else { return Ok(()) };
        if taken.writes.is_empty() {
            turn.taken = None;
            return Ok(());
        }
        let packed = self.pack(turn, taken.writes.iter().map(|pending| &pending.body))?;
        turn.taken.iter_mut().for_each(|taken| taken.packed = packed.clone());
        Ok(())
    }
}

/// Answers and drops those of the writes taken that hold an event which a view cannot take in. Returns whether there was one: then the
/// others have to be packed again.
fn refuse_unfoldable(turn: &mut Turn, aside: &[Aside]) -> bool {
    let culprits = aside.iter().filter(|aside| aside.cause.refuses_writes());
    let culprits: BTreeMap<Dot, &Aside> = culprits.map(|aside| (aside.dot, aside)).rev().collect();
    let Some(taken) = turn.taken.as_mut().filter(|_| !culprits.is_empty()) else { return false };
    let written = taken.packed.written.iter();
    for (pending, written) in std::mem::take(&mut taken.writes).into_iter().zip(written) {
        match culprits.get(&written.dot) {
            Some(Aside { view: Some(view), index, cause, .. }) => {
                let (view, index, cause) = (view.clone(), *index, cause.clone());
                // A writer that has gone away does not need its answer.
                let _ = pending.answer.send(Err(ReplicaError::Unfoldable { view, index, cause }));
            }
            _ => taken.writes.push(pending),
        }
    }
    taken.writes.len() < taken.packed.written.len()
}

/// Lets the executor's other tasks come first, once.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Answers each write. A writer that has gone away does not need its answer.
fn answer(writes: Vec<Pending>, result: impl Fn(usize) -> Result<Written, ReplicaError>) {
    for (index, pending) in writes.into_iter().enumerate() {
        let _ = pending.answer.send(result(index));
    }
}
