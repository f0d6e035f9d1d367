//! SQLite's own check of a whole file.

use std::thread::Builder;

use futures_channel::oneshot;
use rusqlite::{Connection, InterruptHandle};
use syncline::store::StoreError;

use crate::connection::open_reader;
use crate::error::{Result, corrupt, poisoned, refused};
use crate::options::SqliteOptions;

/// How many of SQLite's findings are told.
const FINDINGS_MAX: usize = 3;

/// Reads the whole file on a thread and a connection of their own, so that no read waits behind it.
///
/// # Errors
/// [`StoreError::Corrupt`] with what SQLite found first.
///
/// # Cancel
/// Dropping the future interrupts the check.
pub(crate) async fn check(options: &SqliteOptions) -> Result<(), StoreError> {
    let connection = open_reader(&options.path, options).map_err(|fault| fault.at(&options.path))?;
    let _interrupt = Interrupt(connection.get_interrupt_handle());
    let (answer, answered) = oneshot::channel();
    let work = move || {
        let findings = integrity(&connection);
        // Anyone who has the answer may delete the file at once.
        drop(connection);
        let _ = answer.send(findings);
    };
    Builder::new().name("syncline-check".into()).spawn(work).map_err(|error| refused(&options.path, error))?;
    let findings = answered.await.map_err(|_| poisoned("the checking thread has ended early"))?;
    let findings = findings.map_err(|fault| fault.at(&options.path))?;
    if findings.is_empty() {
        return Ok(());
    }
    Err(corrupt(options.path.display().to_string(), format!("SQLite's integrity_check says: {}", findings.join(", "))))
}

/// Checks how the pages of a file hang together, all of them, without a look at indices.
///
/// # Errors
/// [`StoreError::Corrupt`] with what SQLite found first.
pub(crate) fn structure(db: &Connection) -> Result<()> {
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(corrupt("its pages".into(), found).into()) }
}

/// Tables, indices and what leads from the ones to the others.
fn integrity(db: &Connection) -> Result<Vec<String>> {
    let mut select = db.prepare(&format!("PRAGMA integrity_check({FINDINGS_MAX})"))?;
    let findings = select.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(findings.into_iter().filter(|finding| finding != "ok").map(|finding| finding.replace('\n', " ")).collect())
}

struct Interrupt(InterruptHandle);

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}
