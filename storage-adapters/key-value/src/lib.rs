//! Syncline's logs and rows over any ordered key-value database.
mod backend;
mod changes;
mod database;
mod draft;
mod error;
pub mod files;
mod keys;
mod log;
mod pack;
mod poison;
mod queue;
mod read;
mod record;
mod rows;
mod schema;
mod space;
mod storage;
mod store;
mod writer;

pub use backend::{KeyValue, Snapshot, Visit};
pub use changes::Changes;
pub use error::guarded;
pub use schema::inspect;
pub use storage::{KeyValueStorage, WriterStats};
