//! The first page: the list, what needs attention, and the workings below.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{Shown, conflicts, document, entries, log, refused, status, sync, trials};
use crate::Client;
use crate::client::{ClientError, Filter, changes};

/// Entries on one page.
const ENTRIES: usize = 50;
/// Conflicts that are shown.
const CONFLICTS: usize = 20;
/// Bundles of the log that are shown; the log has a page of its own.
const BUNDLES: u32 = 15;

pub(crate) async fn home(client: &Client, filter: &Filter) -> Result<Markup, ClientError> {
    let shown = Shown::of(client).await?;
    let page = client.entries(filter, ENTRIES).await?;
    let (letters, lost) = (client.dead_letters().await?, client.conflicts(CONFLICTS).await?);
    let (waiting, latest) = (client.waiting().await?, client.log(None, BUNDLES).await?);
    let heads = client.heads().await?;
    let copies = client.copies().await?;
    let refused: BTreeSet<_> =
        letters.iter().flat_map(|letter| changes(&letter.events)).filter_map(|change| change.entry()).collect();
    let content = html! {
        (refused::letters(&shown, &letters))
        (entries::list(&shown, filter, &page, &waiting, &refused))
        (conflicts::section(&shown, &lost))
        (log::latest(&shown, &latest))
        (sync::section(&shown, &heads))
        (trials::section(&shown, &copies))
    };
    Ok(document(client, "Documents and tasks", &status::top(&shown), &content))
}
