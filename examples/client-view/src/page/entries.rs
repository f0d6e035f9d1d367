//! The list of documents and tasks.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::Shown;
use super::words::{count, excerpt, kind};
use crate::client::{EntryPage, Filter, Waiting};
use crate::views::Entry;
use crate::{EntryId, Field};

/// The form that adds one.
pub(super) fn add(shown: &Shown) -> Markup {
    html! {
        form.add method="post" action=(shown.at("add")) data-reset {
            label for="add-title" { "New" }
            select name="kind" aria-label="Kind" { option value="task" { "task" } option value="document" { "document" } }
            input #add-title name="title" required autocomplete="off" dir="auto" placeholder="Buy milk";
            button { "Add" }
        }
    }
}

/// The list, with what finds and pages it.
pub(super) fn list(
    shown: &Shown,
    filter: &Filter,
    page: &EntryPage,
    waiting: &Waiting,
    refused: &BTreeSet<EntryId>,
) -> Markup {
    html! {
        section #entries aria-labelledby="entries-head" {
            h2 #entries-head tabindex="-1" { @if filter.deleted { "Deleted" } @else { "Documents and tasks" } }
            (add(shown))
            form.find method="get" action=(shown.at("")) data-live role="search" {
                label for="find" { "Find" }
                input #find type="search" name="find" value=(filter.word) autocomplete="off";
                label { input #deleted type="checkbox" name="deleted" value="true" checked[filter.deleted]; " deleted" }
                button.fallback { "Find" }
            }
            @if page.entries.is_empty() {
                p { @if filter.word.is_empty() { "Nothing here yet." } @else { "Nothing here has that word." } }
            }
            ul.entries {
                @for (id, entry) in &page.entries {
                    (row(shown, *id, entry, waiting.entries.contains(id), refused.contains(id)))
                }
            }
            (pages(shown, filter, page))
        }
    }
}

fn pages(shown: &Shown, filter: &Filter, page: &EntryPage) -> Markup {
    let link = |before: Option<EntryId>| {
        let query = serde_urlencoded::to_string(Filter { before, ..filter.clone() });
        shown.at(format_args!("?{}", query.expect("a filter is plain pairs")))
    };
    let last = page.entries.last().map(|(id, _)| *id).filter(|_| page.more);
    html! {
        nav.pages aria-label="More of the list" {
            @if filter.before.is_some() { a href=(link(None)) { "Newest" } }
            @if let Some(last) = last { a #older href=(link(Some(last))) { "Older" } }
            a href=(shown.at("past")) { "As it was in the past" }
        }
    }
}

fn row(shown: &Shown, id: EntryId, entry: &Entry, waits: bool, refused: bool) -> Markup {
    let (title, done) = (excerpt(entry.text(Field::Title)), entry.is_done());
    html! {
        li #{ "entry-" (id) } .entry.done[done] {
            a.title href=(shown.at(format_args!("entry/{id}"))) dir="auto" { (title) }
            (facts(entry))
            span.states {
                @if refused { span.state.refused { "refused" } }
                @if waits { span.state.waiting { "waits for the server" } }
                @else if !refused { span.state.stored { "stored by the server" } }
                @if entry.is_contested() { span.state.contested { "conflict" } }
            }
            form.acts method="post" action=(shown.at(format_args!("entry/{id}"))) {
                (button("vote", "1", "+1", &format!("+1 for {title}")))
                (button("vote", "-1", "−1", &format!("−1 for {title}")))
                @if done { (button("done", "false", "Not done", &format!("Not done: {title}"))) }
                @else { (button("done", "true", "Done", &format!("Done: {title}"))) }
                @if entry.is_deleted() { (button("deleted", "false", "Bring back", &format!("Bring back {title}"))) }
                @else { (button("deleted", "true", "Delete", &format!("Delete {title}"))) }
            }
        }
    }
}

/// A button that says one thing to a form of many.
fn button(name: &str, value: &str, label: &str, whole: &str) -> Markup {
    html! { button name=(name) value=(value) aria-label=(whole) { (label) } }
}

/// What an entry is, in a few words.
pub(super) fn facts(entry: &Entry) -> Markup {
    html! {
        span.facts {
            @if let Some(what) = entry.kind() { (kind(what)) }
            @if !entry.text(Field::Author).is_empty() { " by " bdi { (excerpt(entry.text(Field::Author))) } }
            @if entry.votes() != 0 { " · " (votes(entry.votes())) }
            @if entry.is_done() { " · done" }
            @for tag in entry.tags() { " " span.tag dir="auto" { (excerpt(tag)) } }
        }
    }
}

fn votes(votes: i64) -> String {
    if votes < 0 { format!("−{}", count(votes.unsigned_abs(), "vote")) } else { count(votes.unsigned_abs(), "vote") }
}
