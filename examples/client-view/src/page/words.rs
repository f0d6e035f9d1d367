//! How things are said to a person.

use std::time::SystemTime;

use maud::{Markup, html};
use syncline::format::Stamp;
use syncline::replica::Outcome;
use syncline::{NTP64, ReplicaId};

use super::Shown;
use crate::views::{Devices, Line};
use crate::{Change, Kind};

/// Characters of a text in a list: the whole text stands on the entry's own page.
const LIST_CHARS: usize = 160;

/// A time to the second.
pub(super) fn time(time: NTP64) -> Markup {
    let whole = time.to_string_rfc3339_lossy();
    let (day, clock) = whole.split_once('T').unwrap_or((&whole, ""));
    let clock = clock.get(..8).unwrap_or(clock);
    html! { time datetime={ (day) "T" (clock) "Z" } { (day) " " (clock) } }
}

/// A time of the machine's clock.
pub(super) fn moment(at: SystemTime) -> Markup {
    time(syncline_os::time_of(at))
}

/// What a device is called, or the beginning of its identity.
pub(super) fn device(devices: &Devices, replica: ReplicaId) -> Markup {
    match devices.get(replica) {
        Some(name) => html! { bdi title=(replica) { (excerpt(name)) } },
        None => html! { code title=(replica) { (&replica.to_string()[..8]) } },
    }
}

/// Who wrote something, and when.
pub(super) fn by(shown: &Shown, stamp: Stamp) -> Markup {
    html! { (device(&shown.devices, stamp.origin)) ", " (time(stamp.time)) }
}

/// The beginning of a text, with its length if there is more.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(LIST_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
    }
}

/// A text that a person wrote: in its own direction, with a word in place of nothing.
pub(super) fn text(text: &str) -> Markup {
    if text.trim().is_empty() {
        html! { em { "nothing" } }
    } else {
        html! { q dir="auto" { (excerpt(text)) } }
    }
}

/// "1 change", "2 changes".
pub(super) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// Milliseconds as a person says them.
pub(super) fn span(millis: i64) -> String {
    let size = millis.unsigned_abs();
    let (days, hours, minutes) = (size / 86_400_000, size / 3_600_000 % 24, size / 60_000 % 60);
    match size {
        0..1_000 => format!("{size} ms"),
        1_000..60_000 => format!("{} s", size / 1_000),
        60_000..3_600_000 => format!("{minutes} min"),
        3_600_000..86_400_000 => format!("{hours} h {minutes} min"),
        _ => format!("{} {hours} h", count(days, "day")),
    }
}

pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Document => "document",
        Kind::Task => "task",
    }
}

/// What a change says.
pub(super) fn change(change: &Change) -> Markup {
    html! {
        @match change {
            Change::Added { kind: what, title, .. } => { "added the " (kind(*what)) " " (text(title)) }
            Change::Set { field, value, .. } => { "set the " (field.as_str()) " to " (text(value)) }
            Change::Done { done: true, .. } => { "said that it is done" }
            Change::Done { done: false, .. } => { "said that it is not done" }
            Change::Tagged { tag, .. } => { "added the tag " (text(tag)) }
            Change::Untagged { tag, .. } => { "took away the tag " (text(tag)) }
            Change::Voted { by, .. } => { "voted " (format!("{by:+}")) }
            Change::Deleted { deleted: true, .. } => { "deleted it" }
            Change::Deleted { deleted: false, .. } => { "brought it back" }
            Change::Named { name } => { "is called " (text(name)) }
        }
    }
}

/// What a line of history says.
pub(super) fn line(line: &Line) -> Markup {
    html! { (change(&line.change)) @if let Some(chars) = line.cut { " … (" (chars) " characters)" } }
}

/// The value that a line of history wrote, without saying to which field.
pub(super) fn value(line: &Line) -> Markup {
    match &line.change {
        Change::Set { value, .. } => text(value),
        other => change(other),
    }
}

/// What became of a bundle.
pub(super) fn outcome(outcome: &Outcome) -> Markup {
    html! {
        @match outcome {
            Outcome::Pending => { span.state.waiting { "waits for the server" } }
            Outcome::Stored => { span.state.stored { "stored by the server" } }
            Outcome::Refused(refusal) => { span.state.refused { "refused: " (refusal.message) } }
            Outcome::Superseded(dot) => { span.state.moved { "written again as number " (dot.seq) } }
            _ => { span.state { "unknown" } }
        }
    }
}
