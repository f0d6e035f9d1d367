//! The top of each page: how the device is doing, and the switches.

use std::time::Duration;

use maud::{Markup, html};

use super::words::{count, moment};
use super::{Shown, at};
use crate::Client;
use crate::client::{Mode, Trouble};

/// Pauses that the page offers, in seconds.
const PAUSES: [u64; 3] = [5, 30, 300];

pub(super) fn top(shown: &Shown) -> Markup {
    let (mood, sentence, advice) = sentence(shown);
    html! {
        (name(&shown.client))
        div #state .banner.(mood) role="status" {
            p { strong #state-text { (sentence) } @if !advice.is_empty() { " " (advice) } }
        }
        (switches(shown))
    }
}

/// The top of a page that has nothing to show. If it is for the store, that can be opened again.
pub(super) fn failed(client: &Client, trouble: &Trouble, is_store: bool) -> Markup {
    html! {
        (name(client))
        div #state .banner.bad role="alert" { p { strong #state-text { (trouble.what) } " " (trouble.advice) } }
        @if is_store { form method="post" action=(at(client, "reopen")) { button #reopen { "Try again" } } }
    }
}

fn name(client: &Client) -> Markup {
    html! {
        div.name {
            h1 #title tabindex="-1" { a href=(at(client, "")) { bdi { (client.name()) } } }
            p { "in the space " b { (client.space()) } }
        }
    }
}

/// How it is doing: a class, one sentence, and what to do.
fn sentence(shown: &Shown) -> (&'static str, String, String) {
    let status = &shown.status;
    let waiting = match status.pending {
        0 => String::new(),
        pending => format!("{} saved here, waiting for the server.", count(pending, "change")),
    };
    if shown.client.is_offline() {
        return ("idle", "Offline.".into(), if waiting.is_empty() { "Nothing waits.".into() } else { waiting });
    }
    let told = shown.heard.last.as_ref().and_then(|(_, result)| match result {
        Ok(report) => Trouble::of_report(report),
        Err(trouble) => Some(trouble.clone()),
    });
    if let Some(Trouble { what, advice, .. }) = told {
        return ("bad", what, format!("{advice} {waiting}"));
    }
    if let Some(doubt) = status.peer.as_ref().and_then(|peer| peer.clock_doubt) {
        return ("warn", format!("Clocks differ: {doubt}."), waiting);
    }
    if status.refused > 0 {
        let what = format!("The server refused {}.", count(status.refused, "change"));
        return ("bad", what, "Edit or drop what is listed under Refused.".into());
    }
    if status.unreadable > 0 {
        let what = format!("{} cannot be read by this version of the program.", count(status.unreadable, "change"));
        return ("warn", what, "They are kept. Upgrade the program to see them.".into());
    }
    if status.in_sync() {
        return ("good", "In sync with the server.".into(), String::new());
    }
    if status.pending > 0 {
        return ("idle", waiting, String::new());
    }
    match &shown.heard.last {
        None => ("idle", "Not synced yet since the program was started.".into(), String::new()),
        Some(_) => ("idle", "There is news at the server.".into(), "It is fetched with the next sync.".into()),
    }
}

fn switches(shown: &Shown) -> Markup {
    let (client, offline) = (&shown.client, shown.client.is_offline());
    let mode = client.mode();
    html! {
        div.switches {
            form method="post" action=(shown.at("offline")) {
                button #offline name="offline" value=(!offline) {
                    @if offline { "Go online" } @else { "Go offline" }
                }
            }
            form method="post" action=(shown.at("sync")) { button #sync { "Sync now" } }
            form method="post" action=(shown.at("mode")) data-auto {
                label for="mode" { "Sync" }
                select #mode name="mode" {
                    (choice("live", mode == Mode::Live, "live"))
                    @for seconds in PAUSES {
                        (choice(&seconds.to_string(), mode == Mode::Every(Duration::from_secs(seconds)), &format!("every {seconds} s")))
                    }
                    (choice("demand", mode == Mode::OnDemand, "when I ask"))
                }
                button.fallback { "Set" }
            }
        }
        p.quiet #last-sync {
            @match &shown.heard.last {
                None => { "No sync yet." }
                Some((at, result)) => {
                    "Last sync " (moment(*at)) ": "
                    @match result {
                        Ok(report) => { (report.pushed) " up, " (report.pulled) " down." }
                        Err(_) => { "did not come to its end." }
                    }
                }
            }
        }
    }
}

fn choice(value: &str, chosen: bool, label: &str) -> Markup {
    html! { option value=(value) selected[chosen] { (label) } }
}
