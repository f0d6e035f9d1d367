//! Writing. Every call is durable here when it returns, with or without a network.

use syncline::crdt::Context;
use syncline::replica::Written;
use syncline::typed::TypedEvent;
use syncline::{Dot, Event};

use super::{Client, ClientError};
use crate::views::Entry;
use crate::{Change, EntryId, Field, Kind};

impl Client {
    /// Writes these changes as one bundle.
    ///
    /// # Errors
    /// [`ClientError::Replica`] if they are too large, or if the store fails.
    pub async fn write(&self, changes: &[Change]) -> Result<Written, ClientError> {
        Ok(self.device().await?.replica.write(changes).await?)
    }

    /// Adds a document or a task.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn add(&self, kind: Kind, title: &str) -> Result<EntryId, ClientError> {
        let (entry, author) = (EntryId::fresh(), self.inner.setup.author.clone());
        self.write(&[Change::Added { entry, kind, title: title.to_owned(), author }]).await?;
        Ok(entry)
    }

    /// Gives a text of an entry another value, in place of what the writer has `seen`: the value of now, if nothing else is said.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`ClientError::NoSuchEntry`].
    pub async fn set(
        &self,
        entry: EntryId,
        field: Field,
        value: &str,
        seen: Option<Context>,
    ) -> Result<Written, ClientError> {
        let now = self.entry(entry).await?;
        let over = seen.unwrap_or_else(|| now.seen(field));
        self.write(&[Change::Set { entry, field, value: value.to_owned(), over }]).await
    }

    /// Says that an entry is done, or not done after all.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn set_done(&self, entry: EntryId, done: bool) -> Result<Written, ClientError> {
        let over = self.entry(entry).await?.seen_done();
        self.write(&[Change::Done { entry, done, over }]).await
    }

    /// Deletes an entry, or brings it back.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn set_deleted(&self, entry: EntryId, deleted: bool) -> Result<Written, ClientError> {
        let over = self.entry(entry).await?.seen_deleted();
        self.write(&[Change::Deleted { entry, deleted, over }]).await
    }

    /// Tags an entry.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn tag(&self, entry: EntryId, tag: &str) -> Result<Written, ClientError> {
        self.entry(entry).await?;
        self.write(&[Change::Tagged { entry, tag: tag.to_owned() }]).await
    }

    /// Takes a tag from an entry.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn untag(&self, entry: EntryId, tag: &str) -> Result<Written, ClientError> {
        let tag = tag.to_owned();
        let over = self.entry(entry).await?.seen_tag(&tag);
        self.write(&[Change::Untagged { entry, tag, over }]).await
    }

    /// Votes for an entry, or against it if negative.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn vote(&self, entry: EntryId, by: i64) -> Result<Written, ClientError> {
        self.entry(entry).await?;
        self.write(&[Change::Voted { entry, by }]).await
    }

    /// Writes a refused change again with another text, and forgets the refused one.
    ///
    /// # Errors
    /// [`ClientError::Replica`] if there is no such dead letter.
    pub async fn rewrite_letter(&self, dot: Dot, text: &str) -> Result<Written, ClientError> {
        let device = self.device().await?;
        let letter = device.replica.dead_letters().await?.into_iter().find(|letter| letter.dot == dot);
        // Without a letter the replica says so.
        let events = letter.map(|letter| letter.events).unwrap_or_default();
        let events: Vec<_> = events.into_iter().map(|event| with_text(event, text)).collect();
        Ok(device.replica.rewrite_dead_letter(dot, &events).await?)
    }

    /// Forgets a refused change.
    ///
    /// # Errors
    /// [`ClientError::Replica`] if there is no such dead letter.
    pub async fn drop_letter(&self, dot: Dot) -> Result<(), ClientError> {
        self.device().await?.replica.forget_dead_letter(dot).await?;
        self.inner.link.tell();
        Ok(())
    }

    /// An entry as it is now.
    ///
    /// # Errors
    /// [`ClientError::NoSuchEntry`], and those of the store.
    pub async fn entry(&self, entry: EntryId) -> Result<Entry, ClientError> {
        let device = self.device().await?;
        let view = device.replica.view(crate::views::Entries)?;
        view.get(entry.as_bytes()).await?.ok_or(ClientError::NoSuchEntry(entry))
    }
}

/// The event with another text, if it is a change that has one.
fn with_text(event: Event, text: &str) -> Event {
    let Ok(Some(change)) = event.read::<Change>() else { return event };
    change.with_text(text).to_event().unwrap_or(event)
}
