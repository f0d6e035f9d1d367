//! How two logs of one space differ.

use syncline::format::Heads;
use syncline::portable::Header;
use thiserror::Error;

use super::source::Verified;
use crate::failure::Failure;
use crate::text::count;

/// How two logs differ.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Difference {
    /// One continues where the other ends.
    #[error("{more} holds {} that {less} lacks; `move` copies what is missing", count(*bundles, "bundle"))]
    Behind {
        /// The one that continues.
        more: String,
        /// The one that ends.
        less: String,
        /// By how many bundles.
        bundles: u64,
    },
    /// Each has what the other lacks, or they hold different histories of one origin.
    #[error("{here} and {there} hold different histories; keep the one that devices sync with")]
    Forked {
        /// The one.
        here: String,
        /// The other.
        there: String,
    },
    /// The bundles are the same.
    #[error("{here} and {there} hold the same bundles, but in another order, or other voids or reasons of refusals")]
    Inside {
        /// The one.
        here: String,
        /// The other.
        there: String,
    },
}

impl Difference {
    /// Compares two logs that were read to their ends, and that go by these names.
    ///
    /// # Errors
    /// [`Failure::Differ`].
    pub(super) fn check(ours: &Verified<'_>, theirs: &Verified<'_>, here: &str, there: &str) -> Result<(), Failure> {
        let ((left, ours), (right, theirs)) = (ours.read(), theirs.read());
        if ours.digest == theirs.digest {
            return Ok(());
        }
        let how = Self::between(left, right, here, there);
        Err(Failure::Differ { space: left.space.to_string(), how })
    }

    fn between(left: &Header, right: &Header, here: &str, there: &str) -> Self {
        let (here, there) = (here.to_owned(), there.to_owned());
        let goes_on = |more: &Heads, less: &Heads| more.covers(less) && more.fork(less).is_none();
        if left.heads == right.heads {
            Self::Inside { here, there }
        } else if goes_on(&left.heads, &right.heads) {
            Self::Behind { more: here, less: there, bundles: left.head.since(right.head) }
        } else if goes_on(&right.heads, &left.heads) {
            Self::Behind { more: there, less: here, bundles: right.head.since(left.head) }
        } else {
            Self::Forked { here, there }
        }
    }
}
