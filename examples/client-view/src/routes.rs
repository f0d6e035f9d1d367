//! What the page's addresses do. Reading is `GET`, everything that changes something is `POST`.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::{self, Stream};
use maud::Markup;
use serde::Deserialize;
use syncline::Position;

use crate::client::{ClientError, Filter};
use crate::{Client, EntryId, page};

mod act;
mod said;

/// A stream that says nothing is given up by some proxies, and a browser notices sooner that the program has ended.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The pages of a client.
pub(crate) fn pages(client: &Client) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/entry/{id}", get(entry).post(act::entry))
        .route("/entry/{id}/{field}", post(act::set))
        .route("/log", get(log))
        .route("/past", get(past))
        .route("/events", get(events))
        .route("/style.css", get(|| asset("text/css", include_str!("assets/style.css"))))
        .route("/script.js", get(|| asset("text/javascript", include_str!("assets/script.js"))))
        .route("/add", post(act::add))
        .route("/letters/{origin}/{seq}", post(act::letter))
        .route("/offline", post(act::offline))
        .route("/sync", post(act::sync))
        .route("/mode", post(act::mode))
        .route("/skew", post(act::skew))
        .route("/clone", post(act::clone))
        .route("/copies", post(act::take_copy))
        .route("/restore", post(act::restore))
        .route("/reopen", post(act::reopen))
        .route("/refusal", post(act::refusal))
        .with_state(client.clone())
}

async fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text)
}

fn shown(client: &Client, page: Result<Markup, ClientError>) -> Response {
    match page {
        Ok(page) => Html(page.into_string()).into_response(),
        Err(error) => (said::code(&error), Html(page::failure(client, &error).into_string())).into_response(),
    }
}

async fn home(State(client): State<Client>, Query(filter): Query<Filter>) -> Response {
    shown(&client, page::home(&client, &filter).await)
}

#[derive(Deserialize)]
struct Step {
    step: Option<u64>,
}

async fn entry(State(client): State<Client>, Path(id): Path<EntryId>, Query(at): Query<Step>) -> Response {
    let step = at.step.map(|step| usize::try_from(step).unwrap_or(usize::MAX));
    shown(&client, page::entry(&client, id, step).await)
}

async fn past(State(client): State<Client>, Query(at): Query<Step>) -> Response {
    shown(&client, page::past(&client, at.step).await)
}

#[derive(Deserialize)]
struct Last {
    last: Option<Position>,
}

async fn log(State(client): State<Client>, Query(Last { last }): Query<Last>) -> Response {
    shown(&client, page::whole_log(&client, last).await)
}

/// Tells a page that it is no longer what is so: once when it begins to listen, so that one that has slept catches up, and then after
/// every change. Changes that come fast are told together.
async fn events(State(client): State<Client>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut changes = client.changes();
    changes.mark_changed();
    let changed = stream::unfold(changes, |mut changes| async move {
        changes.changed().await.ok()?;
        let count = *changes.borrow_and_update();
        Some((Ok(Event::default().event("changed").data(count.to_string())), changes))
    });
    Sse::new(changed).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
