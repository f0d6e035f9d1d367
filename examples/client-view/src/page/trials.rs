//! Things that go wrong in real life, one button each.

use maud::{Markup, html};

use super::Shown;
use super::sync::skewed;
use super::words::moment;
use crate::client::SavedCopy;

/// How far a clock may be set wrong, in milliseconds, with the button's label.
const SKEWS: [(i64, &str); 4] =
    [(0, "Right"), (7_200_000, "2 h fast"), (-7_200_000, "2 h slow"), (172_800_000, "2 days fast")];

pub(super) fn section(shown: &Shown, copies: &[SavedCopy]) -> Markup {
    html! {
        details #trials {
            summary { h2 { "Make something go wrong" } }
            (clock(shown))
            (clones(shown))
            (old_copies(shown, copies))
            h3 { "A change that the server refuses" }
            p { "The server takes no title that is written in capitals alone." }
            form method="post" action=(shown.at("refusal")) { button #refusal { "Add a task that shouts" } }
        }
    }
}

fn clock(shown: &Shown) -> Markup {
    let skew = shown.client.skew();
    html! {
        h3 #clock-head { "Set this device's clock wrong" }
        p #skew-now { @if skew == 0 { "It is as the machine's." } @else { "It is " (skewed(skew)) "." } }
        form.buttons method="post" action=(shown.at("skew")) aria-labelledby="clock-head" {
            @for (millis, label) in SKEWS {
                button name="millis" value=(millis) aria-pressed=(millis == skew) { (label) }
            }
        }
    }
}

fn clones(shown: &Shown) -> Markup {
    let clones = shown.client.clones();
    html! {
        h3 { "Clone this device" }
        p {
            "A clone starts as the same device, from the same data. Change something on both while they are offline: "
            "then the first that syncs keeps the identity, and the other takes a new one."
        }
        form method="post" action=(shown.at("clone")) { button #clone { "Clone" } }
        @if !clones.is_empty() {
            ul #clones { @for (clone, address) in &clones { li { a href=(address) target="_blank" rel="noopener" { "Open " (clone.name()) " in a new tab" } } } }
        }
    }
}

fn old_copies(shown: &Shown, copies: &[SavedCopy]) -> Markup {
    html! {
        h3 { "Old copies" }
        p { "To restore a copy is to go back to a backup. What is there now becomes a copy first, so nothing is lost." }
        form method="post" action=(shown.at("copies")) { button #take-copy { "Take a copy" } }
        @if !copies.is_empty() {
            ul #copies {
                @for copy in copies {
                    li #{ "copy-" (copy.name.trim_end_matches(".sqlite")) } {
                        "Copy " (copy.name.trim_end_matches(".sqlite")) ", made " (moment(copy.made)) " "
                        form.inline method="post" action=(shown.at("restore")) {
                            button name="name" value=(copy.name) aria-label={ "Restore copy " (copy.name.trim_end_matches(".sqlite")) } { "Restore" }
                        }
                    }
                }
            }
        }
    }
}
