//! A problem on its way out.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use syncline::protocol::{Code, Problem};
use syncline::service::ServiceError;

use crate::compression::ZSTD;
use crate::problem::{self, PROBLEM_JSON};

/// Why a request fails. The [edge](super::edge) turns it into a problem document with the request's id.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) problem: Problem,
    status: StatusCode,
    hint: Option<Hint>,
}

/// A header that tells the sender what to do about it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hint {
    SendToken,
    SendAnotherToken,
    CompressWithZstd,
}

impl Hint {
    fn header(self) -> (HeaderName, HeaderValue) {
        let (name, value) = match self {
            Self::SendToken => (WWW_AUTHENTICATE, "Bearer"),
            Self::SendAnotherToken => (WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
            Self::CompressWithZstd => (ACCEPT_ENCODING, ZSTD),
        };
        (name, HeaderValue::from_static(value))
    }
}

impl Fault {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Says it more closely than the kind's own status does.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds what the status asks for.
    pub(super) fn with_hint(mut self, hint: Hint) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The whole response, in place of the bare one that carried this fault. Of that only `Allow` is kept.
    pub(super) fn render(self, bare: &Response, request_id: &str) -> Response {
        let body = problem::to_json(&self.problem, self.status, request_id);
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.hint.map(Hint::header));
        headers.extend(bare.headers().get(ALLOW).map(|allow| (ALLOW, allow.clone())));
        if let Code::Busy { retry_after_ms } = self.problem.code {
            let seconds = Duration::from_millis(retry_after_ms).as_secs_f64().ceil();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds as u64));
        }
        response
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self { status: problem::status(&problem.code), problem, hint: None }
    }
}

impl From<ServiceError> for Fault {
    fn from(error: ServiceError) -> Self {
        told(&error).into()
    }
}

/// What the peer is told. A failure of the service's own goes to the log with its whole cause.
pub(super) fn told(error: &ServiceError) -> Problem {
    if !matches!(error, ServiceError::Problem(_)) {
        let cause: &(dyn std::error::Error + 'static) = error;
        tracing::warn!(error = cause, "a request failed inside the service");
    }
    error.to_problem()
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
