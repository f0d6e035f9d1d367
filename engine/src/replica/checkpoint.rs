//! The checkpoint: a position of the log at which the rows of every maintained view can be had.
//!
//! Rows at the checkpoint, with the log behind it folded into them, are the rows of today. So what has to fold rows again, a refusal or a
//! healing, starts there and not at the log's first bundle. When a row changes for the first time since the checkpoint, the same commit
//! writes its *pre-image*: the value that it had, or that there was none. A row at the checkpoint is then its pre-image if it has one, and
//! else the row itself. Moving the checkpoint to the end of the log deletes the pre-images. It moves only if no own bundle is pending,
//! since a peer may still refuse a pending one.
//!
//! Pre-images and checkpoint are rows of the engine, so every store keeps them. The view of the checkpoint has progress like a folded one,
//! and takes part in every commit that folds rows. A program that knows no checkpoints does not move it along, and clears it when it takes
//! events back. So if any view is folded further than the checkpoint's own view, the checkpoint is not believed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::turn::Turn;
use super::{Inner, Replica, ReplicaError, locked};
use crate::format::heads::Heads;
use crate::id::Position;
use crate::reserved::{self, CHECKPOINT, CheckpointRow};
use crate::store::{Limit, LogStatus, Row, RowKey, RowRange, RowWrite, StoreError, ViewId, WriteBatch, whole};

/// What stands before the value in the pre-image of a row that existed.
const EXISTED: u8 = 1;
/// The pre-image of a row that did not exist.
const ABSENT: &[u8] = &[0];

/// Where the checkpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Checkpoint {
    /// There is none: rows are folded again from the log's start.
    #[default]
    None,
    /// One is stored, and cannot be believed. The next commit deletes it.
    Spoiled,
    /// At this position.
    At(Position),
}

impl Checkpoint {
    /// Reads what is stored of it. `row` is the checkpoint's own.
    pub(super) fn read(row: Option<&Bytes>, status: &LogStatus) -> Result<Self, StoreError> {
        let Some(row) = row else { return Ok(Self::None) };
        let CheckpointRow { position } = reserved::get(CHECKPOINT, row)?;
        let known = status.views.get(&view());
        let follows = |known: &Position| {
            let mut folded = status.views.iter().filter(|(view, _)| !view.is_reserved());
            position <= *known && folded.all(|(_, progress)| progress <= known)
        };
        Ok(if known.is_some_and(follows) { Self::At(position) } else { Self::Spoiled })
    }

    /// Its position, if it can be used.
    pub(super) fn position(self) -> Option<Position> {
        match self {
            Self::At(position) => Some(position),
            Self::None | Self::Spoiled => None,
        }
    }
}

/// The view of the checkpoint itself. It is made once, because every commit asks for it.
pub(super) fn view() -> ViewId {
    static VIEW: LazyLock<ViewId> = LazyLock::new(|| reserved::view(CHECKPOINT));
    VIEW.clone()
}

/// The row that says where the checkpoint is.
pub(super) fn key() -> RowKey {
    RowKey::new(view(), Bytes::new())
}

/// The keys of the pre-images of these rows, in the same order.
pub(super) fn pre_image_keys(rows: &[RowKey]) -> Vec<RowKey> {
    let mut views: BTreeMap<&ViewId, ViewId> = BTreeMap::new();
    let mut kept = |view| views.entry(view).or_insert_with(|| reserved::pre_images(view)).clone();
    rows.iter().map(|row| RowKey { view: kept(&row.view), key: row.key.clone() }).collect()
}

/// The pre-images of those rows that have none yet. `now` are the rows as they are, and `kept` the pre-images that there are.
pub(super) fn pre_images(rows: &[RowKey], now: &[Option<Bytes>], kept: &[Option<Bytes>]) -> Vec<RowWrite> {
    let missing = rows.iter().zip(now).zip(kept).filter(|(_, kept)| kept.is_none()).map(|(row, _)| row);
    let (keys, values): (Vec<_>, Vec<_>) = missing.map(|(key, now)| (key.clone(), encode(now.as_ref()))).unzip();
    let write = |(key, value)| RowWrite { key, value: Some(value) };
    pre_image_keys(&keys).into_iter().zip(values).map(write).collect()
}

fn encode(row: Option<&Bytes>) -> Bytes {
    match row {
        Some(row) => [&[EXISTED], &row[..]].concat().into(),
        None => Bytes::from_static(ABSENT),
    }
}

/// The row that a pre-image says there was.
fn decode(pre_image: &Bytes) -> Result<Option<Bytes>, StoreError> {
    match pre_image.first() {
        Some(&EXISTED) => Ok(Some(pre_image.slice(1..))),
        Some(0) if pre_image.len() == ABSENT.len() => Ok(None),
        _ => Err(StoreError::Corrupt {
            backend: "engine",
            at: "the pre-image of a row".to_owned(),
            why: "it does not begin as one; rebuild the view".to_owned(),
        }),
    }
}

/// From where rows are folded again.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// Behind this position.
    pub(super) after: Position,
    /// The rows that exist there.
    pub(super) rows: BTreeMap<RowKey, Bytes>,
    /// What is to be stored with the rows that are folded again: the pre-images of those that had not changed before.
    pub(super) pre_images: Vec<RowWrite>,
    /// What is to be cleared: the checkpoint, if what it stands for changes.
    pub(super) clear: Option<ViewId>,
}

impl Replica {
    /// Moves the checkpoint to the end of the log, so that refusals and healings fold only what comes behind it. A sync does so by itself
    /// from time to time, see [`Compose::checkpoint_every`](super::Compose::checkpoint_every). Gives its position; `None` if it could not
    /// be moved, because no peer has answered for some own bundle yet. It stays where it is while a
    /// [snapshot](Self::make_snapshot) is made.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// It is moved, or stays where it is.
    pub async fn checkpoint(&self) -> Result<Option<Position>, ReplicaError> {
        let mut turn = self.inner.turn().await;
        turn.settle().await;
        turn.refresh().await?;
        Ok(turn.move_checkpoint().await?)
    }
}

impl Inner {
    /// Moves the checkpoint if the log has grown enough since it was moved last, and trims the log if it is to be trimmed.
    pub(super) async fn move_checkpoint_if_due(&self) -> Result<Option<String>, ReplicaError> {
        let mut turn = self.turn().await;
        let last = turn.checkpoint.position().unwrap_or_default();
        if self.checkpoint_every > 0 && turn.status.head.since(last) >= self.checkpoint_every {
            turn.move_checkpoint().await?;
            drop(turn);
            if let Some(keep) = self.keep {
                return match self.trim(keep.into()).await {
                    Ok(_) => Ok(None),
                    Err(ReplicaError::Archive(error)) => Ok(Some(error.to_string())),
                    Err(error) => Err(error),
                };
            }
        }
        Ok(None)
    }
}

impl Inner {
    /// Some rows of a view as they were at the checkpoint, in the order of their keys, and where the next ones begin. It takes no turn:
    /// the rows are read before their pre-images, so that one which changes in between has a pre-image by then.
    pub(super) async fn page_at_checkpoint(
        &self,
        view: &ViewId,
        range: RowRange,
    ) -> Result<(Vec<Row>, Option<RowRange>), StoreError> {
        let now = whole::scan(&*self.store, view, range.clone(), Limit::PAGE).await?;
        let (mut kept, next) = match now.last() {
            Some(last) => (
                RowRange { end: Bound::Included(last.key.clone()), ..range.clone() },
                Some(range.after(last.key.clone())),
            ),
            None => (range, None),
        };
        let mut rows: BTreeMap<Bytes, Option<Bytes>> = now.into_iter().map(|row| (row.key, Some(row.value))).collect();
        let pre_images = reserved::pre_images(view);
        loop {
            let page = whole::scan(&*self.store, &pre_images, kept.clone(), Limit::PAGE).await?;
            let Some(last) = page.last() else { break };
            kept = kept.after(last.key.clone());
            for row in page {
                rows.insert(row.key, decode(&row.value)?);
            }
        }
        let row = |(key, value): (Bytes, Option<Bytes>)| Some(Row { key, value: value? });
        Ok((rows.into_iter().filter_map(row).collect(), next))
    }
}

impl Turn<'_> {
    /// Moves the checkpoint to the end of the log if it may move. While a snapshot is made, it stays.
    pub(super) async fn move_checkpoint(&mut self) -> Result<Option<Position>, StoreError> {
        if self.inner.pinned.load(Ordering::Relaxed) {
            return Ok(self.checkpoint.position());
        }
        Ok(self.move_checkpoint_now().await?.map(|(at, _)| at))
    }

    /// Moves the checkpoint to the end that the log has now. Gives where it is then, and the heads there if it was moved.
    pub(super) async fn move_checkpoint_now(&mut self) -> Result<Option<(Position, Option<Heads>)>, StoreError> {
        loop {
            // Beside a service the log grows in the meantime.
            let (head, heads) = (self.status.head, self.status.heads.clone());
            while self.catch_up_towards(head).await? {}
            if self.status.heads.get(self.id).seq > locked(&self.inner.peers).acked() {
                return Ok(None);
            }
            // Another replica on this store may have folded further.
            if self.inner.projections.views().any(|view| self.folded(view) > head) {
                continue;
            }
            if self.checkpoint == Checkpoint::At(head) {
                return Ok(Some((head, Some(heads))));
            }
            // A trimmed log can be folded again from the checkpoint alone, and an event that a later version reads lies behind it.
            if self.status.base > Position::ZERO && self.first_unread().await?.is_some() {
                return Ok(self.checkpoint.position().map(|at| (at, None)));
            }
            let folded = self.status.views.keys().filter(|view| !view.is_reserved());
            let batch = WriteBatch {
                expected: Some(self.status.revision),
                clear: folded.map(reserved::pre_images).collect(),
                rows: vec![reserved::checkpoint_row(&CheckpointRow { position: head })],
                views: vec![(view(), head)],
                ..WriteBatch::default()
            };
            match self.commit(batch).await {
                Ok(_) => {
                    self.checkpoint = Checkpoint::At(head);
                    return Ok(Some((head, Some(heads))));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The rows that a view had at the checkpoint, as they are to be written. With them, and without its pre-images, the view can be
    /// folded again from the checkpoint on.
    pub(super) async fn rows_at_checkpoint(&self, view: &ViewId) -> Result<Vec<RowWrite>, StoreError> {
        let (kept, mut range, mut rows) = (reserved::pre_images(view), RowRange::all(), Vec::new());
        loop {
            let page = whole::scan(&*self.inner.store, &kept, range.clone(), Limit::PAGE).await?;
            let Some(last) = page.last() else { return Ok(rows) };
            range = range.after(last.key.clone());
            let keys: Vec<_> = page.iter().map(|row| RowKey::new(view.clone(), row.key.clone())).collect();
            let stubs = whole::stubs(&keys, &self.inner.store.load(&keys).await?)?;
            let then = keys.into_iter().zip(&page).map(|(key, row)| Ok(RowWrite { key, value: decode(&row.value)? }));
            let then = then.collect::<Result<_, StoreError>>()?;
            rows.extend(whole::writes(then, &stubs, self.inner.piece_bytes));
        }
    }

    /// From where `touched` rows are to be folded again if the bundle at `first` changes, or a later one: from the checkpoint if it lies
    /// before that, else from the log's start. Then the checkpoint goes.
    pub(super) async fn start(&self, touched: &BTreeSet<RowKey>, first: Position) -> Result<Start, StoreError> {
        let Some(after) = self.checkpoint.position() else { return Ok(Start::default()) };
        if first <= after {
            return Ok(Start { clear: Some(view()), ..Start::default() });
        }
        let keys: Vec<_> = touched.iter().cloned().collect();
        let now = whole::load(&*self.inner.store, &keys).await?;
        let kept = whole::load(&*self.inner.store, &pre_image_keys(&keys)).await?;
        let pre_images = whole::writes(pre_images(&keys, &now, &kept), &BTreeMap::new(), self.inner.piece_bytes);
        let mut rows = BTreeMap::new();
        for ((key, now), kept) in keys.into_iter().zip(now).zip(kept) {
            let then = kept.as_ref().map(decode).transpose()?.unwrap_or(now);
            rows.extend(then.map(|then| (key, then)));
        }
        Ok(Start { after, rows, pre_images, clear: None })
    }
}
