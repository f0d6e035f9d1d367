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
use super::queue::{Packed, Pending, Taken, Written, answer};
use super::sent::sent_row;
use super::turn::Turn;
use super::{Replica, ReplicaError, locked};
use crate::clock::ClockExhausted;
use crate::format::event::encode_body;
use crate::format::run::{Body, RunBuilder};
use crate::format::time::NTP64;
use crate::id::Dot;
use crate::limits::{BUNDLE_FRAMING_BYTES_MAX, RUN_BYTES_MAX};
use crate::projection::Aside;
use crate::store::{RowKey, StoreError};
use crate::typed::ToEvents;

/// How often the executor's other tasks may come first while writers gather.
const GATHER_YIELDS_MAX: usize = 4;

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
        let (mut turn, mut answered) = match select(self.inner.turn(), answered).await {
            Either::Left((turn, answered)) => (turn, answered),
            Either::Right((Ok(result), _)) => return result,
            Either::Right((Err(_), _)) => unreachable!("a queued write is answered before it is dropped"),
        };
        loop {
            if let Some(result) = answered.try_recv().ok().flatten() {
                return result;
            }
            turn.gather().await;
            turn.write_some().await;
        }
    }
}

impl Turn<'_> {
    /// Writes a body for a caller that has the turn already.
    pub(super) async fn write(&mut self, body: Bytes, letter: Option<Dot>) -> Result<Written, ReplicaError> {
        let (answer, mut answered) = oneshot::channel();
        locked(&self.inner.queue).push(Pending { body, letter, answer });
        loop {
            if let Some(result) = answered.try_recv().ok().flatten() {
                return result;
            }
            self.write_some().await;
        }
    }

    /// Commits what was queued or taken by writers that have gone away.
    pub(super) async fn settle(&mut self) {
        while self.taken.is_some() || !locked(&self.inner.queue).is_empty() {
            self.write_some().await;
        }
    }

    /// Gives the writers that were answered last time the chance to write again, so that they share this commit, too. Waits no
    /// longer than it takes the executor to ask each of them once or twice; a writer alone does not wait at all.
    async fn gather(&self) {
        for _ in 0..GATHER_YIELDS_MAX {
            if self.taken.is_some() || locked(&self.inner.queue).len() >= self.last_writes {
                return;
            }
            yield_once().await;
        }
    }

    /// Commits as many queued writes as fit one run, and answers them.
    async fn write_some(&mut self) {
        if self.taken.is_none() {
            match self.take() {
                Ok(taken) => self.taken = taken,
                Err((writes, error)) => return answer(writes, |_| Err(error.into())),
            }
        }
        let result = self.commit_taken().await;
        if let Some(Taken { writes, packed }) = self.taken.take() {
            self.last_writes = writes.len();
            answer(writes, |index| result.clone().map(|()| packed.written[index]));
        }
        self.inner.written.notify(usize::MAX);
    }

    /// Takes the queued writes that fit one run. A run takes any one body.
    fn take(&self) -> Result<Option<Taken>, (Vec<Pending>, ClockExhausted)> {
        let mut queue = locked(&self.inner.queue);
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
        match self.pack(writes.iter().map(|pending| &pending.body)) {
            Ok(packed) => Ok(Some(Taken { writes, packed })),
            Err(error) => Err((writes, error)),
        }
    }

    /// Packs bodies into a run that follows the own head.
    fn pack<'a>(&self, bodies: impl Iterator<Item = &'a Bytes>) -> Result<Packed, ClockExhausted> {
        let head = self.status.heads.get(self.id);
        let mut builder = RunBuilder::new(self.id, head.seq.plus(1), head.chain);
        let (mut written, mut last) = (Vec::new(), head.time);
        for body in bodies {
            // The clock knows the own head's time already, unless a repair of it was broken off.
            let time = self.inner.clock.tick()?.max(NTP64(last.0.checked_add(1).ok_or(ClockExhausted)?));
            last = time;
            written.push(Written { dot: builder.push(time, Body::Full(body)), time });
        }
        let verified = builder.finish().expect("only taken writes are packed, and there is at least one");
        Ok(Packed { written, verified })
    }

    /// Commits the run of the writes taken, again after a conflict, unless it is found to be there already. Writes that cannot be folded
    /// are answered and left out.
    async fn commit_taken(&mut self) -> Result<(), ReplicaError> {
        loop {
            // A commit that was dropped half way may have gone through: then these writes are folded already.
            self.refresh().await?;
            let Some(taken) = &self.taken else { return Ok(()) };
            let verified = taken.packed.verified.clone();
            if verified.run().origin() != self.id {
                self.repack()?;
                continue;
            }
            if self.status.heads.get(self.id) == verified.head() {
                return Ok(());
            }
            // Somebody else may have committed without these views: one chunk, so that no write waits for a whole log.
            self.catch_up_some().await?;
            let plan = self.plan(std::slice::from_ref(&verified));
            let mut batch = self.append_batch(vec![verified.clone()]);
            let letters = self.taken.iter().flat_map(Taken::rewritten);
            batch.rows.extend(letters.flat_map(|(letter, written)| rewritten(letter, written)));
            batch.rows.extend(self.reading_of(verified.run()));
            let sent = self.sent.with_write(verified.head().seq);
            batch.rows.extend(sent.iter().map(sent_row));
            let error = match self.commit_folded(plan, batch, Whose::Own).await {
                Ok(Folding::Committed) => {
                    sent.into_iter().for_each(|sent| self.sent.wrote(sent));
                    return Ok(());
                }
                Ok(Folding::Refused(folded)) => {
                    let _ = self.refuse_unfoldable(&folded.aside) || self.refuse_overgrown(folded.grown.as_ref());
                    self.repack()?;
                    continue;
                }
                Ok(Folding::StartOver) => continue,
                Err(error) => error,
            };
            let own = self.status.heads.get(self.id);
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
                    self.repack()?;
                }
                StoreError::Conflict { .. } => {}
                error => return Err(error.into()),
            }
        }
    }

    /// Answers and drops those of the writes taken that hold an event which a view cannot take in. Returns whether there was one: then the
    /// others have to be packed again.
    fn refuse_unfoldable(&mut self, aside: &[Aside]) -> bool {
        let culprits = aside.iter().filter(|aside| aside.cause.refuses_writes());
        let culprits: BTreeMap<Dot, &Aside> = culprits.map(|aside| (aside.dot, aside)).rev().collect();
        let Some(taken) = self.taken.as_mut().filter(|_| !culprits.is_empty()) else { return false };
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

    /// If the writes taken let a row grow too large: answers and drops the one write that does, or puts half of them off, so that the
    /// one is found. Returns whether it has done so: then the others have to be packed again.
    fn refuse_overgrown(&mut self, grown: Option<&(RowKey, usize)>) -> bool {
        let inner = self.inner;
        let Some((row, bytes)) = grown.filter(|(_, bytes)| *bytes > inner.row_bytes_max) else { return false };
        let Some(taken) = &mut self.taken else { return false };
        let put_off = taken.writes.split_off(taken.writes.len() / 2);
        if !taken.writes.is_empty() {
            locked(&inner.queue).splice(..0, put_off);
            return true;
        }
        let (key, bytes, max) = (String::from_utf8_lossy(&row.key).into_owned(), *bytes, inner.row_bytes_max);
        answer(put_off, |_| Err(ReplicaError::RowTooLarge { view: row.view.clone(), key: key.clone(), bytes, max }));
        true
    }

    /// Packs the writes taken again, if there are any left.
    fn repack(&mut self) -> Result<(), ClockExhausted> {
        let Some(taken) = &self.taken else { return Ok(()) };
        if taken.writes.is_empty() {
            self.taken = None;
            return Ok(());
        }
        let packed = self.pack(taken.writes.iter().map(|pending| &pending.body))?;
        self.taken.iter_mut().for_each(|taken| taken.packed = packed.clone());
        Ok(())
    }
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
