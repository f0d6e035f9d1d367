//! Reading lists, the log, and the past: a page at a time, whatever lies behind it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use syncline::format::time::Moment;
use syncline::format::{Heads, Stamp};
use syncline::replica::{LoggedBundle, PendingBundle};
use syncline::store::{Limit, RowRange};
use syncline::{Event, NTP64, Position};

use super::{Client, ClientError};
use crate::views::{Conflicts, Devices, Entries, Entry, History, Line, Lost, Names, lost};
use crate::{Change, EntryId, Field};

/// Rows read at a time while looking for a word.
const SEARCH: Limit = Limit::items(1_000);
/// Pending bundles that are looked at: beyond, a page says "many".
const PENDING_MAX: u32 = 2_000;

/// Changes of one bundle that a page spells out.
pub const TOLD_MAX: usize = 10;

/// Which entries to list. A page's address carries it as its query.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Those with this word in a text or a tag, in whatever letters. All if it is empty.
    #[serde(rename = "find")]
    pub word: String,
    /// Those that are deleted, in place of the others.
    pub deleted: bool,
    /// Those that are older than this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<EntryId>,
}

impl Filter {
    fn takes(&self, word: &str, entry: &Entry) -> bool {
        let mut texts = Field::ALL.into_iter().map(|field| entry.text(field)).chain(entry.tags());
        entry.kind().is_some()
            && entry.is_deleted() == self.deleted
            && (word.is_empty() || texts.any(|text| text.to_lowercase().contains(word)))
    }
}

/// Some entries, youngest first.
#[derive(Debug, Clone)]
pub struct EntryPage {
    /// The entries.
    pub entries: Vec<(EntryId, Entry)>,
    /// Whether there are older ones.
    pub more: bool,
}

/// Some bundles of the log, newest first.
#[derive(Debug, Clone)]
pub struct LogPage {
    /// The bundles.
    pub bundles: Vec<LoggedBundle>,
    /// How many there are in all.
    pub head: Position,
    /// The titles, as they are now, of the entries that the first [`TOLD_MAX`] changes of each bundle are about.
    pub titles: BTreeMap<EntryId, String>,
}

/// The own changes that no server has answered for.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    /// The entries that they are about.
    pub entries: BTreeSet<EntryId>,
}

/// The rows as they were at a moment.
#[derive(Debug, Clone)]
pub struct Past {
    /// The moment.
    pub at: NTP64,
    /// Some entries that there were, youngest first.
    pub entries: Vec<(EntryId, Entry)>,
    /// How many there were.
    pub count: usize,
}

impl Client {
    /// The youngest entries that pass the filter, at most `count`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn entries(&self, filter: &Filter, count: usize) -> Result<EntryPage, ClientError> {
        let device = self.device().await?;
        let view = device.replica.view(Entries)?;
        let word = filter.word.trim().to_lowercase();
        let limit = if word.is_empty() { Limit::items(count as u32 + 1) } else { SEARCH };
        let mut range = RowRange::all().backward();
        if let Some(before) = filter.before {
            range = range.after(before.as_bytes().to_vec().into());
        }
        let mut entries = Vec::new();
        loop {
            let rows = view.scan(range.clone(), limit).await?;
            let Some((last, _)) = rows.last() else { return Ok(EntryPage { entries, more: false }) };
            range = range.after(last.clone());
            let found = rows.into_iter().filter(|(_, entry)| filter.takes(&word, entry));
            entries.extend(found.filter_map(|(key, entry)| Some((EntryId::from_key(&key)?, entry))));
            if entries.len() > count {
                entries.truncate(count);
                return Ok(EntryPage { entries, more: true });
            }
        }
    }

    /// The entries that a change waits for which no server has answered for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn waiting(&self) -> Result<Waiting, ClientError> {
        let device = self.device().await?;
        let pending = device.replica.pending(None, Limit::items(PENDING_MAX)).await?;
        let changes = pending.iter().flat_map(|PendingBundle { events, .. }| changes(events));
        Ok(Waiting { entries: changes.filter_map(|change| change.entry()).collect() })
    }

    /// The bundles of the log up to position `last`, or up to the newest, at most `count`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn log(&self, last: Option<Position>, count: u32) -> Result<LogPage, ClientError> {
        let device = self.device().await?;
        let head = device.replica.store().status().await?.head;
        let last = last.unwrap_or(head).min(head);
        let after = Position::new(last.get().saturating_sub(u64::from(count)));
        let wanted = u32::try_from(last.since(after)).unwrap_or(count);
        let mut bundles = Vec::new();
        while bundles.len() < wanted as usize {
            let after = bundles.last().map_or(after, |bundle: &LoggedBundle| bundle.position);
            let page = device.replica.log(after, Limit::items(wanted - bundles.len() as u32)).await?;
            if page.is_empty() {
                break;
            }
            bundles.extend(page);
        }
        bundles.reverse();
        let view = device.replica.view(Entries)?;
        let all = bundles.iter().map(|bundle| bundle.events.as_deref().unwrap_or_default());
        let events = all.flat_map(|events| events.iter().take(TOLD_MAX));
        let about: BTreeSet<_> = changes(events).filter_map(|change| change.entry()).collect();
        let mut titles = BTreeMap::new();
        for entry in about {
            if let Some(row) = view.get(entry.as_bytes()).await? {
                titles.insert(entry, row.text(Field::Title).to_owned());
            }
        }
        Ok(LogPage { bundles, head, titles })
    }

    /// What the devices are called.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn devices(&self) -> Result<Devices, ClientError> {
        Ok(self.device().await?.replica.view(Names)?.get(Names::KEY).await?.unwrap_or_default())
    }

    /// Per writer the last bundle of this device's log.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn heads(&self) -> Result<Heads, ClientError> {
        Ok(self.device().await?.replica.store().status().await?.heads)
    }

    /// The time of the first bundle in the log, and now: by this device's clock, or the newest bundle's time if that is later.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn lifetime(&self) -> Result<(NTP64, NTP64), ClientError> {
        let device = self.device().await?;
        let now = syncline_os::wall_clock().max(device.replica.store().status().await?.high_water());
        let first = device.replica.log(Position::ZERO, Limit::items(1)).await?;
        Ok((first.first().map_or(now, |first| first.time), now))
    }

    /// All that has happened to an entry, earliest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn history(&self, entry: EntryId) -> Result<Vec<(Stamp, Line)>, ClientError> {
        let row = self.device().await?.replica.view(History)?.get(entry.as_bytes()).await?;
        Ok(row.map(|row| row.output()).unwrap_or_default())
    }

    /// An entry as it was at a moment; none if it was not there yet.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn entry_at(&self, entry: EntryId, at: impl Into<Moment>) -> Result<Option<Entry>, ClientError> {
        let device = self.device().await?;
        Ok(device.replica.view(Entries)?.get_at(entry.as_bytes(), at.into()).await?)
    }

    /// All entries as they were at a moment, of which at most `count` are returned.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn past(&self, at: NTP64, count: usize) -> Result<Past, ClientError> {
        let rows = self.device().await?.replica.view(Entries)?.state_at(at).await?;
        let live = || rows.iter().filter(|(_, entry)| entry.kind().is_some() && !entry.is_deleted());
        let named = live().rev().filter_map(|(key, entry)| Some((EntryId::from_key(key)?, entry.clone())));
        Ok(Past { at, entries: named.take(count).collect(), count: live().count() })
    }

    /// The writes that lost to others, of the youngest entries first, at most `count`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn conflicts(&self, count: usize) -> Result<Vec<Lost>, ClientError> {
        let device = self.device().await?;
        let view = device.replica.view(Conflicts)?;
        let mut rows = std::pin::pin!(view.stream(RowRange::all().backward()));
        let mut found = Vec::new();
        while let Some((_, row)) = rows.try_next().await? {
            found.extend(lost(&row));
            if found.len() >= count {
                found.truncate(count);
                break;
            }
        }
        Ok(found)
    }

    /// The writes to an entry that lost to others, earliest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn conflicts_of(&self, entry: EntryId) -> Result<Vec<Lost>, ClientError> {
        let row = self.device().await?.replica.view(Conflicts)?.get(entry.as_bytes()).await?;
        Ok(row.map(|row| lost(&row)).unwrap_or_default())
    }
}

/// The changes among these events: what a newer program has written is none that this one knows.
pub(crate) fn changes<'a>(events: impl IntoIterator<Item = &'a Event>) -> impl Iterator<Item = Change> {
    events.into_iter().filter_map(|event| event.read::<Change>().ok()?)
}
