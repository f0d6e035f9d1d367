//! What the page's addresses do. Reading is `GET`, everything that changes something is `POST`.

use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use maud::Markup;
use serde::Deserialize;
use syncline::Position;
use syncline_http::Shutdown;

use crate::client::{ClientError, Filter};
use crate::{Client, EntryId, page, web};

mod act;
mod said;

/// The pages of a client.
pub(crate) fn pages(client: &Client) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/entry/{id}", get(entry).post(act::entry))
        .route("/entry/{id}/{field}", post(act::set))
        .route("/log", get(log))
        .route("/past", get(past))
        .route("/events", get(events))
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
        .merge(web::assets())
}

async fn events(State(client): State<Client>, Extension(shutdown): Extension<Shutdown>) -> impl IntoResponse {
    web::events(client.changes(), shutdown)
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
