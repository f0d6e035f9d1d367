//! An answer's body, whose bytes are counted until its connection has taken them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::share::Share;

/// Bytes of one piece. A connection that holds many pieces asks for no more, so that the rest stays here, counted.
const PIECE_BYTES: usize = 64 * 1024;

/// A body that comes in pieces, as its reader reads.
#[derive(Debug)]
pub(super) struct Held {
    rest: Bytes,
    _shares: Vec<Share>,
}

impl Held {
    pub(super) fn new(bytes: Bytes, shares: Vec<Share>) -> Self {
        Self { rest: bytes, _shares: shares }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(size);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
