//! Requests that are answered once: hello, heads, pull, push.

use axum::body::Body;
use axum::extract::{Query, Request as HttpRequest, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use syncline::authority::Principal;
use syncline::limits::PAGE_BYTES_MAX;
use syncline::protocol::{Code, Pull, Request};
use syncline::{ReplicaId, SpaceId};

use super::admit::{self, Caller};
use super::fault::Fault;
use super::{App, body, negotiate};
use crate::compression::{ZSTD, shrink};
use crate::form::Form;

/// Bytes of runs to which a page is cut where its answer would exceed a message: less makes no sense.
const PAGE_BYTES_MIN: u32 = 64 * 1024;
/// Bytes of runs in a page that goes out as JSON, which spells them out.
const JSON_PAGE_BYTES: u32 = 1024 * 1024;

/// Where a page of heads begins, as the query says it.
#[derive(Deserialize)]
struct After {
    after: Option<ReplicaId>,
}

/// What a route asks the service.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Hello,
    Heads,
    Pull,
    Push,
}

pub(super) async fn hello(State(app): State<App>, request: HttpRequest) -> Response {
    answer(app, Ask::Hello, request).await
}

pub(super) async fn heads(State(app): State<App>, request: HttpRequest) -> Response {
    answer(app, Ask::Heads, request).await
}

pub(super) async fn pull(State(app): State<App>, request: HttpRequest) -> Response {
    answer(app, Ask::Pull, request).await
}

pub(super) async fn push(State(app): State<App>, request: HttpRequest) -> Response {
    answer(app, Ask::Push, request).await
}

async fn answer(app: App, ask: Ask, request: HttpRequest) -> Response {
    let (mut parts, mut body) = request.into_parts();
    match respond(&app, ask, &mut parts, &mut body).await {
        Ok(response) => response,
        Err(fault) => {
            body::drain(&mut body, &parts.headers, &fault).await;
            fault.into_response()
        }
    }
}

/// Who, then what, then how much, and only then the content.
async fn respond(app: &App, ask: Ask, parts: &mut Parts, body: &mut Body) -> Result<Response, Fault> {
    let Caller { principal, .. } = Caller::of(app, parts).await?;
    let headers = &parts.headers;
    let (request, form) = match ask {
        Ask::Hello => (Request::Hello, negotiate::answer_form(headers, None)?),
        Ask::Heads => {
            let form = negotiate::answer_form(headers, None)?;
            (heads_request(parts).await?, form)
        }
        Ask::Pull | Ask::Push => {
            let body_form = negotiate::body_form(headers)?;
            let form = negotiate::answer_form(headers, Some(body_form))?;
            let space = admit::space(parts).await?;
            let bytes = body::read(body, &parts.headers, body_form, app.options.body_patience).await?;
            let malformed = |why: String| Fault::new(Code::Malformed, why);
            match ask {
                Ask::Push => (Request::Push(space, body_form.decode("push", &bytes).map_err(malformed)?), form),
                _ => {
                    let pull = body_form.decode("pull", &bytes).map_err(malformed)?;
                    let page = pull_fitting(app, &principal, space, pull, form).await?;
                    return Ok(reply(page, form, &parts.headers));
                }
            }
        }
    };
    let answer = app.service.answer(&principal, request).await?;
    Ok(reply(form.encode(&answer), form, &parts.headers))
}

/// The heads, all or those behind the origin that the query names.
async fn heads_request(parts: &mut Parts) -> Result<Request, Fault> {
    let space = admit::space(parts).await?;
    let Query(After { after }) = Query::try_from_uri(&parts.uri).map_err(|_| {
        let detail = "the query does not name an origin; send `?after=…` with 32 hex digits, or nothing";
        Fault::new(Code::Malformed, detail)
    })?;
    Ok(match after {
        Some(origin) => Request::HeadsAfter(space, origin),
        None => Request::Heads(space),
    })
}

/// One page, small enough that its answer does not exceed a message: JSON takes more room than the page was cut for, and so may
/// the heads that come with the last page.
async fn pull_fitting(
    app: &App,
    principal: &Principal,
    space: SpaceId,
    mut pull: Pull,
    form: Form,
) -> Result<Vec<u8>, Fault> {
    let page_bytes = if form == Form::Json { JSON_PAGE_BYTES } else { PAGE_BYTES_MAX as u32 };
    pull.limit.bytes = pull.limit.bytes.min(page_bytes);
    loop {
        let answer = app.service.answer(principal, Request::Pull(space.clone(), pull.clone())).await?;
        let encoded = form.encode(&answer);
        if encoded.len() <= form.bytes_max() {
            return Ok(encoded);
        }
        if pull.limit.bytes <= PAGE_BYTES_MIN {
            let detail =
                format!("even a small page exceeds {} bytes in this form; pull in binary form", form.bytes_max());
            return Err(Fault::new(Code::TooLarge, detail));
        }
        pull.limit.bytes /= 2;
    }
}

fn reply(encoded: Vec<u8>, form: Form, asked: &HeaderMap) -> Response {
    let (body, compressed): (Bytes, bool) =
        if negotiate::takes_zstd(asked) { shrink(encoded) } else { (encoded.into(), false) };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(ZSTD));
    }
    response
}
