//! The end of a log, as far as a commit needs it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::postgres::PgRow;
use syncline::format::{ChainHash, Head};
use syncline::id::Revision;
use syncline::store::StoreError;
use syncline::store::draft::{Draft, LogEnd};
use syncline::{LogId, Position, ReplicaId, Seq, SpaceId};

use crate::connection::Connection;
use crate::error::{Result, corrupt};
use crate::number::{array, from_bigint, from_bytes};

/// A space's head row at one revision, and the heads of the origins that were asked for.
///
/// Every commit raises the revision, so what is remembered of a log is true exactly as long as the revision is the log's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tail(pub(crate) LogEnd);

/// How many origins' heads are remembered from one commit to the next.
const HEADS_REMEMBERED_MAX: usize = 1_024;

impl Tail {
    /// Reads the head row and the heads of these origins, all from one moment.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if they do not read back, or the space is gone.
    pub(crate) async fn read(
        connection: &mut Connection,
        space: &SpaceId,
        origins: &BTreeSet<ReplicaId>,
    ) -> Result<Self> {
        let select = "SELECT log, revision, spaces.head, base, clock, origin, seq, chain, time FROM spaces
            LEFT JOIN unnest($2::bytea[]) AS wanted ON true
            LEFT JOIN LATERAL (SELECT * FROM heads WHERE space = $1 AND origin = wanted OFFSET 0) AS heads ON true
            WHERE name = $1";
        let wanted: Vec<_> = origins.iter().map(|origin| origin.to_bytes()).collect();
        let rows = sqlx::query(select).bind(space.as_str()).bind(wanted).fetch_all(connection).await?;
        let first = rows.first().ok_or_else(|| gone(space))?;
        let mut tail = read_head_row(first)?;
        tail.0.heads = origins.iter().map(|origin| (*origin, Head::NONE)).collect();
        for row in &rows {
            if let Some(origin) = row.try_get::<Option<&[u8]>, _>("origin")? {
                tail.0.heads.insert(read_origin(origin)?, read_head(row)?);
            }
        }
        Ok(tail)
    }

    /// Waits for everybody else who changes the space, and keeps others from doing so until the transaction ends.
    pub(crate) async fn lock(connection: &mut Connection, space: &SpaceId) -> Result<()> {
        let lock = "SELECT FROM spaces WHERE name = $1 FOR NO KEY UPDATE";
        sqlx::query(lock).bind(space.as_str()).execute(connection).await?;
        Ok(())
    }

    /// With what an older reading of the same revision says of other origins.
    pub(crate) fn joined(mut self, older: Option<Self>) -> Self {
        let same = |older: &Self| (older.0.log, older.0.revision) == (self.0.log, self.0.revision);
        if let Some(older) = older.filter(same) {
            self.0.heads = older.0.heads.into_iter().chain(self.0.heads).collect();
        }
        self
    }

    /// What to remember of a log once a draft of it is committed.
    pub(crate) fn after(draft: Draft<'_>) -> Self {
        let moved: BTreeSet<ReplicaId> = draft.heads.keys().copied().collect();
        let mut end = draft.into_end();
        if end.heads.len() > HEADS_REMEMBERED_MAX {
            end.heads.retain(|origin, _| moved.contains(origin));
        }
        Self(end)
    }

    /// Whether it says something of all these origins.
    pub(crate) fn knows(&self, origins: &BTreeSet<ReplicaId>) -> bool {
        origins.iter().all(|origin| self.0.heads.contains_key(origin))
    }
}

/// The space was deleted behind our back.
pub(crate) fn gone(space: &SpaceId) -> StoreError {
    corrupt(format!("space {space}"), "its row in the table of spaces is gone")
}

/// The columns `log`, `revision`, `head`, `base` and `clock`.
pub(crate) fn read_head_row(row: &PgRow) -> Result<Tail> {
    let log = array("a space's log", row.try_get("log")?)?;
    let log = LogId::from_bytes(log).ok_or_else(|| corrupt("a space's log", "it is all zero"))?;
    Ok(Tail(LogEnd {
        log,
        revision: Revision::new(from_bigint("a space's revision", row.try_get("revision")?)?),
        head: Position::new(from_bigint("a space's head", row.try_get("head")?)?),
        base: Position::new(from_bigint("a space's base", row.try_get("base")?)?),
        clock: from_bytes("a space's clock", row.try_get("clock")?)?,
        heads: BTreeMap::new(),
    }))
}

/// The columns `seq`, `chain` and `time`.
fn read_head(row: &PgRow) -> Result<Head> {
    let seq = row.try_get("seq")?;
    Ok(head(seq, row.try_get("chain")?, row.try_get("time")?)?)
}

/// A head from its columns.
pub(crate) fn head(seq: i64, chain: &[u8], time: &[u8]) -> std::result::Result<Head, StoreError> {
    let seq = Seq::new(from_bigint("a head's seq", seq)?);
    let chain = ChainHash::from_bytes(array("a head's chain hash", chain)?);
    Ok(Head { seq, chain, time: from_bytes("a head's time", time)? })
}

/// An origin from its column.
pub(crate) fn read_origin(bytes: &[u8]) -> std::result::Result<ReplicaId, StoreError> {
    ReplicaId::from_bytes(array("an origin", bytes)?).ok_or_else(|| corrupt("an origin", "it is all zero"))
}

#[cfg(test)]
mod tests {
    use syncline::NTP64;
    use syncline_conformance::{Author, appends};

    use super::*;
    use crate::writer::BOUNDS;

    #[test]
    fn what_is_remembered_is_bounded() {
        let origin = |number: u128| ReplicaId::from_bytes(number.to_be_bytes()).unwrap();
        let heads = (1..=2_000).map(|number| (origin(number), Head::NONE)).collect();
        let (revision, head, base) = (Revision::ZERO, Position::ZERO, Position::ZERO);
        let log = LogId::from_bytes([1; 16]).unwrap();
        let end = LogEnd { log, revision, head, base, clock: NTP64(0), heads };
        let batch = appends([Author::with_origin(origin(5)).write(1)]);
        let (draft, _) = Draft::of(BOUNDS, end, Vec::new(), [&batch]);
        let Tail(end) = Tail::after(draft);
        assert_eq!(end.heads.into_keys().collect::<Vec<_>>(), [origin(5)]);
    }
}
