//! A link: its switch, and what passes on it.

use maud::{Markup, html};
use syncline::NTP64;

use super::Page;
use crate::message::Message;
use crate::{Passage, Seat};

/// Messages that are shown of each link.
const SHOWN: usize = 12;
/// What a link can be set to, and what a person calls it.
const PASSAGES: [(Passage, &str); 3] = [(Passage::Whole, "Whole"), (Passage::Slow, "Slow"), (Passage::Cut, "Cut")];

pub(super) fn link(page: &Page, index: usize, seat: &Seat) -> Markup {
    let (passage, name) = (seat.link.passage(), seat.client.name());
    html! {
        form.switches.link.(passage) method="post" action={ "/" (page.key.as_str()) "/links/" (index) }
            aria-label={ "Link between " (name) " and the server" } {
            span { "Link" }
            @for (each, label) in PASSAGES {
                button #{ "link-" (index) "-" (each) } name="passage" value=(each) aria-pressed=(each == passage) { (label) }
            }
        }
        h3 #{ "messages-" (index) "-head" } { "Messages, latest first" }
        ol.messages #{ "messages-" (index) } tabindex="0" aria-labelledby={ "messages-" (index) "-head" } {
            @for (number, message) in seat.link.messages().last(SHOWN) {
                li #{ "message-" (index) "-" (number) } .bad[!message.came.is_well()] { (one(&message)) }
            }
        }
    }
}

fn one(message: &Message) -> Markup {
    let time = clock(syncline_os::time_of(message.at));
    html! {
        time { (time) }
        span.way title=(if message.what.is_up() { "to the server" } else { "from the server" }) {
            @if message.what.is_up() { " ↑ " } @else { " ↓ " }
        }
        span { (message.what) @if message.what.is_up() { " → " (message.came) } }
    }
}

/// The time of day, to the millisecond.
fn clock(time: NTP64) -> String {
    let whole = time.to_string_rfc3339_lossy();
    let clock = whole.split_once('T').map_or(whole.as_str(), |(_, clock)| clock);
    clock.get(..12).unwrap_or(clock).to_owned()
}
