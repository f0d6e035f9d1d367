//! The event log.

use std::collections::BTreeMap;

use maud::{Markup, html};
use syncline::replica::{LoggedBundle, Outcome};
use syncline::{Event, EventType, Position};

use super::words::{change, count, device, excerpt, outcome, time};
use super::{Shown, document, status};
use crate::client::{ClientError, LogPage, TOLD_MAX, changes};
use crate::{Change, Client};

/// Bundles on one page.
const BUNDLES: u32 = 100;

/// The end of the log.
pub(super) fn latest(shown: &Shown, page: &LogPage) -> Markup {
    html! {
        details #log {
            summary { h2 { "Event log" } " " (count(page.head.get(), "bundle")) }
            p { "What happened, newest first, in the order in which it came to this device." }
            (table(shown, page))
            p { a href=(shown.at("log")) { "The whole log" } }
        }
    }
}

/// A page of the whole log that ends at position `last`.
pub(crate) async fn whole_log(client: &Client, last: Option<Position>) -> Result<Markup, ClientError> {
    let shown = Shown::of(client).await?;
    let page = client.log(last, BUNDLES).await?;
    let next = page.bundles.last().map(|bundle| bundle.position.get() - 1).filter(|next| *next > 0);
    let content = html! {
        h2 #log-head tabindex="-1" { "Event log" }
        p { (count(page.head.get(), "bundle")) ", newest first, in the order in which they came to this device." }
        (table(&shown, &page))
        nav.pages aria-label="Pages of the log" {
            @if last.is_some() { a href=(shown.at("log")) { "Newest" } }
            @if let Some(next) = next { a #older href=(shown.at(format_args!("log?last={next}"))) { "Older" } }
        }
    };
    Ok(document(client, "Event log", &status::top(&shown), &content))
}

fn table(shown: &Shown, page: &LogPage) -> Markup {
    html! {
        ol.log reversed start=(page.bundles.first().map_or(0, |bundle| bundle.position.get())) {
            @for bundle in &page.bundles { (row(shown, page, bundle)) }
        }
    }
}

fn row(shown: &Shown, page: &LogPage, bundle: &LoggedBundle) -> Markup {
    let events = bundle.events.as_deref().unwrap_or_default();
    html! {
        li #{ "bundle-" (bundle.position) } value=(bundle.position) {
            span.head { (device(&shown.devices, bundle.dot.origin)) " " (time(bundle.time)) " " (state(bundle)) }
            @match &bundle.events {
                Err(error) => { p { "does not read: " (error) } }
                Ok(events) if events.is_empty() => { p { em { "its content is gone from the log, because it was refused" } } }
                Ok(_) => {}
            }
            @for one in changes(events).take(TOLD_MAX) { p { (change(&one)) (about(shown, page, &one)) } }
            @if events.len() > TOLD_MAX { p { "and " (events.len() - TOLD_MAX) " more" } }
            p.types { @for (event_type, count) in types(events) { code { (event_type) } @if count > 1 { " × " (count) } " " } }
        }
    }
}

/// What became of a bundle. That one of another device is void is all that is known of its refusal here.
fn state(bundle: &LoggedBundle) -> Markup {
    let is_void = bundle.events.as_ref().is_ok_and(Vec::is_empty);
    match &bundle.outcome {
        Outcome::Stored if is_void => html! { span.state.refused { "refused" } },
        other => outcome(other),
    }
}

/// Which entry a change is about, unless it says so itself.
fn about(shown: &Shown, page: &LogPage, change: &Change) -> Markup {
    let entry = change.entry().and_then(|entry| Some((entry, page.titles.get(&entry)?)));
    let Some((entry, title)) = entry else { return html! {} };
    let link = shown.at(format_args!("entry/{entry}"));
    match change {
        Change::Added { .. } => html! { " (" a href=(link) { "see it" } ")" },
        _ => html! { " – " a href=(link) dir="auto" { (excerpt(title)) } },
    }
}

/// The event types of some events, and how many there are of each.
fn types(events: &[Event]) -> BTreeMap<&EventType, usize> {
    events.iter().fold(BTreeMap::new(), |mut types, event| {
        *types.entry(&event.event_type).or_default() += 1;
        types
    })
}
