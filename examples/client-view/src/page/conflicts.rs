//! Which writes lost to which.

use maud::{Markup, html};

use super::Shown;
use super::words::{by, value};
use crate::views::Lost;

/// The latest conflicts of all entries. Nothing if there are none.
pub(super) fn section(shown: &Shown, lost: &[Lost]) -> Markup {
    html! {
        @if !lost.is_empty() {
            section #conflicts aria-labelledby="conflicts-head" {
                h2 #conflicts-head tabindex="-1" { "Conflicts" }
                p { "Two devices wrote the same thing without knowing of each other. The later write is shown, and the other is kept here." }
                ul { @for one in lost { (item(shown, one, true)) } }
            }
        }
    }
}

/// One of them, with a link to its entry unless that is what is shown.
pub(super) fn item(shown: &Shown, Lost { loser, winner, settled }: &Lost, link: bool) -> Markup {
    let entry = loser.1.change.entry().filter(|_| link);
    let what = match &loser.1.change {
        crate::Change::Set { field, .. } => field.as_str(),
        crate::Change::Done { .. } => "whether it is done",
        _ => "whether it is deleted",
    };
    html! {
        li #{ "lost-" (loser.0.origin) "-" (loser.1.seq) "-" (loser.0.index) } .lost {
            p {
                span.state.(if *settled { "stored" } else { "contested" }) { @if *settled { "settled" } @else { "open" } }
                " " (what) ": "
                del { (value(&loser.1)) } " by " (by(shown, loser.0))
                " lost to " ins { (value(&winner.1)) } " by " (by(shown, winner.0)) "."
            }
            @if let Some(entry) = entry {
                p { a href=(shown.at(format_args!("entry/{entry}"))) { "See its history" } }
            }
        }
    }
}
