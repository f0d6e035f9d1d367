//! A space's log as one file: portable between backends, checksummed, the same byte for byte from each of them.
//!
//! ```
//! use std::sync::Arc;
//! use syncline::portable::{Exporter, Importer, Part, Reader};
//! use syncline::{EventStore, LogId, MemoryStore, SpaceId};
//!
//! # futures_executor::block_on(async {
//! # let store = |byte| Arc::new(MemoryStore::new(LogId::from_bytes([byte; 16]).expect("not zero")));
//! # let (from, to) = (store(1), store(2));
//! let mut exporter = Exporter::begin(from, SpaceId::new("notes").unwrap()).await?;
//! let (mut reader, mut importer) = (Reader::new(), None);
//! while let Some(frame) = exporter.next().await? {
//! reader.push(&frame); // or write it to a file, and read the file in pieces of any size
//!     while let Some(part) = reader.part()? {
//!         match (part, &mut importer) {
//!             (Part::Header(header), _) => importer = Some(Importer::begin(to.clone(), header).await?),
//!             (part, Some(importer)) => importer.take(part).await?,
//!             (_, None) => unreachable!("a header comes first"),
//!         }
//!     }
//! }
//! reader.finish()?; // the file is complete
//! let imported = importer.expect("a header comes first").finish().await?;
//! assert_eq!(Some(imported.end.digest), exporter.end().map(|end| end.digest));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! An [`Exporter`] reads a log up to the head that it has at the start, while the log continues being written, and checks every
//! chain hash. A [`Reader`] turns bytes back into [`Part`]s; it hands out nothing that it has not verified. An [`Importer`]
//! commits parts to the end of a log, so that positions stay as they were. If an import was interrupted, begin it again with
//! the same file, or with a newer one of the same log: bundles that the log already holds are compared and skipped.
//!
//! A file may say which devices own the origins ([`Exporter::with_claims`]), so that an import gives no origin away.
//!
//! Rows are not in the file: replicas fold them again. The reasons of refusals are in the file, because they are nowhere else. The
//! layout is in `docs/format.md`.

use std::fmt;

use crate::authority::Principal;
use crate::format::heads::Heads;
use crate::format::run::VerifiedRun;
use crate::id::{Position, ReplicaId, SpaceId};
use crate::limits::BODY_BYTES_MAX;
use crate::protocol::RefusedBundle;

mod export;
mod frame;
mod import;
pub(crate) mod layout;
mod read;
mod recut;

pub use export::{ExportError, Exporter};
pub use import::{ImportError, Imported, Importer};
pub use read::{Fault, ReadError, Reader};

/// The format of a file without claims.
pub const PORTABLE_VERSION: u16 = 1;
/// The format of a file with claims, and the newest that this build reads.
pub const PORTABLE_VERSION_WITH_CLAIMS: u16 = 2;
/// Bytes of one frame's payload. Large enough for a run with the largest bundle.
pub const PAYLOAD_BYTES_MAX: usize = BODY_BYTES_MAX + 1024;

/// BLAKE3 over a whole portable log without its claims: two logs with one digest have the same space, bundles, order and refusals.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest's bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// What a portable log holds: its first part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The space.
    pub space: SpaceId,
    /// The last bundle's position: how many there are.
    pub head: Position,
    /// Per origin the last bundle.
    pub heads: Heads,
}

/// What a portable log held: its last part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Bundles, voids included.
    pub bundles: u64,
    /// Voids among them.
    pub voids: u64,
    /// Runs that the bundles are packed in.
    pub runs: u64,
    /// Voids whose reason is told.
    pub refusals: u64,
    /// Of the whole file.
    pub digest: Digest,
}

/// A verified piece of a portable log. They come in the order of the variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Once.
    Header(Header),
    /// Runs in log order, each proved to follow its origin's bundles before it.
    Runs(Vec<VerifiedRun>),
    /// Why bundles were refused, in the order of origins and seqs.
    Refusals(Vec<RefusedBundle>),
    /// The devices that own the origins, in the order of origins. They are not part of the log. Accounts keep them, see
    /// [`Accounts::add_claims`](crate::authority::accounts::Accounts::add_claims).
    Claims(Vec<(ReplicaId, Principal)>),
    /// Once. Nothing follows.
    End(End),
}
