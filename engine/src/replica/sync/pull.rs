//! Fetching what is missing here.

use futures_util::future::join;

use super::heads::{all_heads, have, refresh};
use super::{Session, SyncError};
use crate::format::heads::{Difference, Heads, HeadsDigest};
use crate::format::run::{Run, Unchained};
use crate::format::time::NTP64;
use crate::id::{Cursor, Dot, ReplicaId, Seq};
use crate::protocol::{Code, Have, PeerHeads, Problem, Pull, Pulled, Reply, Request, Tail};
use crate::replica::locked;
use crate::replica::peers::{Heard, Known};
use crate::reserved::PeerRow;
use crate::store::{Limit, StoreError};
use crate::transport::TransportError;
use crate::trust::Contact;

/// Bytes of pulled runs that are folded and committed together: each touched row is then loaded and written once.
const COMMIT_BYTES: usize = 16 * 1024 * 1024;

/// Some pages of a pull.
pub(super) struct Batch {
    pub(super) runs: Vec<Run>,
    pub(super) next: Cursor,
    /// Whether the pull ends here.
    pub(super) end: Option<Reached>,
}

/// Where a pull ends.
pub(super) enum Reached {
    /// At the end of the peer's log, which has these heads.
    End(Heads),
    /// Behind the place where the log ended when it was asked first. Others append as fast as pages come, so its end may never be reached.
    /// The next sync reads on.
    Begun,
}

/// What the last page says of the peer's heads.
enum End {
    Heads(Heads),
    Digest(HeadsDigest),
}

impl Session<'_> {
    /// Pulls what is missing. If the peer has trimmed some of it, or if a view here lacks history, takes a snapshot and pulls what follows
    /// that.
    pub(super) async fn pull(&mut self, without: Option<ReplicaId>) -> Result<(), SyncError> {
        self.report.trimmed_there = self.pull_kept(without).await?;
        let lacks_history = self.inner.turn().await.has_history().is_err();
        if (self.report.trimmed_there.is_some() || lacks_history) && self.bootstrap(0).await? {
            self.report.trimmed_there = self.pull_kept(without).await?;
        }
        Ok(())
    }

    /// Pulls what is missing: along the cursor if there is one, by heads if that is refused or leaves something out. Gives the first bundle
    /// that the peer has trimmed, if it has.
    async fn pull_kept(&mut self, without: Option<ReplicaId>) -> Result<Option<Dot>, SyncError> {
        let met = locked(&self.inner.peers).known(self.row.cursor.log).is_some();
        let heads = self.inner.turn().await.status.heads.clone();
        let read_on = self.row.cursor.position <= self.theirs.head.position && (met || heads.is_empty());
        if read_on {
            if self.row.cursor.position == self.theirs.head.position
                && self.unequal(&self.theirs.heads).await?.is_none()
            {
                return Ok(None);
            }
            match self.pull_from(self.behind(self.row.cursor), without).await {
                Ok(None) => return Ok(None),
                // Something is left out: this replica's cursor is into a log that has been restored since.
                Ok(Some(_)) | Err(SyncError::Diverged(Unchained::Gap { .. })) => {}
                Err(SyncError::Transport(TransportError::Refused(Problem {
                    code: Code::CursorGone { .. }, ..
                }))) => {}
                Err(error) => return Err(error),
            }
        }
        let heads = self.inner.turn().await.status.heads.clone();
        // A pull by heads leaves out what is here, own bundles included. Another device under this identity may have pushed some.
        match self.pull_from(have(heads), None).await {
            Ok(None) => Ok(None),
            Ok(Some(at)) => Err(SyncError::Unequal { at }),
            Err(SyncError::Transport(TransportError::Refused(Problem { code: Code::Trimmed { at }, .. }))) => {
                Ok(Some(at))
            }
            Err(error) => Err(error),
        }
    }

    /// Pulls to the end of the peer's log: pages are fetched while earlier ones are committed. Returns a bundle in which both
    /// still differ, if there is one.
    async fn pull_from(&mut self, have: Have, without: Option<ReplicaId>) -> Result<Option<Dot>, SyncError> {
        let mut batch = self.fetch(have, without).await?;
        let vouched = if self.clocks.may_vouch() { self.clock } else { NTP64(0) };
        loop {
            let row = PeerRow { cursor: batch.next, ..self.row };
            let ingest = self.inner.ingest(&batch.runs, Known { row, ..self.known() }, vouched);
            let (ingested, fetched) = match batch.end {
                Some(_) => (ingest.await?, None),
                None => {
                    let (ingested, fetched) = join(ingest, self.fetch(self.behind(batch.next), without)).await;
                    (ingested?, Some(fetched?))
                }
            };
            self.report.pulled += ingested.bundles;
            if ingested.held.is_some() {
                self.report.held = ingested.held;
                return Ok(None);
            }
            self.row = row;
            match (fetched, batch.end) {
                (Some(fetched), _) => batch = fetched,
                (None, end) => {
                    if let Some(Reached::End(heads)) = end {
                        (self.theirs.heads, self.exact) = (heads, row.cursor.position);
                    }
                    return Ok(self.unequal(&self.theirs.heads).await?);
                }
            }
        }
    }

    /// Fetches pages until they are worth a commit, the log ends or the way is cut.
    pub(super) async fn fetch(&self, mut have: Have, without: Option<ReplicaId>) -> Result<Batch, SyncError> {
        let (mut runs, mut bytes, mut reached) = (Vec::new(), 0, None);
        loop {
            let pull = Pull { have: have.clone(), without, limit: self.pull_limit() };
            let answer = match self.peer.call(Request::Pull(self.inner.space.clone(), pull)).await {
                Ok(answer) => answer,
                // What has come is kept. The next call meets the same error.
                Err(error) => match reached {
                    Some(next) => return Ok(Batch { runs, next, end: None }),
                    None if error.may_be_size() && self.shrink_pulls().await? => continue,
                    None => return Err(error.into()),
                },
            };
            self.pull_passed();
            let (page, next, head, end) = match answer.reply {
                Reply::Pull(Pulled { runs, next, head, heads }) => (runs, next, head, heads.map(End::Heads)),
                Reply::Tail(Tail { runs, next, head, digest }) => (runs, next, head, digest.map(End::Digest)),
                _ => return Err(SyncError::Unexpected),
            };
            if next.log != self.row.cursor.log {
                return Err(SyncError::Replaced);
            }
            let clocks = Contact { theirs: answer.clock, ours: self.inner.clock.uncorrected() };
            let heard = Heard { log: next.log, head, missing: 0, lacking: None, clocks, doubt: None };
            locked(&self.inner.peers).heard_page(heard);
            bytes += page.iter().map(|run| run.as_bytes().len()).sum::<usize>();
            runs.extend(page);
            let end = match end.filter(|_| next.position == head) {
                Some(end) => self.heads_at_end(next, end).await?.map(Reached::End),
                None => None,
            };
            let end = end.or_else(|| (next.position >= self.theirs.head.position).then_some(Reached::Begun));
            if end.is_some() || bytes >= COMMIT_BYTES {
                return Ok(Batch { runs, next, end });
            }
            (have, reached) = (self.behind(next), Some(next));
        }
    }

    /// How to ask for what lies behind a place of the peer's log.
    pub(super) fn behind(&self, cursor: Cursor) -> Have {
        if self.digests { Have::Tail(cursor) } else { Have::Cursor(cursor) }
    }

    /// All heads at the end of the peer's log, of which the last page has brought the first, or the digest. `None` if the log has moved on
    /// since.
    async fn heads_at_end(&self, next: Cursor, end: End) -> Result<Option<Heads>, SyncError> {
        let all = match end {
            End::Digest(digest) if digest == self.theirs.heads.digest() => return Ok(Some(self.theirs.heads.clone())),
            End::Digest(_) => {
                let all = refresh(self.peer, &self.inner.space, &self.holding()).await?;
                locked(&self.inner.peers).heard_head(Cursor { position: all.end, ..all.begun });
                all
            }
            End::Heads(heads) => all_heads(self.peer, &self.inner.space, PeerHeads { head: next, heads }).await?,
        };
        Ok(all.at(next))
    }

    /// A bundle of the peer's that is missing here or is another one. If the peer is behind, its head is compared with the chain
    /// hash here at the same bundle: a fork must not hide behind a longer log.
    async fn unequal(&self, theirs: &Heads) -> Result<Option<Dot>, StoreError> {
        let ours = self.inner.turn().await.status.heads.clone();
        let differ = ours.differences(theirs);
        let missing = || differ.iter().find(|differ| differ.ours.seq < differ.theirs.seq);
        let missing = || missing().map(|Difference { origin, theirs, .. }| Dot { origin: *origin, seq: theirs.seq });
        if let Some(at) = differ.iter().find_map(Difference::fork).or_else(missing) {
            return Ok(Some(at));
        }
        let shorter =
            differ.into_iter().filter(|differ| Seq::ZERO < differ.theirs.seq && differ.theirs.seq < differ.ours.seq);
        for Difference { origin, theirs: head, .. } in shorter {
            let next = match self.inner.store.read_origin(origin, head.seq, Limit::items(1)).await {
                // What has been trimmed cannot be compared.
                Err(StoreError::Trimmed { .. }) => continue,
                next => next?,
            };
            if next.first().is_some_and(|stored| stored.previous != head.chain) {
                return Ok(Some(Dot { origin, seq: head.seq }));
            }
        }
        Ok(None)
    }
}
