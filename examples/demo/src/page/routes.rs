//! What the page's addresses do. Reading is `GET`, everything that changes something is `POST`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Router};
use client_view::web;
use serde::Deserialize;
use syncline_http::Shutdown;

use super::{Page, render};
use crate::{DemoError, Passage};

type Shared = State<Arc<Page>>;

/// The pages of a demo.
pub(super) fn pages(page: Page) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/server", post(server))
        .route("/links/{device}", post(link))
        .route("/events", get(events))
        .route("/demo.css", get(style))
        .with_state(Arc::new(page))
        .merge(web::assets())
}

async fn events(State(page): Shared, Extension(shutdown): Extension<Shutdown>) -> impl IntoResponse {
    web::events(page.stage.changes(), shutdown)
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css"), (CACHE_CONTROL, "no-cache")], include_str!("demo.css"))
}

async fn home(State(page): Shared) -> Response {
    match render::home(&page).await {
        Ok(home) => Html(home.into_string()).into_response(),
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
struct Switch {
    running: bool,
}

async fn server(State(page): Shared, headers: HeaderMap, Form(form): Form<Switch>) -> Response {
    let server = &page.stage.server;
    if !form.running {
        server.stop().await;
        return said(&page, &headers, "The server is stopped.");
    }
    match server.start_again().await {
        Ok(()) => said(&page, &headers, "The server runs."),
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
struct Set {
    passage: Passage,
}

async fn link(State(page): Shared, Path(device): Path<usize>, headers: HeaderMap, Form(form): Form<Set>) -> Response {
    let Some(seat) = page.stage.seats.get(device) else {
        return (StatusCode::NOT_FOUND, "There is no such device.\n").into_response();
    };
    seat.link.set(form.passage);
    said(&page, &headers, &format!("The link of {} is {}.", seat.client.name(), form.passage))
}

/// The answer to whoever did something: a script gets one sentence, a form without a script gets back to the page.
fn said(page: &Page, headers: &HeaderMap, sentence: &str) -> Response {
    let scripted = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    if scripted {
        return sentence.to_owned().into_response();
    }
    (StatusCode::SEE_OTHER, [(LOCATION, format!("/{}/", page.key.as_str()))]).into_response()
}

fn failed(error: &DemoError) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}.\n")).into_response()
}
