//! A body that counts what goes through it.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// Passes a body on unchanged, and counts its bytes as they go by.
#[derive(Debug)]
pub(super) struct Counted {
    body: Body,
    bytes: Counter,
    _open: Option<Open>,
}

impl Counted {
    /// Counts the bytes of `body` in `bytes`.
    pub(super) fn new(body: Body, bytes: Counter) -> Self {
        Self { body, bytes, _open: None }
    }

    /// Counts the body itself among the open ones, until it is dropped.
    pub(super) fn open_in(self, gauge: Gauge) -> Self {
        gauge.inc();
        Self { _open: Some(Open(gauge)), ..self }
    }
}

/// One of the open bodies.
#[derive(Debug)]
struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.bytes.inc_by(data.len() as u64);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
