//! What may stand before a server: a portal, a gateway, a proxy with bounds of its own.

use std::future::pending;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HOST};
use syncline_http::{HttpTransport, HttpTransportBuilder, Server, Shutdown};

use crate::asking::http;
use crate::site::Site;

/// How a front treats requests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// It hands them on.
    Pass,
    /// It answers them itself, with a page and these headers.
    Answer(StatusCode, Vec<(&'static str, &'static str)>),
    /// It takes no larger bodies, and says so or breaks the connection.
    Asked { most: usize, says: bool },
    /// It cuts off larger answers.
    Answered { most: usize },
    /// It hands on nothing of a watch, not even that it has begun.
    HoldsWatches,
    /// It hands on that a watch has begun, and none of its notices.
    HoldsNotices,
}

/// A proxy in front of a site.
pub(crate) struct Front {
    url: String,
    state: Arc<Middle>,
}

struct Middle {
    site: String,
    rule: Mutex<Rule>,
    asked: Mutex<Vec<String>>,
    http: reqwest::Client,
}

impl Front {
    pub(crate) async fn before(site: &Site, rule: Rule) -> Self {
        let http = http().clone();
        let state = Arc::new(Middle { site: site.url(""), rule: Mutex::new(rule), asked: Mutex::default(), http });
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", server.address());
        let routes = Router::new().fallback(handle).with_state(state.clone());
        tokio::spawn(server.serve(routes, Shutdown::new()));
        Self { url, state }
    }

    pub(crate) fn set(&self, rule: Rule) {
        *self.state.rule.lock().unwrap() = rule;
    }

    /// The last words of the paths that were asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.asked.lock().unwrap())
    }

    /// How many requests have come since.
    pub(crate) fn count(&self) -> usize {
        self.state.asked.lock().unwrap().len()
    }

    pub(crate) fn client(&self, token: &str) -> HttpTransportBuilder {
        HttpTransport::builder(&self.url, token).attempts(1)
    }
}

fn page(status: StatusCode) -> Response {
    (status, [(CONTENT_TYPE, "text/html")], "<html><body>Log in to the network</body></html>").into_response()
}

/// An answer that breaks off, and the connection with it.
fn broken() -> Response {
    let cut = futures_util::stream::iter([Ok(Bytes::from_static(b"x")), Err("the proxy breaks the connection")]);
    Response::new(Body::from_stream(cut))
}

async fn handle(State(middle): State<Arc<Middle>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let watches = path.ends_with("/watch");
    middle.asked.lock().unwrap().push(path.rsplit('/').next().unwrap_or_default().to_owned());
    let rule = middle.rule.lock().unwrap().clone();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    match rule {
        Rule::Answer(status, headers) => {
            let mut response = page(status);
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            return response;
        }
        Rule::Asked { most, says } if body.len() > most => {
            return if says { page(StatusCode::PAYLOAD_TOO_LARGE) } else { broken() };
        }
        Rule::HoldsWatches if watches => pending().await,
        _ => {}
    }
    let mut headers = parts.headers;
    headers.remove(HOST);
    let url = format!("{}{}", middle.site, parts.uri.path_and_query().unwrap());
    let Ok(real) = middle.http.request(parts.method, url).headers(headers).body(body).send().await else {
        return page(StatusCode::BAD_GATEWAY);
    };
    let mut response = Response::builder().status(real.status());
    *response.headers_mut().unwrap() = real.headers().clone();
    let answered = real.content_length().unwrap_or(0);
    match rule {
        Rule::Answered { most } if answered > most as u64 => broken(),
        Rule::HoldsNotices if watches => {
            response.body(Body::from_stream(futures_util::stream::pending::<Result<Bytes, &str>>())).unwrap()
        }
        _ => response.body(Body::from_stream(real.bytes_stream())).unwrap(),
    }
}
