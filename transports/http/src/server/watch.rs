//! Watch streams: a notice at once, then one whenever the log has moved.

use axum::body::Body;
use axum::extract::{Query, Request as HttpRequest, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt, unfold};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use syncline::protocol::{Code, Notice, Problem};
use syncline::service::ServiceError;
use syncline::{Cursor, LogId, Position, SpaceId};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::admit::{self, Caller};
use super::edge::RequestId;
use super::fault::{Fault, told};
use super::{App, Shutdown, negotiate};
use crate::frame::{Frame, StreamForm};

/// How soon to connect again after a server has shut down, in milliseconds.
const SHUTDOWN_RETRY_MS: u64 = 1_000;
/// How soon to ask for a stream again while all are taken, in milliseconds.
const FULL_RETRY_MS: u64 = 15_000;
/// Asks proxies to pass pieces on as they come.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Where a watch starts, as the query says it.
#[derive(Deserialize)]
struct Place {
    log: LogId,
    position: Position,
}

pub(super) async fn watch(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, _) = request.into_parts();
    match begin(&app, &mut parts).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

async fn begin(app: &App, parts: &mut Parts) -> Result<Response, Fault> {
    let caller = Caller::of(app, parts).await?;
    let form = negotiate::stream_form(&parts.headers)?;
    let space = admit::space(parts).await?;
    let Query(Place { log, position }) = Query::try_from_uri(&parts.uri).map_err(|_| {
        let detail =
            "the query does not name a place in the log; send `?log=…&position=…`, as heads and pull answer it";
        Fault::new(Code::Malformed, detail)
    })?;
    let notices = app.service.watch(&caller.principal, &space, Cursor { log, position }).await?;
    let Ok(place) = app.watches.clone().try_acquire_owned() else {
        return Err(full(app));
    };
    let every = |period| {
        let mut interval: Interval = interval_at(Instant::now() + period, period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    };
    let watching = Watching {
        app: app.clone(),
        caller,
        space,
        notices,
        form,
        tick: every(app.options.watch_tick),
        recheck: every(app.options.watch_recheck),
        shutdown: parts.extensions.get::<Shutdown>().cloned().unwrap_or_default(),
        request_id: parts.extensions.get::<RequestId>().map_or_else(String::new, |id| id.0.clone()),
        ended: false,
        _place: place,
    };
    let mut response = Response::new(Body::from_stream(watching.stream().map(Ok::<_, std::convert::Infallible>)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// One stream.
struct Watching {
    app: App,
    caller: Caller,
    space: SpaceId,
    notices: BoxStream<'static, Result<Notice, ServiceError>>,
    form: StreamForm,
    tick: Interval,
    recheck: Interval,
    shutdown: Shutdown,
    request_id: String,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// All streams are taken.
fn full(app: &App) -> Fault {
    let max = app.options.watches_max;
    if let Some(refused) = app.full.again() {
        tracing::warn!(max, refused, "all watch streams are taken, further ones are refused; allow more of them");
    }
    let detail = format!("all {max} watch streams of this server are taken; ask for its heads, and watch again later");
    Fault::new(Code::Busy { retry_after_ms: FULL_RETRY_MS }, detail)
}

impl Watching {
    fn stream(self) -> impl Stream<Item = Bytes> + Send + 'static {
        unfold(self, |mut watching| async move {
            if watching.ended {
                return None;
            }
            let frame = watching.next().await;
            watching.ended = matches!(frame, Frame::End(_));
            Some((watching.form.write(&frame, &watching.request_id), watching))
        })
    }

    async fn next(&mut self) -> Frame {
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.begun() => {
                    let code = Code::Busy { retry_after_ms: SHUTDOWN_RETRY_MS };
                    return Frame::End(Problem::new(code, "the server is shutting down; watch again"));
                }
                _ = self.recheck.tick() => {
                    if let Err(problem) = self.caller.recheck(&**self.app.service.authority(), &self.space).await {
                        return Frame::End(problem);
                    }
                }
                notice = self.notices.next() => return match notice {
                    Some(Ok(notice)) => Frame::Notice(notice),
                    Some(Err(error)) => Frame::End(told(&error)),
                    None => Frame::End(Problem::new(Code::Internal, "the log cannot be followed any more; watch again")),
                },
                _ = self.tick.tick() => return Frame::Tick,
            }
        }
    }
}
