//! Peers, heads, clocks: what the sentence at the top is drawn from.

use maud::{Markup, html};
use syncline::format::Heads;
use syncline::replica::SyncReport;

use super::Shown;
use super::words::{count, device, moment, span};

pub(super) fn section(shown: &Shown, heads: &Heads) -> Markup {
    html! {
        details #sync-details {
            summary { h2 { "Server and clocks" } }
            (logs(shown, heads))
            (clocks(shown))
        }
    }
}

/// How far each device's changes have come, here and at the server.
fn logs(shown: &Shown, heads: &Heads) -> Markup {
    let Some(peer) = &shown.heard.peer else {
        return html! { p { "The server has told nothing of its log yet." } };
    };
    let mut origins: Vec<_> = heads.iter().chain(peer.heads.iter()).map(|(origin, _)| origin).collect();
    origins.sort();
    origins.dedup();
    html! {
        h3 { "Who has what" }
        p { "The server's log as of " (moment(peer.at)) ": " (count(peer.head.get(), "bundle")) "." }
        table #heads {
            thead { tr { th scope="col" { "Written by" } th scope="col" { "Here" } th scope="col" { "Server" } th scope="col" { "Missing" } } }
            tbody {
                @for origin in origins {
                    @let (here, there) = (heads.get(origin), peer.heads.get(origin));
                    tr #{ "head-" (origin) } {
                        th scope="row" { (device(&shown.devices, origin)) @if origin == shown.status.replica { " (this device)" } }
                        td { (here.seq) } td { (there.seq) }
                        td {
                            @if here.seq < there.seq { (there.seq.since(here.seq)) " here" }
                            @else if here.seq > there.seq { (here.seq.since(there.seq)) " at the server" }
                            @else if here.chain != there.chain { "two histories" }
                            @else { "nothing" }
                        }
                    }
                }
            }
        }
        dl {
            dt { "This replica" } dd { code { (shown.status.replica) } }
            dt { "Its log" } dd { code { (shown.status.log) } }
            @if let Some(peer) = &shown.status.peer {
                dt { "The server's log" } dd { code { (peer.log) } }
                dt { "Not read yet" } dd { (peer.unread) }
                dt { "The server lacks" } dd { @match peer.lacking { Some(lacking) => { (lacking) } None => { "not known" } } }
            }
        }
    }
}

fn clocks(shown: &Shown) -> Markup {
    let ahead = |millis: i64| match millis {
        -999..=999 => "the same, to a second".to_owned(),
        1_000.. => format!("{} ahead of this device", span(millis)),
        _ => format!("{} behind this device", span(millis)),
    };
    html! {
        h3 { "Clocks" }
        dl #clocks {
            dt { "This device's clock" } dd { @match shown.client.skew() { 0 => { "as the machine's" } skew => { (skewed(skew)) } } }
            dt { "The server's clock" }
            dd { @match &shown.status.peer { Some(peer) => { (ahead(peer.skew_ms)) } None => { "not known yet" } } }
            dt { "Correction" }
            dd #correction {
                @match shown.status.clock_corrected_ms {
                    None => { "none" }
                    Some(by) => { (if by < 0 { "−" } else { "+" }) (span(by)) ", because the server's clock proves this one wrong" }
                }
            }
        }
        @if let Some((at, report)) = &shown.heard.notable { p #healed { (moment(*at)) ": " (healed(report)) } }
    }
}

/// How wrong a clock was set.
pub(super) fn skewed(millis: i64) -> String {
    format!("{} {} the machine's", span(millis), if millis < 0 { "behind" } else { "ahead of" })
}

/// What a sync has mended, in sentences.
pub(super) fn healed(report: &SyncReport) -> String {
    let SyncReport { restamped, moved, rehomed, refused, clock_corrected_ms, .. } = report;
    let mut said = Vec::new();
    if let Some(by) = clock_corrected_ms {
        said.push(format!("This device's clock is corrected by {}.", span(*by)));
    }
    if *restamped > 0 {
        said.push(format!("{} got the right times.", count(*restamped, "change")));
    }
    if *moved > 0 {
        said.push(format!("{} got the right times under a new identity.", count(*moved, "change")));
    }
    if *rehomed > 0 {
        let changes = count(*rehomed, "change");
        said.push(format!("This device was a copy of another: it took a new identity, and {changes} moved along."));
    }
    if !refused.is_empty() {
        said.push(format!("The server refused {}.", count(refused.len() as u64, "change")));
    }
    said.join(" ")
}
