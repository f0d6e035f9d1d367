//! Requests that are answered once: hello, heads, pull, push.

use axum::body::Body;
use axum::extract::{Query, Request as HttpRequest, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use syncline::authority::{Principal, Role};
use syncline::limits::PAGE_BYTES_MAX;
use syncline::protocol::{Code, Pull, Request};
use syncline::{ReplicaId, SpaceId};

use super::admit::{self, Caller};
use super::fault::Fault;
use super::held::Held;
use super::share::Share;
use super::{App, body, negotiate};
use crate::compression::{ZSTD, shrink};
use crate::form::Form;

/// Bytes of runs to which a page is cut if its answer would exceed a message: less makes no sense.
const PAGE_BYTES_MIN: u32 = 64 * 1024;
/// Bytes of runs in a page that goes out as JSON, which spells them out, or while memory is scarce.
const SMALL_PAGE_BYTES: u32 = 1024 * 1024;

/// The begin of a page of heads, from the query.
#[derive(Deserialize)]
struct After {
    after: Option<ReplicaId>,
}

/// How soon to ask again while too many requests are under way, in milliseconds.
const CROWD_RETRY_MS: u64 = 1_000;

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

/// First who asks, then for what, then whether they may, then how much, and only then the content.
async fn respond(app: &App, ask: Ask, parts: &mut Parts, body: &mut Body) -> Result<Response, Fault> {
    let Caller { principal, .. } = Caller::of(app, parts).await?;
    let user = &principal.user;
    let place = app.requests.take(user, 1).ok_or_else(too_many_at_once)?;
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
            let needed = if matches!(ask, Ask::Push) { Role::Writer } else { Role::Reader };
            app.service.check_role(&principal, &space, needed).await?;
            let own = if matches!(ask, Ask::Push) { admit::own(parts)? } else { None };
            let read = body::read(app, user, body, &parts.headers, body_form).await?;
            let malformed = |why: String| Fault::new(Code::Malformed, why);
            if let Ask::Pull = ask {
                let pull = body_form.decode("pull", &read.bytes).map_err(malformed)?;
                drop(read);
                let (page, memory) = pull_fitting(app, &principal, space, pull, form).await?;
                return Ok(reply(page, form, &parts.headers, [memory, place]));
            }
            let push = Request::Push(space, own, body_form.decode("push", &read.bytes).map_err(malformed)?);
            // What was read is counted until it is stored.
            let answer = app.service.answer(&principal, push).await?;
            return Ok(reply(form.encode(&answer), form, &parts.headers, [body::memory(app, user, 0).await?, place]));
        }
    };
    let encoded = form.encode(&app.service.answer(&principal, request).await?);
    let memory = body::memory(app, user, encoded.len()).await?;
    Ok(reply(encoded, form, &parts.headers, [memory, place]))
}

fn too_many_at_once() -> Fault {
    let detail = "too many requests are under way, many of them your own; ask again when some are answered";
    Fault::new(Code::Busy { retry_after_ms: CROWD_RETRY_MS }, detail)
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
) -> Result<(Vec<u8>, Share), Fault> {
    let page_bytes = if form == Form::Json { SMALL_PAGE_BYTES } else { PAGE_BYTES_MAX as u32 };
    pull.limit.bytes = pull.limit.bytes.min(page_bytes);
    let mut memory = page_memory(app, principal, &mut pull).await?;
    loop {
        let answer = app.service.answer(principal, Request::Pull(space.clone(), pull.clone())).await?;
        let encoded = form.encode(&answer);
        if encoded.len() <= form.bytes_max() {
            let fits = memory.resize(encoded.len());
            return if fits { Ok((encoded, memory)) } else { Err(body::no_memory()) };
        }
        if pull.limit.bytes <= PAGE_BYTES_MIN {
            let detail =
                format!("even a small page exceeds {} bytes in this form; pull in binary form", form.bytes_max());
            return Err(Fault::new(Code::TooLarge, detail));
        }
        pull.limit.bytes /= 2;
    }
}

/// Memory for a page before it is read: it is there twice while it is encoded. If there is not enough for what was asked, the page is cut.
async fn page_memory(app: &App, principal: &Principal, pull: &mut Pull) -> Result<Share, Fault> {
    loop {
        let bytes = 2 * pull.limit.bytes as usize;
        match app.memory.take(&principal.user, bytes) {
            Some(memory) => return Ok(memory),
            None if pull.limit.bytes > SMALL_PAGE_BYTES => pull.limit.bytes /= 2,
            None => return body::memory(app, &principal.user, bytes).await,
        }
    }
}

/// A response, which holds these shares until it is sent: of the memory first.
fn reply(encoded: Vec<u8>, form: Form, asked: &HeaderMap, [mut memory, place]: [Share; 2]) -> Response {
    let (body, compressed): (Bytes, bool) =
        if negotiate::takes_zstd(asked) { shrink(encoded) } else { (encoded.into(), false) };
    memory.shrink(body.len());
    let mut response = Response::new(Body::new(Held::new(body, vec![memory, place])));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(ZSTD));
    }
    response
}
