//! A SQLite file as a backend of `syncline-embedded`.

use rusqlite::{Connection, ErrorCode};
use syncline::store::draft::{Bounds, Draft};
use syncline::store::{Durability, StoreError};
use syncline::{LogId, Position, SpaceId};
use syncline_embedded::files::{self, InPlace, Lock};
use syncline_embedded::{Backend, Failure, Found};

use crate::checkpoint::Checkpoint;
use crate::error::{BACKEND, Fault, Result};
use crate::number::{INTEGER_MAX, POSITION_MAX};
use crate::options::SqliteOptions;
use crate::session::{Session, at_one_moment};
use crate::space::{self, Ids, Place, SpaceRow};
use crate::space_back::SpaceBack;
use crate::write;

/// An open file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    /// With the one name of the file.
    pub(crate) options: SqliteOptions,
    pub(crate) in_place: InPlace,
}

/// What the writing thread owns. The connection is closed before the lock is released.
pub(crate) struct Writing {
    pub(crate) connection: Connection,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) space_back: SpaceBack,
    pub(crate) _lock: Lock,
}

impl Backend for Sqlite {
    const BOUNDS: Bounds = Bounds { backend: BACKEND, position: Position::new(POSITION_MAX), number: INTEGER_MAX };
    // Eight pages, which few bytes are left over of.
    const PACKED_BYTES: usize = 32 * 1024;

    type Key = SpaceRow;
    type Reader = Connection;
    type Writer = Writing;
    type Session<'a> = Session<'a>;
    /// Whether a log was trimmed or replaced.
    type Changes = bool;
    type Learned = Ids;
    type Fault = Fault;

    fn tell(&self, fault: Fault) -> StoreError {
        fault.at(&self.options.path)
    }

    fn read<T>(&self, reader: &mut Connection, ask: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
        at_one_moment(reader, ask)
    }

    fn transaction<T>(
        &self,
        writer: &mut Writing,
        body: impl FnOnce(&Session<'_>, &mut bool) -> Result<T>,
    ) -> Result<T, Failure> {
        let (db, mut is_committing, mut is_trimmed) = (&writer.connection, false, false);
        let work = || {
            execute(db, "BEGIN IMMEDIATE")?;
            let value = body(&Session(db), &mut is_trimmed)?;
            is_committing = true;
            execute(db, "COMMIT")?;
            writer.space_back.expect(is_trimmed);
            Ok(value)
        };
        work().map_err(|fault| self.roll_back(db, fault, is_committing))
    }

    fn find(session: &Session<'_>, name: &SpaceId) -> Result<Option<Found<SpaceRow>>> {
        space::find(session.0, name)
    }

    fn create(session: &Session<'_>, _: &mut bool, name: &SpaceId, log: LogId) -> Result<SpaceRow> {
        space::create(session.0, name, log)
    }

    fn write(session: &Session<'_>, is_trimmed: &mut bool, space: &Place, draft: &Draft<'_>) -> Result<Ids> {
        *is_trimmed |= draft.is_trimmed() || draft.is_replaced;
        write::draft(session.0, space, draft)
    }

    fn learn(space: &Place, learned: Ids) {
        space.key.ids().extend(learned);
    }

    fn tidy(&self, writer: &mut Writing) {
        writer.space_back.run(&writer.connection);
        writer.checkpoint.run(&writer.connection);
    }

    fn in_place(&self) -> Result<(), StoreError> {
        files::check_in_place(BACKEND, &self.in_place)
    }

    fn durability(&self) -> Durability {
        self.options.durability
    }
}

impl Sqlite {
    /// Rolls back. If that fails, or if the commit itself failed in a way that may have reached the disk, nothing that this connection
    /// says is to be trusted any more.
    fn roll_back(&self, db: &Connection, fault: Fault, is_committing: bool) -> Failure {
        let open = !db.is_autocommit();
        let rolled_back = !open || execute(db, "ROLLBACK").is_ok() && db.is_autocommit();
        let certain = !is_committing || matches!(&fault, Fault::Sqlite(error) if is_clean(error));
        let error = self.tell(fault);
        if rolled_back && certain { Failure::Unchanged(error) } else { Failure::Unknown(error) }
    }
}

fn execute(db: &Connection, sql: &str) -> Result<()> {
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Whether a commit that fails so has certainly not happened.
fn is_clean(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ConstraintViolation)
    )
}

#[cfg(test)]
mod tests;
