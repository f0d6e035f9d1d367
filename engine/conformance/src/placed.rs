//! The log as the kit compares it: bundle by bundle, free of how they are packed.

use std::fmt;

use bytes::Bytes;
use syncline::format::heads::{BodyDigest, ChainHash};
use syncline::format::run::{Body, Run, VerifiedRun};
use syncline::format::time::NTP64;
use syncline::store::StoredRun;
use syncline::{Dot, Position};

/// One bundle and its place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Where it lies.
    pub position: Position,
    /// Its name.
    pub dot: Dot,
    /// When it was written.
    pub time: NTP64,
    /// What it holds.
    pub content: Content,
    /// Its origin's chain hash after it.
    pub chain: ChainHash,
}

/// A bundle's body, owned.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// The body's bytes.
    Full(Bytes),
    /// What is left of them in a void.
    Void {
        /// How long the body was.
        bytes: u32,
        /// What it hashed to.
        digest: BodyDigest,
    },
}

impl Content {
    /// What is left of it once the bundle is void.
    #[must_use]
    pub fn voided(&self) -> Self {
        match self {
            Self::Full(body) => {
                let (bytes, digest) = Body::Full(body).seal();
                Self::Void { bytes, digest }
            }
            void @ Self::Void { .. } => void.clone(),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(body) => write!(f, "{} bytes {:?}", body.len(), body.slice(..body.len().min(48))),
            Self::Void { bytes, digest } => write!(f, "void of {bytes} bytes {:02x?}", &digest.0[..4]),
        }
    }
}

/// The bundles of stored runs, one by one.
///
/// # Panics
/// If a run cannot be read back from its own bytes, or does not hash to the check that it carries.
pub fn unpack<'a>(runs: impl IntoIterator<Item = &'a StoredRun>) -> Vec<Placed> {
    runs.into_iter().flat_map(|stored| unpack_run(&stored.run, stored.previous, stored.position)).collect()
}

/// The bundles of these runs as they lie in a log that took them one after the other, the first at `position`.
pub fn placed<'a>(position: u64, runs: impl IntoIterator<Item = &'a VerifiedRun>) -> Vec<Placed> {
    let mut position = Position::new(position);
    let mut all = Vec::new();
    for verified in runs {
        all.extend(unpack_run(verified.run(), verified.previous(), position));
        position = position.plus(verified.run().count());
    }
    all
}

fn unpack_run(run: &Run, previous: ChainHash, mut position: Position) -> Vec<Placed> {
    let read = Run::decode(run.as_bytes().clone());
    assert_eq!(read.as_ref(), Ok(run), "the run at {position} reads back from its own bytes");
    let mut chain = previous;
    let mut bundles = Vec::new();
    for bundle in run.bundles() {
        chain = bundle.chain_after(chain);
        let content = match bundle.body {
            Body::Full(bytes) => Content::Full(Bytes::copy_from_slice(bytes)),
            Body::Void { bytes, digest } => Content::Void { bytes, digest },
        };
        bundles.push(Placed { position, dot: bundle.dot, time: bundle.time, content, chain });
        position = position.plus(1);
    }
    assert_eq!(chain.check(), run.check(), "the run up to {position} hashes to the check that it carries");
    bundles
}
