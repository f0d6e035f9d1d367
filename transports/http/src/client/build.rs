//! Making a client.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use http::{HeaderMap, HeaderValue};
use reqwest::{Client, Url, redirect};

use super::retry::Retry;
use super::{Counters, HttpTransport, Inner};
use crate::compression::ZSTD;
use crate::error::BuildError;
use crate::form::Form;

/// Idle connections are dropped before a server drops them, so that no request meets a closing one.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// Options of a [`HttpTransport`].
#[derive(Clone)]
pub struct HttpTransportBuilder {
    url: String,
    token: String,
    form: Form,
    plain_http: bool,
    connect_timeout: Duration,
    request_timeout: Duration,
    watch_patience: Duration,
    retry: Retry,
}

impl std::fmt::Debug for HttpTransportBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpTransportBuilder").field("url", &self.url).finish_non_exhaustive()
    }
}

impl HttpTransportBuilder {
    pub(super) fn new(url: &str, token: &str) -> Self {
        let second = Duration::from_secs(1);
        Self {
            url: url.to_owned(),
            token: token.to_owned(),
            form: Form::Binary,
            plain_http: false,
            connect_timeout: 10 * second,
            request_timeout: 60 * second,
            watch_patience: 45 * second,
            retry: Retry::default(),
        }
    }

    /// Speaks JSON, for people who want to read what goes over the wire. Slower, and about twice as large.
    #[must_use]
    pub fn json(mut self) -> Self {
        self.form = Form::Json;
        self
    }

    /// Allows an `http` address of another host: token and data then go over the network in the clear.
    #[must_use]
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.plain_http = allow;
        self
    }

    /// How long connecting may take. 10 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one attempt may take, including its answer. 60 s by default. Watch streams have no limit.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long a watch stream may be silent: three ticks of the server. 45 s by default.
    #[must_use]
    pub fn watch_patience(mut self, patience: Duration) -> Self {
        self.watch_patience = patience;
        self
    }

    /// How often a request is sent at most, the first time included. 4 by default; 1 never repeats.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.retry.attempts = attempts.max(1);
        self
    }

    /// How long to pause before repeating a request: at most `first` the first time, twice that the second, and so on up to
    /// `most`. Each pause is a random part of that, so that many clients do not come back at once. 100 ms and 5 s by default.
    /// A server that asks for a longer pause gets it, up to `most`. If it asks for more, its refusal is returned.
    #[must_use]
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        (self.retry.first, self.retry.most) = (first, most);
        self
    }

    /// Makes the client. Connects to nothing yet.
    ///
    /// Without a rustls provider in the process it installs ring's.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(self) -> Result<HttpTransport, BuildError> {
        let base = base_url(&self.url)?;
        let local = is_loopback(&base);
        if base.scheme() == "http" && !local && !self.plain_http {
            return Err(BuildError::PlainHttp { url: self.url });
        }
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {}", self.token)).map_err(|_| BuildError::InvalidToken)?;
        bearer.set_sensitive(true);
        let headers =
            HeaderMap::from_iter([(AUTHORIZATION, bearer), (ACCEPT_ENCODING, HeaderValue::from_static(ZSTD))]);
        // An application may have installed a provider of its own; then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder()
            .default_headers(headers)
            .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_nodelay(true)
            .redirect(redirect::Policy::none());
        if local {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| BuildError::Client(error.into()))?;
        let Self { form, retry, request_timeout, watch_patience, .. } = self;
        let counters = Counters::default();
        Ok(HttpTransport(Arc::new(Inner { http, base, form, retry, request_timeout, watch_patience, counters })))
    }
}

fn base_url(url: &str) -> Result<Url, BuildError> {
    let invalid = |why: &str| BuildError::InvalidUrl { url: url.to_owned(), why: why.to_owned() };
    let mut base = Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(invalid("it begins with neither https:// nor http://"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(BuildError::InvalidUrl {
            url: "…".into(),
            why: "it holds a password; pass the token instead".into(),
        });
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(invalid("it holds a query or a fragment"));
    }
    if !base.path().ends_with('/') {
        let path = format!("{}/", base.path());
        base.set_path(&path);
    }
    Ok(base)
}

/// Whether the address leads back to this very host, so that nobody can listen in between.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(url: &str) -> Result<HttpTransport, BuildError> {
        HttpTransport::builder(url, "slt_secret").build()
    }

    #[test]
    fn plain_http_takes_a_loopback_address_or_leave() {
        for url in ["http://127.0.0.1:1", "http://[::1]:1/sync", "http://localhost", "https://example.org/"] {
            assert!(build(url).is_ok(), "{url}");
        }
        for url in ["http://example.org", "http://10.0.0.1", "http://localhost.example.org"] {
            assert!(matches!(build(url), Err(BuildError::PlainHttp { .. })), "{url}");
            assert!(HttpTransport::builder(url, "token").allow_plain_http(true).build().is_ok(), "{url}");
        }
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for url in ["", "example.org", "ftp://example.org", "https://ann:secret@example.org", "https://example.org?a=b"]
        {
            let error = build(url).unwrap_err();
            assert!(matches!(error, BuildError::InvalidUrl { .. }), "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(matches!(HttpTransport::builder("https://a.org", "a\nb").build(), Err(BuildError::InvalidToken)));
    }

    #[test]
    fn debug_output_holds_no_token() {
        let builder = HttpTransport::builder("https://example.org", "slt_secret");
        let text = format!("{builder:?} {:?}", builder.clone().build().unwrap());
        assert!(!text.contains("slt_secret"), "{text}");
    }
}
