//! The outermost layer: request ids, the log line, panics, and problems as documents.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::body::Body;
use syncline::protocol::Code;
use tracing::Instrument;

use super::fault::Fault;
use crate::random;

/// The header that names a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Header fields of one request.
const HEADERS_MAX: usize = 64;
/// Bytes of one request's header fields, and of its path and query.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Names one request, in its response, in problems and in the log.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

impl RequestId {
    /// The sender's own if it is short and plain, else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let plain = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(plain) {
            Some(id) => Self(id.to_owned()),
            None => Self(format!("{:016x}", random::number())),
        }
    }
}

/// Wraps every request of the router.
pub(super) async fn edge(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let received = request.body().size_hint().exact();
    let span = tracing::info_span!("request", id = %id.0, method = %request.method(), route);
    request.extensions_mut().insert(id.clone());

    let work = async {
        let mut response = match check_head(&request) {
            Ok(()) => AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| panicked()),
            Err(fault) => fault.into_response(),
        };
        if let Some(fault) = response.extensions_mut().remove::<Fault>() {
            tracing::debug!(problem = ?fault.problem.code, "refused");
            response = fault.render(&response, &id.0);
        }
        let (status, sent) = (response.status().as_u16(), response.body().size_hint().exact());
        let ms = started.elapsed().as_secs_f64() * 1e3;
        tracing::info!(status, ms, bytes_in = received, bytes_out = sent, "answered");
        response
    };
    let mut response = work.instrument(span).await;
    let id = HeaderValue::try_from(id.0).expect("ids are plain");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Bounds what the server in front may have let through.
fn check_head(request: &Request) -> Result<(), Fault> {
    let headers = request.headers();
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let bytes = path + headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    if headers.len() <= HEADERS_MAX && bytes <= HEADER_BYTES_MAX {
        return Ok(());
    }
    let detail = format!(
        "{} header fields of {bytes} bytes exceed {HEADERS_MAX} fields or {HEADER_BYTES_MAX} bytes; send fewer",
        headers.len()
    );
    Err(Fault::new(Code::TooLarge, detail).with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE))
}

/// The panic's own words are with the panic hook; they may hold anything, so they go no further.
fn panicked() -> Response {
    tracing::error!("a request's handler panicked");
    Fault::new(Code::Internal, "the server failed; try again later").into_response()
}
