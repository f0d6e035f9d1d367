//! Questions to the database.

use crate::connection::Connection;
use crate::error::Result;
use crate::work::Work;

/// A question to the database. Asking it twice is as good as once, so that it can be asked again when a connection is lost.
pub(crate) trait Ask: Send + Sync + 'static {
    /// What it is called in errors.
    const DURING: &'static str;
    /// What it needs.
    const WORK: Work = Work::Statements;
    type Answer: Send + 'static;

    fn ask(&self, connection: &mut Connection) -> impl Future<Output = Result<Self::Answer>> + Send;
}
