//! What the server has refused, to be edited or dropped.

use maud::{Markup, html};
use syncline::replica::DeadLetter;

use super::Shown;
use super::words::change;
use crate::client::changes;

/// Nothing if nothing was refused.
pub(super) fn letters(shown: &Shown, letters: &[DeadLetter]) -> Markup {
    html! {
        @if !letters.is_empty() {
            section #refused aria-labelledby="refused-head" {
                h2 #refused-head tabindex="-1" { "Refused" }
                p { "The server did not take these changes. They are kept on this device alone, and nothing else waits for them." }
                ul { @for letter in letters { (one(shown, letter)) } }
            }
        }
    }
}

fn one(shown: &Shown, letter: &DeadLetter) -> Markup {
    let name = format!("letter-{}-{}", letter.dot.origin, letter.dot.seq);
    let changes: Vec<_> = changes(&letter.events).collect();
    let text = changes.iter().find_map(|change| change.text());
    let act = shown.at(format_args!("letters/{}/{}", letter.dot.origin, letter.dot.seq));
    html! {
        li #(name) .letter {
            p { @for (index, one) in changes.iter().enumerate() { @if index > 0 { "; " } (change(one)) } }
            p.why { strong { "Why: " } (letter.refusal.message) }
            form method="post" action=(act) data-keep {
                @if let Some(text) = text {
                    label for={ (name) "-text" } { "Write it again as" }
                    input #{ (name) "-text" } name="text" value=(text) dir="auto" autocomplete="off";
                    button name="act" value="edit" { "Send again" }
                }
                button name="act" value="drop" formnovalidate { "Drop" }
            }
        }
    }
}
