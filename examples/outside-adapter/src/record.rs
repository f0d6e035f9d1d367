//! What a record says.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use syncline::format::codec;
use syncline::format::heads::{Head, Heads};
use syncline::format::run::{Run, VerifiedRun};
use syncline::store::{Replacement, Rewrite, RowKey, RowWrite, WriteBatch};
use syncline::{Dot, LogId, NTP64, Position, ReplicaId, Seq, SpaceId, ViewId};

/// One change of the journal.
#[derive(Serialize, Deserialize)]
pub(crate) enum Record {
    /// A space was created.
    Space(SpaceId, LogId),
    /// A batch was committed.
    Commit(SpaceId, Batch),
    /// A batch was committed that trims the log up to a position.
    Trim(SpaceId, Batch, Position),
    /// A batch was committed that replaces the log by one with this identity and these heads, and perhaps trims it.
    Replace(SpaceId, Batch, Option<Position>, LogId, Heads),
}

/// A batch, as it is written.
#[derive(Serialize, Deserialize)]
pub(crate) struct Batch {
    rewrite: Option<Tail>,
    runs: Vec<Link>,
    voids: Vec<Dot>,
    clear: Vec<ViewId>,
    rows: Vec<(ViewId, Vec<u8>, Option<Vec<u8>>)>,
    views: Vec<(ViewId, Position)>,
    clock: u64,
}

/// A tail rewritten.
#[derive(Serialize, Deserialize)]
struct Tail {
    origin: ReplicaId,
    after: Head,
    runs: Vec<(Position, Link)>,
}

/// A run, and the head that it follows.
#[derive(Serialize, Deserialize)]
struct Link(Run, Head);

impl Record {
    pub(crate) fn of(space: SpaceId, batch: &WriteBatch) -> Self {
        let parts = Batch::of(batch);
        match (&batch.replace, batch.trim) {
            (Some(Replacement { log, heads }), trim) => Self::Replace(space, parts, trim, *log, heads.clone()),
            (None, Some(base)) => Self::Trim(space, parts, base),
            (None, None) => Self::Commit(space, parts),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, impl Display> {
        codec::decode_checked("journal record", bytes)
    }
}

impl Batch {
    fn of(batch: &WriteBatch) -> Self {
        let link = |verified: &VerifiedRun| {
            let run = verified.run();
            let seq = Seq::new(run.first().get() - 1);
            Link(run.clone(), Head { seq, chain: verified.previous(), time: NTP64(0) })
        };
        let tail = |Rewrite { origin, after, runs }: &Rewrite| Tail {
            origin: *origin,
            after: *after,
            runs: runs.iter().map(|(position, verified)| (*position, link(verified))).collect(),
        };
        let row = |row: &RowWrite| {
            (row.key.view.clone(), row.key.key.to_vec(), row.value.as_ref().map(|value| value.to_vec()))
        };
        Self {
            rewrite: batch.rewrite.as_ref().map(tail),
            runs: batch.runs.iter().map(link).collect(),
            voids: batch.voids.clone(),
            clear: batch.clear.clone(),
            rows: batch.rows.iter().map(row).collect(),
            views: batch.views.clone(),
            clock: batch.clock.0,
        }
    }

    /// The batch again. The revision that it expected was right when it was written.
    pub(crate) fn restore(
        self,
        trim: Option<Position>,
        replace: Option<Replacement>,
    ) -> Result<WriteBatch, impl Display> {
        let verified = |Link(run, head)| VerifiedRun::verify(run, head);
        let tail = |Tail { origin, after, runs }: Tail| {
            let runs =
                runs.into_iter().map(|(position, link)| Ok((position, verified(link)?))).collect::<Result<_, _>>();
            runs.map(|runs| Rewrite { origin, after, runs })
        };
        Ok::<_, syncline::format::run::Unchained>(WriteBatch {
            expected: None,
            replace,
            rewrite: self.rewrite.map(tail).transpose()?,
            runs: self.runs.into_iter().map(verified).collect::<Result<_, _>>()?,
            voids: self.voids,
            clear: self.clear,
            rows: self
                .rows
                .into_iter()
                .map(|(view, key, value)| RowWrite { key: RowKey::new(view, key), value: value.map(Into::into) })
                .collect(),
            views: self.views,
            clock: NTP64(self.clock),
            trim,
        })
    }
}
