//! Syncline's logs and rows in one redb file.
mod backend;
mod error;
mod options;
mod storage;

pub use options::RedbOptions;
pub use storage::RedbStorage;
pub use syncline_key_value::WriterStats;
