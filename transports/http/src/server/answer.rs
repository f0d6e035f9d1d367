//! Requests that are answered once: hello, heads, compare, pull, push.

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
use syncline::protocol::{Answer, Code, Pull, Request};
use syncline::service::Entered;
use syncline::{ReplicaId, SpaceId};

use super::admit::{self, Caller};
use super::fault::Fault;
use super::held::Held;
use super::share::Share;
use super::{App, body, negotiate};
use crate::compression::{ZSTD, compress};
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

/// A request before its content is looked at: who asks, and its place among the requests under way.
pub(super) struct Begun {
    pub(super) principal: Principal,
    pub(super) place: Share,
}

pub(super) async fn hello(State(app): State<App>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let response = tell_hello(&app, &parts).await;
    end(response, &parts, body).await
}

pub(super) async fn heads(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, body) = request.into_parts();
    let response = tell_heads(&app, &mut parts).await;
    end(response, &parts, body).await
}

pub(super) async fn compare(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let response = tell_compared(&app, &mut parts, &mut body).await;
    end(response, &parts, body).await
}

pub(super) async fn pull(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let response = give_page(&app, &mut parts, &mut body).await;
    end(response, &parts, body).await
}

pub(super) async fn push(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let response = take_bundles(&app, &mut parts, &mut body).await;
    end(response, &parts, body).await
}

async fn tell_hello(app: &App, parts: &Parts) -> Result<Response, Fault> {
    let begun = Begun::of(app, parts).await?;
    let form = negotiate::answer_form(&parts.headers, None)?;
    let answer = app.service.answer(&begun.principal, Request::Hello).await?;
    begun.tell(app, &answer, form, &parts.headers).await
}

async fn tell_heads(app: &App, parts: &mut Parts) -> Result<Response, Fault> {
    let begun = Begun::of(app, parts).await?;
    let form = negotiate::answer_form(&parts.headers, None)?;
    let space = begun.enter(app, parts, Role::Reader).await?;
    let answer = space.heads(after(parts)?).await?;
    begun.tell(app, &answer, form, &parts.headers).await
}

async fn tell_compared(app: &App, parts: &mut Parts, body: &mut Body) -> Result<Response, Fault> {
    let begun = Begun::of(app, parts).await?;
    let (body_form, form) = forms(&parts.headers)?;
    let space = begun.enter(app, parts, Role::Reader).await?;
    let read = body::read(app, &begun.principal.user, body, &parts.headers, body_form).await?;
    let asked = body_form.decode("compare", &read.bytes).map_err(malformed)?;
    drop(read);
    let answer = space.compare(asked).await?;
    begun.tell(app, &answer, form, &parts.headers).await
}

async fn give_page(app: &App, parts: &mut Parts, body: &mut Body) -> Result<Response, Fault> {
    let begun = Begun::of(app, parts).await?;
    let (body_form, form) = forms(&parts.headers)?;
    let space = begun.enter(app, parts, Role::Reader).await?;
    let read = body::read(app, &begun.principal.user, body, &parts.headers, body_form).await?;
    let pull = body_form.decode("pull", &read.bytes).map_err(malformed)?;
    drop(read);
    let (page, memory) = pull_fitting(app, &begun.principal, &space, pull, form).await?;
    Ok(reply(page, form, negotiate::takes_zstd(&parts.headers), [memory, begun.place]))
}

async fn take_bundles(app: &App, parts: &mut Parts, body: &mut Body) -> Result<Response, Fault> {
    let begun = Begun::of(app, parts).await?;
    let (body_form, form) = forms(&parts.headers)?;
    let space = begun.enter(app, parts, Role::Writer).await?;
    let own = admit::own(parts)?;
    // What was read is counted until it is stored.
    let read = body::read(app, &begun.principal.user, body, &parts.headers, body_form).await?;
    let push = body_form.decode("push", &read.bytes).map_err(malformed)?;
    let answer = space.push(own, push).await?;
    Ok(reply(form.encode(&answer), form, negotiate::takes_zstd(&parts.headers), [read.share, begun.place]))
}

impl Begun {
    pub(super) async fn of(app: &App, parts: &Parts) -> Result<Self, Fault> {
        let Caller { principal, .. } = Caller::of(app, parts).await?;
        let place = app.requests.take(&principal.user, 1).ok_or_else(too_many_at_once)?;
        Ok(Self { principal, place })
    }

    /// The space that the path names. The role is asked here, so that nobody without one makes the server read a body.
    pub(super) async fn enter<'a>(
        &'a self,
        app: &'a App,
        parts: &mut Parts,
        needed: Role,
    ) -> Result<Entered<'a>, Fault> {
        let space: SpaceId = admit::path(parts, "space").await?;
        Ok(app.service.enter(&self.principal, space, needed).await?)
    }

    pub(super) async fn tell(
        self,
        app: &App,
        answer: &Answer,
        form: Form,
        asked: &HeaderMap,
    ) -> Result<Response, Fault> {
        let encoded = form.encode(answer);
        let memory = body::memory(app, &self.principal.user, encoded.len()).await?;
        Ok(reply(encoded, form, negotiate::takes_zstd(asked), [memory, self.place]))
    }
}

/// The response, or what was at fault. Then the rest of the body is read, so that the client reads the answer.
pub(super) async fn end(response: Result<Response, Fault>, parts: &Parts, mut body: Body) -> Response {
    match response {
        Ok(response) => response,
        Err(fault) => {
            body::drain(&mut body, &parts.headers, &fault).await;
            fault.into_response()
        }
    }
}

/// The form of the body, and that of the answer.
pub(super) fn forms(headers: &HeaderMap) -> Result<(Form, Form), Fault> {
    let body_form = negotiate::body_form(headers)?;
    Ok((body_form, negotiate::answer_form(headers, Some(body_form))?))
}

pub(super) fn malformed(why: String) -> Fault {
    Fault::new(Code::Malformed, why)
}

fn too_many_at_once() -> Fault {
    let detail = "too many requests are under way, many of them your own; ask again when some are answered";
    Fault::new(Code::Busy { retry_after_ms: CROWD_RETRY_MS }, detail)
}

/// The origin behind which the heads begin, if the query names one.
fn after(parts: &Parts) -> Result<Option<ReplicaId>, Fault> {
    let Query(After { after }) = Query::try_from_uri(&parts.uri).map_err(|_| {
        let detail = "the query does not name an origin; send `?after=…` with 32 hex digits, or nothing";
        Fault::new(Code::Malformed, detail)
    })?;
    Ok(after)
}

/// One page, small enough that its answer does not exceed a message: JSON takes more room than the page was cut for, and so may
/// the heads that come with the last page.
async fn pull_fitting(
    app: &App,
    principal: &Principal,
    space: &Entered<'_>,
    mut pull: Pull,
    form: Form,
) -> Result<(Vec<u8>, Share), Fault> {
    let page_bytes = if form == Form::Json { SMALL_PAGE_BYTES } else { PAGE_BYTES_MAX as u32 };
    pull.limit.bytes = pull.limit.bytes.min(page_bytes);
    let mut memory = page_memory(app, principal, &mut pull).await?;
    loop {
        let answer = space.pull(pull.clone()).await?;
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

/// A response, compressed if `zstd` says so and that makes it smaller. It holds these shares until it is sent: of the memory first.
pub(super) fn reply(encoded: Vec<u8>, form: Form, zstd: bool, [mut memory, place]: [Share; 2]) -> Response {
    let (body, compressed): (Bytes, bool) = if zstd { compress(encoded) } else { (encoded.into(), false) };
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
