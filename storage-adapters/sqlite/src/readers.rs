//! The threads that read. Each has a connection of its own, so that reads wait neither for the writer nor for each other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use crate::error::Result;
use crate::queue::Queue;

/// One read, with its answer.
pub(crate) type Request = Box<dyn FnOnce(&Connection) + Send>;

/// Works until the queue is closed and empty.
pub(crate) fn run(connection: &Connection, queue: &Queue<Request>) {
    while let Some(request) = queue.pop() {
        // A panic has dropped the answer, which its caller notices.
        let _ = catch_unwind(AssertUnwindSafe(|| request(connection)));
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
}

/// Reads from one moment: all that `ask` sees was true at the same time.
pub(crate) fn at_one_moment<T>(db: &Connection, ask: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    db.prepare_cached("BEGIN")?.execute([])?;
    let answer = ask(db);
    // Some failures have ended the transaction already.
    if !db.is_autocommit() {
        db.prepare_cached("ROLLBACK")?.execute([])?;
    }
    answer
}
