//! One entry: its fields, its history, and how it was.

use maud::{Markup, html};
use syncline::Unreadable;
use syncline::crdt::Context;
use syncline::format::Stamp;

use super::words::{by, kind, line, text};
use super::{Shown, conflicts, document, entries, status};
use crate::client::ClientError;
use crate::views::{Entry, Line};
use crate::{Client, EntryId, Field};

/// An entry's page, which shows it also as it was after change number `step` of its history.
pub(crate) async fn entry(client: &Client, id: EntryId, step: Option<usize>) -> Result<Markup, ClientError> {
    let shown = Shown::of(client).await?;
    let now = client.entry(id).await?;
    let (history, lost) = (client.history(id).await?, client.conflicts_of(id).await?);
    let step = step.unwrap_or(history.len()).clamp(1, history.len().max(1));
    let then = match history.get(step - 1) {
        Some((stamp, _)) => client.entry_at(id, stamp.timestamp()).await?.map(|then| (*stamp, then)),
        None => None,
    };
    let content = html! {
        p { a href=(shown.at("")) { "All documents and tasks" } }
        h2 #entry-head tabindex="-1" dir="auto" { (super::words::excerpt(now.text(Field::Title))) }
        p { (entries::facts(&now)) @if now.is_deleted() { " " span.state.refused { "deleted" } } }
        (fields(&shown, id, &now))
        (acts(&shown, id, &now))
        @if !lost.is_empty() {
            section #conflicts aria-labelledby="conflicts-head" {
                h3 #conflicts-head { "Conflicts" }
                ul { @for one in &lost { (conflicts::item(&shown, one, false)) } }
            }
        }
        (past(&shown, id, &history, step, then.as_ref()))
    };
    Ok(document(client, now.text(Field::Title).get(..40).unwrap_or("Entry"), &status::top(&shown), &content))
}

fn label(field: Field) -> &'static str {
    match field {
        Field::Title => "Title",
        Field::Author => "Author",
        Field::Url => "URL",
        Field::Note => "Note",
    }
}

/// One form per text. It carries what its reader has seen, so that a write never replaces what came meanwhile unseen.
fn fields(shown: &Shown, id: EntryId, now: &Entry) -> Markup {
    html! {
        @for field in Field::ALL {
            form.field method="post" action=(shown.at(format_args!("entry/{id}/{}", field.as_str()))) data-keep {
                label for={ "field-" (field.as_str()) } { (label(field)) }
                input type="hidden" name="seen" value=(seen_text(&now.seen(field)));
                @if field == Field::Note {
                    // The first line break of a text area's content is not part of it.
                    textarea #{ "field-" (field.as_str()) } name="value" rows="4" dir="auto" { "\n" (now.text(field)) }
                } @else {
                    input #{ "field-" (field.as_str()) } name="value" value=(now.text(field)) dir="auto" autocomplete="off";
                }
                button { "Save" }
                p.stale-hint { "It was changed elsewhere while you typed. If you save, both texts are kept, and the later one is shown." }
            }
            @if now.rivals(field).next().is_some() {
                div.rivals {
                    p { "Written at the same time, and not shown:" }
                    ul { @for (stamp, rival) in now.rivals(field) { li { (text(rival)) " by " (by(shown, stamp)) } } }
                    form method="post" action=(shown.at(format_args!("entry/{id}/{}", field.as_str()))) {
                        input type="hidden" name="seen" value=(seen_text(&now.seen(field)));
                        @for (_, rival) in now.rivals(field) { button name="value" value=(rival) { "Take " (super::words::excerpt(rival)) } }
                        button name="value" value=(now.text(field)) { "Keep what is shown" }
                    }
                }
            }
        }
    }
}

fn acts(shown: &Shown, id: EntryId, now: &Entry) -> Markup {
    let act = shown.at(format_args!("entry/{id}"));
    html! {
        form.acts method="post" action=(act) {
            button name="vote" value="1" { "Vote for it" }
            button name="vote" value="-1" { "Vote against it" }
            button name="done" value=(!now.is_done()) { @if now.is_done() { "Not done" } @else { "Done" } }
            button name="deleted" value=(!now.is_deleted()) { @if now.is_deleted() { "Bring back" } @else { "Delete" } }
            @for tag in now.tags() { button name="untag" value=(tag) { "Remove the tag " (super::words::excerpt(tag)) } }
        }
        form method="post" action=(act) data-reset {
            label for="tag" { "Tag" }
            input #tag name="tag" required autocomplete="off" dir="auto";
            button { "Add tag" }
        }
    }
}

fn past(shown: &Shown, id: EntryId, history: &[(Stamp, Line)], step: usize, then: Option<&(Stamp, Entry)>) -> Markup {
    html! {
        section #history aria-labelledby="history-head" {
            h3 #history-head { "History" }
            form.slide method="get" action=(shown.at(format_args!("entry/{id}"))) data-live {
                label for="step" { "As it was after change" }
                input #step type="range" name="step" min="1" max=(history.len().max(1)) value=(step) aria-describedby="then";
                button.fallback { "Show" }
            }
            @if let Some((stamp, then)) = then { (as_it_was(shown, *stamp, then)) }
            ol {
                @for (index, (stamp, one)) in history.iter().enumerate() {
                    li #{ "change-" (index + 1) } aria-current=[(index + 1 == step).then_some("step")] {
                        (by(shown, *stamp)) ": " (line(one))
                    }
                }
            }
        }
    }
}

fn as_it_was(shown: &Shown, stamp: Stamp, then: &Entry) -> Markup {
    html! {
        div #then role="status" {
            p { "As of " (by(shown, stamp)) ": " @if let Some(what) = then.kind() { (kind(what)) } @if then.is_deleted() { ", deleted" } }
            dl {
                @for field in Field::ALL {
                    @if !then.text(field).is_empty() { dt { (label(field)) } dd { (text(then.text(field))) } }
                }
            }
            p { (entries::facts(then)) }
        }
    }
}

/// What was seen, in a form that a page can carry.
fn seen_text(seen: &Context) -> String {
    let stamps: Vec<_> = seen.iter().map(|stamp| data_encoding::HEXLOWER.encode(&stamp.to_bytes())).collect();
    stamps.join(" ")
}

/// What [`seen_text`] wrote.
pub(crate) fn read_seen(text: &str) -> Result<Context, Unreadable> {
    let stamp = |text: &str| {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        Stamp::from_bytes(bytes.try_into().ok()?)
    };
    let stamps = text.split_whitespace().map(|text| stamp(text).ok_or_else(|| Unreadable::new("it names no stamp")));
    stamps.collect::<Result<Vec<_>, _>>().map(Context::from)
}
