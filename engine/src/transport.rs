//! What a transport implements: the connection to one peer.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use thiserror::Error;

use crate::id::{Cursor, SpaceId};
use crate::protocol::{Answer, Code, Notice, Problem, Request};
use crate::store::BoxError;

#[doc(hidden)]
pub mod forward;

#[doc(inline)]
pub use crate::__forward_watch as forward_watch;

/// The connection to one peer. It may lose, delay or repeat requests. It never changes, invents or merges them, and it keeps every limit of
/// [`limits`](crate::limits) in both directions.
///
/// A replica keeps one transport for as long as it runs, and requires this of it:
///
/// * **Calls are multiplexed.** Any number of calls and watches run at once. A slow one delays no other.
/// * **A dropped watch ends.** The peer stops following the log for it, and the other calls and watches continue.
/// * **A broken connection is replaced.** Calls under way end with an error, and can be tried again. The next call or
///   watch connects again, as often as necessary. Nobody else does it.
///
/// A transport that wraps another one passes watches on with [`forward_watch!`]. `examples/tcp-transport` shows all of this in few
/// lines, over one TCP connection.
#[async_trait]
pub trait Transport: Debug + Send + Sync + 'static {
    /// Carries one request to the peer and brings back its answer.
    ///
    /// # Errors
    /// [`TransportError`] says whether the request was not delivered, perhaps delivered, or refused.
    ///
    /// # Cancel
    /// Dropping the future gives up the answer. Then nobody knows whether the peer acted. Every request may be repeated.
    async fn call(&self, request: Request) -> Result<Answer, TransportError>;

    /// Follows the peer's log: a notice at once, then one whenever its head has moved past the last notice, or another log has taken
    /// its place. Notices may be merged, never missed: after the last commit a notice with that head follows.
    ///
    /// # Errors
    /// As [`call`](Self::call); afterwards the stream ends with an item that says why.
    ///
    /// # Cancel
    /// Dropping the stream ends it.
    async fn watch(
        &self,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError>;
}

/// Why a request got no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// It was not delivered: the peer has done nothing.
    #[error("the peer cannot be reached: {0}; try again later")]
    Unreachable(#[source] BoxError),
    /// It may have been delivered: the peer may have acted.
    #[error("the peer's answer was lost: {0}; repeat the request, repeating is safe")]
    Interrupted(#[source] BoxError),
    /// Somebody on the way answered in the peer's place: a gateway, a proxy, a captive portal. The request may have been
    /// delivered all the same.
    #[error("somebody on the way to the peer answered: {source}; try again later")]
    Foreign {
        /// What was answered.
        #[source]
        source: BoxError,
        /// How long they ask to wait.
        retry_after: Option<Duration>,
    },
    /// The peer refused it, typed. Only what is known to come from a peer that speaks this protocol may be told so: it can end
    /// a live sync.
    #[error("the peer refused: {0}")]
    Refused(#[from] Problem),
    /// The answer is not a valid answer of this protocol. The request may have been delivered.
    #[error("the peer's answer makes no sense: {0}; check the address and the peer's version")]
    Garbled(#[source] BoxError),
}

impl TransportError {
    /// How long to wait before trying again; `None` if the peer itself says that the same request will be refused again.
    /// Nothing else is permanent: proxies on the way change, and so do their answers.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable(_) | Self::Interrupted(_) | Self::Garbled(_) => Some(Duration::ZERO),
            Self::Foreign { retry_after, .. } => Some(retry_after.unwrap_or_default()),
            Self::Refused(problem) => problem.retry_after(),
        }
    }

    /// Whether a smaller message may pass: what was too large for somebody on the way is cut off, refused in their words, or
    /// vanishes.
    pub(crate) fn may_be_size(&self) -> bool {
        match self {
            Self::Interrupted(_) | Self::Garbled(_) | Self::Foreign { retry_after: None, .. } => true,
            Self::Refused(problem) => problem.code == Code::TooLarge,
            Self::Unreachable(_) | Self::Foreign { .. } => false,
        }
    }
}
