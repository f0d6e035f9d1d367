//! The history: the first bundles of a log, put together from segments, and checked.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use thiserror::Error;

use super::{Archive, ArchiveError, Segment, SegmentFault, SegmentName};
use crate::format::heads::{Head, Heads};
use crate::format::run::{Run, VerifiedRun};
use crate::id::{Dot, LogId, Position, ReplicaId, Seq, SpaceId};
use crate::store::{EventStore, Limit, StoreError};

/// Why the history of a log cannot be read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The archive has not got it, or is damaged.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All bundles of a log up to a place, in the order of the log, segment by segment. Holds one segment in memory.
#[derive(Debug, Clone)]
pub struct History {
    archive: Arc<dyn Archive>,
    space: SpaceId,
    /// The log whose base is the history's end, if there is one.
    store: Option<Arc<dyn EventStore>>,
    /// What is to be read, in order.
    segments: VecDeque<SegmentName>,
    /// Per origin what has been read.
    heads: Heads,
    read: Position,
    end: Position,
    /// The log that the last segment was written from, or the store's own.
    log: LogId,
}

/// What an archive has of a space, after every segment was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The log that its last segment was written from.
    pub log: LogId,
    /// How many segments the history is made of.
    pub segments: u64,
    /// Its last bundle: how many bundles it has.
    pub end: Position,
    /// Per origin its last bundle.
    pub heads: Heads,
}

impl History {
    /// The history of a log up to its base: what it does not keep any more. Reads the names of segments, and none of them.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`]; [`ArchiveError::Missing`] if the segments leave something out; [`HistoryError::Store`].
    pub async fn of(
        store: Arc<dyn EventStore>,
        archive: Arc<dyn Archive>,
        space: &SpaceId,
    ) -> Result<Self, HistoryError> {
        let status = store.status().await?;
        let names = archive.list(space).await.map_err(ArchiveError::unavailable("list its segments"))?;
        let segments = chain(&names, status.log, status.base)
            .map_err(|behind| ArchiveError::Missing { space: space.clone(), behind })?;
        Ok(Self::new(archive, space, Some(store), segments, status.log))
    }

    /// All that an archive has of a space, if its log is lost. If a log was restored to an older state and went on, there are two
    /// histories: this is the longer one.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`]; [`ArchiveError::Missing`] if the segments leave something out, or if there are none.
    pub async fn alone(archive: Arc<dyn Archive>, space: &SpaceId) -> Result<Self, ArchiveError> {
        let names = archive.list(space).await.map_err(ArchiveError::unavailable("list its segments"))?;
        let missing = |behind| ArchiveError::Missing { space: space.clone(), behind };
        let newest = names.iter().max_by_key(|name| (name.last, name.log)).ok_or_else(|| missing(Position::ZERO))?;
        let segments = chain(&names, newest.log, newest.last).map_err(missing)?;
        Ok(Self::new(archive, space, None, segments, newest.log))
    }

    fn new(
        archive: Arc<dyn Archive>,
        space: &SpaceId,
        store: Option<Arc<dyn EventStore>>,
        segments: VecDeque<SegmentName>,
        log: LogId,
    ) -> Self {
        let end = segments.back().map_or(Position::ZERO, |name| name.last);
        Self { archive, space: space.clone(), store, segments, heads: Heads::new(), read: Position::ZERO, end, log }
    }

    /// Its last bundle: the base that the log had when the history was opened.
    pub fn end(&self) -> Position {
        self.end
    }

    /// The log whose history it is, as it was when the history was opened.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Up to where it has been read.
    pub fn read(&self) -> Position {
        self.read
    }

    /// The runs of the next segment, in the order of the log, each proved to follow its origin's bundles before it. `None` behind the last.
    ///
    /// # Errors
    /// [`HistoryError`]. What was returned before is right, but for [`ArchiveError::Contradicts`]: then all of it may be of another
    /// history than the log.
    ///
    /// # Cancel
    /// Dropping the future loses nothing: the next call continues.
    pub async fn next(&mut self) -> Result<Option<Vec<VerifiedRun>>, HistoryError> {
        let Some(name) = self.segments.front().copied() else { return Ok(None) };
        let mut heads = self.heads.clone();
        let runs = self.segment(name).await?.runs;
        let runs = runs.into_iter().map(|run| self.follow(&mut heads, run)).collect::<Result<_, _>>()?;
        if name.last == self.end {
            self.is_followed(&heads).await?;
        }
        (self.heads, self.read) = (heads, name.last);
        self.segments.pop_front();
        Ok(Some(runs))
    }

    /// Reads and checks everything that was not read yet.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn verify(mut self) -> Result<Archived, HistoryError> {
        let mut segments = 0;
        while self.next().await?.is_some() {
            segments += 1;
        }
        Ok(Archived { log: self.log, segments, end: self.end, heads: self.heads })
    }

    async fn segment(&self, name: SegmentName) -> Result<Segment, ArchiveError> {
        let damaged = |why| ArchiveError::Damaged { space: self.space.clone(), name, why };
        let bytes = self.archive.get(&self.space, name).await.map_err(ArchiveError::unavailable("read a segment"))?;
        let segment = Segment::decode(&bytes.ok_or_else(|| damaged(SegmentFault::Gone))?).map_err(damaged)?;
        if segment.space != self.space || segment.name != name {
            return Err(damaged(SegmentFault::Misnamed { space: segment.space, name: segment.name }));
        }
        Ok(segment)
    }

    fn follow(&self, heads: &mut Heads, run: Run) -> Result<VerifiedRun, ArchiveError> {
        let (origin, first) = (run.origin(), run.first());
        let verified = VerifiedRun::verify(run, heads.get(origin)).map_err(|_| self.contradicts(origin, first))?;
        heads.set(origin, verified.head());
        Ok(verified)
    }

    fn contradicts(&self, origin: ReplicaId, seq: Seq) -> ArchiveError {
        ArchiveError::Contradicts { space: self.space.clone(), at: Dot { origin, seq } }
    }

    /// Checks that the log goes on where the history ends, with these heads.
    async fn is_followed(&self, heads: &Heads) -> Result<(), HistoryError> {
        let Some(store) = &self.store else { return Ok(()) };
        let theirs = store.status().await?.heads;
        for (origin, ours) in heads.iter() {
            if !self.ends_there(&**store, origin, ours, theirs.get(origin)).await? {
                return Err(self.contradicts(origin, ours.seq).into());
            }
        }
        Ok(())
    }

    /// Whether no bundle that the log has trimmed follows `ours`, the last one of an origin in the history. `theirs` is its head in the
    /// log. A log that was replaced may have other bundles below a base of the same number. As both have equally many, one of them
    /// follows some origin then.
    async fn ends_there(
        &self,
        store: &dyn EventStore,
        origin: ReplicaId,
        ours: Head,
        theirs: Head,
    ) -> Result<bool, StoreError> {
        if theirs.seq <= ours.seq {
            return Ok(theirs == ours);
        }
        match store.read_origin(origin, ours.seq, Limit::items(1)).await {
            Ok(next) => Ok(next.first().is_some_and(|next| next.previous == ours.chain)),
            // Unless the log was trimmed further in the meantime, the history lacks this bundle.
            Err(StoreError::Trimmed { .. }) => Ok(store.status().await?.base > self.end),
            Err(error) => Err(error),
        }
    }
}

/// The segments that have all bundles up to `end`, in order. Those of `log` come first where there is a choice: a log that was restored has
/// another id, and its older part lies in segments of the log before it.
///
/// # Errors
/// The place up to which there are segments without a hole.
fn chain(names: &[SegmentName], log: LogId, end: Position) -> Result<VecDeque<SegmentName>, Position> {
    let mut names: Vec<_> = names.iter().filter(|name| name.last <= end).collect();
    names.sort();
    let mut reached = BTreeSet::from([Position::ZERO]);
    for name in &names {
        if reached.contains(&name.after) {
            reached.insert(name.last);
        }
    }
    let (mut segments, mut at) = (VecDeque::new(), end);
    while at > Position::ZERO {
        let behind = || reached.last().copied().unwrap_or_default();
        let fit = names.iter().filter(|name| name.last == at && reached.contains(&name.after));
        let best = fit.max_by_key(|name| (name.log == log, **name)).ok_or_else(behind)?;
        segments.push_front(**best);
        at = best.after;
    }
    Ok(segments)
}
