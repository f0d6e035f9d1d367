//! Syncline's logs and rows in a sled directory. **Experimental.**
mod backend;
mod directory;
mod disk;
mod error;
mod options;
mod storage;

pub use options::SledOptions;
pub use storage::SledStorage;
pub use syncline_key_value::WriterStats;
