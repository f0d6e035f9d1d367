//! What a person does. Each answers when it is done, and what it saved is durable then.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use syncline::{Dot, ReplicaId, Seq};

use super::said::{Sent, said};
use crate::client::{ClientError, Mode};
use crate::page::read_seen;
use crate::{Client, EntryId, Field, Kind};

/// A title that the server refuses.
const SHOUTED: &str = "BUY MORE MILK";

#[derive(Deserialize)]
pub(super) struct Added {
    kind: Kind,
    title: String,
}

pub(super) async fn add(State(client): State<Client>, headers: HeaderMap, Sent(form): Sent<Added>) -> Response {
    let added = client.add(form.kind, form.title.trim()).await;
    said(&client, &headers, "", added.map(|_| saved(&client, "Added.")))
}

#[derive(Deserialize)]
pub(super) struct Set {
    value: String,
    #[serde(default)]
    seen: String,
}

pub(super) async fn set(
    State(client): State<Client>,
    Path((id, field)): Path<(EntryId, Field)>,
    headers: HeaderMap,
    Sent(form): Sent<Set>,
) -> Response {
    // A browser sends line breaks as two characters.
    let value = form.value.replace("\r\n", "\n");
    let done = match read_seen(&form.seen) {
        Ok(seen) => client.set(id, field, &value, Some(seen)).await.map(|_| saved(&client, "Saved.")),
        Err(unreadable) => Err(ClientError::Form(unreadable.reason)),
    };
    said(&client, &headers, &format!("entry/{id}"), done)
}

/// One of these is given: which button was pressed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Act {
    vote: Option<i64>,
    done: Option<bool>,
    deleted: Option<bool>,
    tag: Option<String>,
    untag: Option<String>,
}

pub(super) async fn entry(
    State(client): State<Client>,
    Path(id): Path<EntryId>,
    headers: HeaderMap,
    Sent(act): Sent<Act>,
) -> Response {
    let done = match act {
        Act { vote: Some(by), .. } => client.vote(id, by).await,
        Act { done: Some(done), .. } => client.set_done(id, done).await,
        Act { deleted: Some(deleted), .. } => client.set_deleted(id, deleted).await,
        Act { tag: Some(tag), .. } => client.tag(id, tag.trim()).await,
        Act { untag: Some(tag), .. } => client.untag(id, &tag).await,
        Act { .. } => Err(ClientError::Form("the form names nothing to do".to_owned())),
    };
    said(&client, &headers, &format!("entry/{id}"), done.map(|_| saved(&client, "Saved.")))
}

#[derive(Deserialize)]
pub(super) struct Letter {
    act: String,
    #[serde(default)]
    text: String,
}

pub(super) async fn letter(
    State(client): State<Client>,
    Path((origin, seq)): Path<(ReplicaId, Seq)>,
    headers: HeaderMap,
    Sent(form): Sent<Letter>,
) -> Response {
    let dot = Dot { origin, seq };
    let done = match form.act.as_str() {
        "edit" => client.rewrite_letter(dot, &form.text).await.map(|_| saved(&client, "Written again.")),
        "drop" => client.drop_letter(dot).await.map(|()| "Dropped.".to_owned()),
        other => Err(ClientError::Form(format!("`{other}` is nothing that can be done with it"))),
    };
    said(&client, &headers, "", done)
}

#[derive(Deserialize)]
pub(super) struct Offline {
    offline: bool,
}

pub(super) async fn offline(State(client): State<Client>, headers: HeaderMap, Sent(form): Sent<Offline>) -> Response {
    client.set_offline(form.offline);
    let sentence = if form.offline { "Offline: what you change is saved here." } else { "Online." };
    said(&client, &headers, "", Ok(sentence.to_owned()))
}

pub(super) async fn sync(State(client): State<Client>, headers: HeaderMap) -> Response {
    let synced = client.sync_now().await;
    let done = synced.map(|report| format!("Synced: {} up, {} down.", report.pushed, report.pulled));
    said(&client, &headers, "", done.map_err(ClientError::from))
}

#[derive(Deserialize)]
pub(super) struct ModeForm {
    mode: String,
}

pub(super) async fn mode(State(client): State<Client>, headers: HeaderMap, Sent(form): Sent<ModeForm>) -> Response {
    let mode = match (form.mode.as_str(), form.mode.parse::<u64>()) {
        ("live", _) => Ok(Mode::Live),
        ("demand", _) => Ok(Mode::OnDemand),
        (_, Ok(seconds @ 1..=86_400)) => Ok(Mode::Every(Duration::from_secs(seconds))),
        (other, _) => {
            Err(ClientError::Form(format!("`{other}` is no way to sync; take live, demand or 1 to 86400 seconds")))
        }
    };
    let done = mode.map(|mode| {
        client.set_mode(mode);
        match mode {
            Mode::Live => "It syncs as soon as something changes.".to_owned(),
            Mode::Every(pause) => format!("It syncs every {} seconds.", pause.as_secs()),
            Mode::OnDemand => "It syncs when you ask.".to_owned(),
        }
    });
    said(&client, &headers, "", done)
}

#[derive(Deserialize)]
pub(super) struct Skew {
    millis: i64,
}

pub(super) async fn skew(State(client): State<Client>, headers: HeaderMap, Sent(form): Sent<Skew>) -> Response {
    client.set_skew(form.millis);
    said(&client, &headers, "", Ok("This device's clock is set.".to_owned()))
}

pub(super) async fn clone(State(client): State<Client>, headers: HeaderMap) -> Response {
    let cloned = client.clone_device().await;
    said(&client, &headers, "", cloned.map(|clone| format!("Cloned: {} runs, and is listed here.", clone.name())))
}

pub(super) async fn take_copy(State(client): State<Client>, headers: HeaderMap) -> Response {
    let taken = client.take_copy().await;
    said(&client, &headers, "", taken.map(|copy| format!("Copied as {}.", copy.name)))
}

#[derive(Deserialize)]
pub(super) struct Restore {
    name: String,
}

pub(super) async fn restore(State(client): State<Client>, headers: HeaderMap, Sent(form): Sent<Restore>) -> Response {
    let restored = client.restore(&form.name).await;
    said(&client, &headers, "", restored.map(|before| format!("Restored. What was here is now {}.", before.name)))
}

pub(super) async fn reopen(State(client): State<Client>, headers: HeaderMap) -> Response {
    let opened = client.reopen().await;
    said(&client, &headers, "", opened.map(|()| "The store is open.".to_owned()))
}

pub(super) async fn refusal(State(client): State<Client>, headers: HeaderMap) -> Response {
    let added = client.add(Kind::Task, SHOUTED).await;
    said(&client, &headers, "", added.map(|_| saved(&client, "Added a task that shouts. The server refuses it.")))
}

/// What was saved, and that it still has to travel.
fn saved(client: &Client, what: &str) -> String {
    if client.is_offline() { format!("{what} Saved on this device.") } else { what.to_owned() }
}
