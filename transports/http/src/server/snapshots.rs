//! Requests about snapshots: the list, their pieces, and uploads.
//!
//! No cache may keep an answer, not even one with a chunk, which never changes: every answer brings the time of the server's clock.

use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use http::request::Parts;
use syncline::authority::Role;
use syncline::limits::{CHUNK_BYTES_MAX, MANIFEST_BYTES_MAX};
use syncline::protocol::{AskSnapshot, Supply};

use super::answer::{Begun, end, forms, malformed, reply};
use super::fault::Fault;
use super::{App, admit, body, negotiate};
use crate::form::Form;

/// Which kind of piece a route is about.
#[derive(Clone, Copy)]
enum Kind {
    Manifest,
    Chunk,
}

pub(super) async fn list(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, body) = request.into_parts();
    let response = tell_list(&app, &mut parts).await;
    end(response, &parts, body).await
}

pub(super) async fn manifest(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, body) = request.into_parts();
    let response = give(&app, &mut parts, Kind::Manifest).await;
    end(response, &parts, body).await
}

pub(super) async fn chunk(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, body) = request.into_parts();
    let response = give(&app, &mut parts, Kind::Chunk).await;
    end(response, &parts, body).await
}

pub(super) async fn take_manifest(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let response = take(&app, &mut parts, &mut body, Kind::Manifest).await;
    end(response, &parts, body).await
}

pub(super) async fn take_chunk(State(app): State<App>, request: HttpRequest) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let response = take(&app, &mut parts, &mut body, Kind::Chunk).await;
    end(response, &parts, body).await
}

async fn tell_list(app: &App, parts: &mut Parts) -> Result<Response, Fault> {
    let begun = Begun::of(app, parts).await?;
    let form = negotiate::answer_form(&parts.headers, None)?;
    let space = begun.enter(app, parts, Role::Reader).await?;
    let answer = space.snapshot(AskSnapshot::List).await?;
    begun.tell(app, &answer, form, &parts.headers).await
}

async fn give(app: &App, parts: &mut Parts, kind: Kind) -> Result<Response, Fault> {
    let begun = Begun::of(app, parts).await?;
    let form = negotiate::answer_form(&parts.headers, None)?;
    let space = begun.enter(app, parts, Role::Reader).await?;
    let (asked, bytes) = match kind {
        Kind::Manifest => (AskSnapshot::Manifest(admit::path(parts, "id").await?), MANIFEST_BYTES_MAX),
        Kind::Chunk => (AskSnapshot::Chunk(admit::path(parts, "hash").await?), CHUNK_BYTES_MAX),
    };
    // The piece is there twice while it is encoded.
    let mut memory = body::memory(app, &begun.principal.user, 2 * bytes).await?;
    let encoded = form.encode(&space.snapshot(asked).await?);
    if !memory.resize(encoded.len()) {
        return Err(body::no_memory());
    }
    // It is packed already, but JSON spells it out.
    let zstd = form == Form::Json && negotiate::takes_zstd(&parts.headers);
    Ok(reply(encoded, form, zstd, [memory, begun.place]))
}

async fn take(app: &App, parts: &mut Parts, body: &mut Body, kind: Kind) -> Result<Response, Fault> {
    let begun = Begun::of(app, parts).await?;
    let (body_form, form) = forms(&parts.headers)?;
    let space = begun.enter(app, parts, Role::Owner).await?;
    let chunk = match kind {
        Kind::Manifest => None,
        Kind::Chunk => Some((admit::path(parts, "id").await?, admit::path(parts, "index").await?)),
    };
    // What was read is counted until it is stored.
    let read = body::read(app, &begun.principal.user, body, &parts.headers, body_form).await?;
    let piece = body_form.decode("piece", &read.bytes).map_err(malformed)?;
    let answer = match chunk {
        None => space.supply(Supply::Manifest(piece)).await?,
        Some((id, index)) => space.supply(Supply::Chunk(id, index, piece)).await?,
    };
    Ok(reply(form.encode(&answer), form, negotiate::takes_zstd(&parts.headers), [read.share, begun.place]))
}
