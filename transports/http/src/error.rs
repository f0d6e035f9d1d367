//! Why a client could not be made.

use syncline::store::BoxError;
use thiserror::Error;

/// The reason why [`HttpTransportBuilder::build`](crate::HttpTransportBuilder::build) made no client.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The address is none.
    #[error("`{url}` is not the address of a server: {why}")]
    InvalidUrl {
        /// The address given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The address would send the token in the clear.
    #[error("`{url}` would send the token in the clear; use https, or allow plain HTTP if the network is trusted")]
    PlainHttp {
        /// The address given.
        url: String,
    },
    /// The token holds characters that no header may hold.
    #[error("the token holds characters that a header may not hold; copy it again")]
    InvalidToken,
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[source] BoxError),
}
