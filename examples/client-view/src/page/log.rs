//! The event log.

use maud::{Markup, html};
use syncline::Position;
use syncline::replica::LoggedBundle;

use super::words::{change, count, device, outcome, time};
use super::{Shown, document, status};
use crate::Client;
use crate::client::{ClientError, LogPage, changes};

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
            @for bundle in &page.bundles { (row(shown, bundle)) }
        }
    }
}

fn row(shown: &Shown, bundle: &LoggedBundle) -> Markup {
    let events = bundle.events.as_deref().unwrap_or_default();
    html! {
        li #{ "bundle-" (bundle.position) } value=(bundle.position) {
            span.head { (device(&shown.devices, bundle.dot.origin)) " " (time(bundle.time)) " " (outcome(&bundle.outcome)) }
            @match &bundle.events {
                Err(error) => { p { "does not read: " (error) } }
                Ok(events) if events.is_empty() => { p { em { "its content is gone from the log, because it was refused" } } }
                Ok(_) => {}
            }
            @for one in changes(events) { p { (change(&one)) } }
            p.kinds { @for event in events { code { (event.kind) } " " } }
        }
    }
}
