//! What is checked on each request, and what each answer tells the browser.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri, uri::Authority};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower::Layer;

use super::Key;

/// Bytes of a form, at most: a text of 100,000 characters takes 1.2 MB if each is four bytes and each byte is written as `%F0`.
const FORM_BYTES_MAX: usize = 4 * 1024 * 1024;
/// By it a browser tells where a request comes from. No page can set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[derive(Clone)]
struct Guard {
    key: Key,
    policy: HeaderValue,
}

/// Puts `pages` under `/{key}/`, and answers for nobody but who has the key and comes from the pages themselves:
///
/// * The host must be this machine's loopback by number or as `localhost`. Otherwise a name that an attacker points here (DNS rebinding)
///   would make their page and this one the same to a browser.
/// * What changes something must come from these pages, as the browser tells (CSRF). What reads must not come from others.
/// * The first part of the path must be the key.
///
/// Answers allow a browser to load nothing from elsewhere, to tell nobody the address, and to show the page in a frame of no other
/// origin than `framed_by`.
pub fn guard(pages: Router, key: &Key, framed_by: Option<&str>) -> Router {
    let ancestors = framed_by.unwrap_or("'none'");
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         frame-src http://127.0.0.1:*; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
    );
    // An origin that does not fit a header frames nothing.
    let policy =
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    let guard = Guard { key: key.clone(), policy };
    let pages = pages
        .fallback(|| async { (StatusCode::NOT_FOUND, "There is nothing at this address.\n") })
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX));
    // Around the routes and not among them, so that they match what is left of the path.
    Router::new().fallback_service(middleware::from_fn_with_state(guard, check).layer(pages))
}

async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let mut response = match guard.refusal(&request) {
        Some((status, why)) => (status, why).into_response(),
        None => {
            *request.uri_mut() = below_key(request.uri());
            next.run(request).await
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, guard.policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Guard {
    /// Why a request gets no answer.
    fn refusal(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).filter(|host| is_loopback(host));
        let Some(host) = host else {
            return Some((
                StatusCode::MISDIRECTED_REQUEST,
                "This page is for this machine alone: open it as http://127.0.0.1, as the program has printed it.\n",
            ));
        };
        if !comes_from_here(request.method(), request.headers(), host) {
            return Some((StatusCode::FORBIDDEN, "Another page has sent this request, so nothing was done.\n"));
        }
        let given = request.uri().path().split('/').nth(1).unwrap_or_default();
        (!self.key.is(given)).then_some((
            StatusCode::NOT_FOUND,
            "The key in the address is missing or wrong: open the whole address that the program has printed.\n",
        ))
    }
}

/// The address without its first part, which is the key.
fn below_key(address: &Uri) -> Uri {
    let rest = address.path().splitn(3, '/').nth(2).unwrap_or_default();
    let query = address.query().map(|query| format!("?{query}")).unwrap_or_default();
    Uri::try_from(format!("/{rest}{query}")).expect("a part of an address is one")
}

/// Whether a host, with or without a port, is this machine's loopback.
fn is_loopback(host: &str) -> bool {
    host.parse::<Authority>().is_ok_and(|host| matches!(host.host(), "127.0.0.1" | "localhost" | "[::1]"))
}

/// Whether a request comes from the pages at `host`, as far as its browser tells. What only reads may come from nowhere: somebody has
/// typed the address, or follows a link.
fn comes_from_here(method: &Method, headers: &HeaderMap, host: &str) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    match headers.get(ORIGIN).map(HeaderValue::as_bytes) {
        // A form that is sent without a referrer has the origin `null`.
        Some(b"null") => site == Some(b"same-origin"),
        Some(origin) => origin.strip_prefix(b"http://") == Some(host.as_bytes()),
        None => matches!(*method, Method::GET | Method::HEAD) || site == Some(b"same-origin"),
    }
}
