//! Watch streams: a notice at once, then one whenever the log has moved.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, Request as HttpRequest, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, poll_fn};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use syncline::protocol::{Code, Notice, Problem};
use syncline::service::ServiceError;
use syncline::{Cursor, LogId, Position, SpaceId};
use tokio::sync::mpsc;
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
/// Pieces of a stream that may wait for its connection. Further ones wait before it, and notices are merged in the meantime.
const UNREAD_MAX: usize = 1;
/// Asks proxies to pass pieces on as they come.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The start of a watch, from the query.
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
    let space = admit::path(parts, "space").await?;
    let Query(Place { log, position }) = Query::try_from_uri(&parts.uri).map_err(|_| {
        let detail =
            "the query does not name a place in the log; send `?log=…&position=…`, as heads and pull answer it";
        Fault::new(Code::Malformed, detail)
    })?;
    let notices = app.service.watch(&caller.principal, &space, Cursor { log, position }).await?;
    let Some(place) = app.watches.take(&caller.principal.user, 1) else {
        return Err(full(app));
    };
    let watching = Watching {
        app: app.clone(),
        caller,
        space,
        form,
        shutdown: parts.extensions.get::<Shutdown>().cloned().unwrap_or_default(),
        request_id: parts.extensions.get::<RequestId>().map_or_else(String::new, |id| id.0.clone()),
    };
    let (tells, mut told) = mpsc::channel(UNREAD_MAX);
    tokio::spawn(watching.follow(notices, tells));
    let told = poll_fn(move |context| {
        // As long as the connection has the stream, the stream has its place.
        let _place = &place;
        told.poll_recv(context)
    });
    let mut response = Response::new(Body::from_stream(told.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// One stream. A task of its own follows the log, so that nothing of it waits for a client that does not read: the connection
/// asks for the next piece when the last one is on its way.
struct Watching {
    app: App,
    caller: Caller,
    space: SpaceId,
    form: StreamForm,
    shutdown: Shutdown,
    request_id: String,
}

type Notices = BoxStream<'static, Result<Notice, ServiceError>>;

/// All streams are taken.
fn full(app: &App) -> Fault {
    let max = app.options.watches_max;
    if let Some(refused) = app.full.again() {
        tracing::warn!(max, refused, "all watch streams are taken, further ones are refused; allow more of them");
    }
    let detail = format!(
        "the {max} watch streams of this server are taken, or you have as many as are left; ask for its heads, and watch \
         again later"
    );
    Fault::new(Code::Busy { retry_after_ms: FULL_RETRY_MS }, detail)
}

impl Watching {
    /// Follows the log until something ends the stream, or the connection has dropped it.
    async fn follow(self, notices: Notices, tells: mpsc::Sender<Bytes>) {
        // Each of these continues while the others wait, and what ends one ends all. An arm that awaited something would leave
        // the others where they are, with whatever they hold.
        let end = tokio::select! {
            biased;
            () = tells.closed() => return,
            () = self.shutdown.begun() => {
                let code = Code::Busy { retry_after_ms: SHUTDOWN_RETRY_MS };
                Problem::new(code, "the server is shutting down; watch again")
            }
            problem = self.recheck() => problem,
            problem = self.tell_news(notices, &tells) => problem,
            () = self.tell_that_it_lives(&tells) => return,
        };
        // Nobody is left to hear it if the connection has dropped the stream.
        let _ = tells.send(self.write(&Frame::End(end))).await;
    }

    /// Makes sure again and again that the caller may still listen; returns when they may not.
    async fn recheck(&self) -> Problem {
        let mut due = every(self.app.options.watch_recheck);
        loop {
            due.tick().await;
            if let Err(problem) = self.caller.recheck(&**self.app.service.authority(), &self.space).await {
                return problem;
            }
        }
    }

    /// Passes notices on; returns when there are no more.
    async fn tell_news(&self, mut notices: Notices, tells: &mpsc::Sender<Bytes>) -> Problem {
        while let Some(notice) = notices.next().await {
            match notice {
                // A failure means that nobody listens any more, which ends the whole.
                Ok(notice) => drop(tells.send(self.write(&Frame::Notice(notice))).await),
                Err(error) => return told(&error),
            }
        }
        Problem::new(Code::Internal, "the log cannot be followed any more; watch again")
    }

    async fn tell_that_it_lives(&self, tells: &mpsc::Sender<Bytes>) {
        let mut due = every(self.app.options.watch_tick);
        loop {
            due.tick().await;
            if tells.send(self.write(&Frame::Tick)).await.is_err() {
                return;
            }
        }
    }

    fn write(&self, frame: &Frame) -> Bytes {
        self.form.write(frame, &self.request_id)
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
