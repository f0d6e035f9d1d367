//! What can happen.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize, de};
use syncline::crdt::Context;
use syncline::projection::Moved;
use syncline::typed::TypedEvent;

/// Names a document or a task for ever: when it was made (8 bytes), then chance (8 bytes). Rows sorted by it are sorted by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId([u8; 16]);

impl EntryId {
    /// A new name, made now.
    pub fn fresh() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes[8..]).expect("every supported system has a source of chance");
        bytes[..8].copy_from_slice(&syncline_os::wall_clock().0.to_be_bytes());
        Self(bytes)
    }

    /// The name with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The name that a row's key says.
    pub(crate) fn from_key(key: &[u8]) -> Option<Self> {
        key.try_into().ok().map(Self)
    }

    /// The key of its rows.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for EntryId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("an entry's name takes 32 lower-case hex digits")
    }
}

impl Serialize for EntryId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 16]>::deserialize(deserializer).map(Self);
        }
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Kind {
    Document,
    Task,
}

/// A text of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Field {
    Title,
    Author,
    Url,
    Note,
}

impl Field {
    /// All of them, as a page shows them.
    pub const ALL: [Self; 4] = [Self::Title, Self::Author, Self::Url, Self::Note];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Author => "author",
            Self::Url => "url",
            Self::Note => "note",
        }
    }
}

/// What can happen to documents and tasks.
///
/// `over` is what the writer had seen of the value when it wrote: the stamps of the values that it replaces. So whether two writes were
/// made without knowing of each other is known exactly, and nobody has to guess it from clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are what they are called")]
pub enum Change {
    /// It is there.
    #[serde(rename = "entry.added@1")]
    Added { entry: EntryId, kind: Kind, title: String, author: String },
    /// One of its texts is another.
    #[serde(rename = "entry.set@1")]
    Set { entry: EntryId, field: Field, value: String, over: Context },
    /// It is done, or not done after all.
    #[serde(rename = "entry.done@1")]
    Done { entry: EntryId, done: bool, over: Context },
    /// It got a tag.
    #[serde(rename = "entry.tagged@1")]
    Tagged { entry: EntryId, tag: String },
    /// It lost a tag, as far as the writer had seen it.
    #[serde(rename = "entry.untagged@1")]
    Untagged { entry: EntryId, tag: String, over: Context },
    /// Somebody voted for it, or against it.
    #[serde(rename = "entry.voted@1")]
    Voted { entry: EntryId, by: i64 },
    /// It is deleted, or back again.
    #[serde(rename = "entry.deleted@1")]
    Deleted { entry: EntryId, deleted: bool, over: Context },
    /// The device that writes this is called so.
    #[serde(rename = "device.named@1")]
    Named { name: String },
}

impl TypedEvent for Change {}

impl Change {
    /// The entry that it is about; none if it is about a device.
    pub fn entry(&self) -> Option<EntryId> {
        match self {
            Self::Added { entry, .. }
            | Self::Set { entry, .. }
            | Self::Done { entry, .. }
            | Self::Tagged { entry, .. }
            | Self::Untagged { entry, .. }
            | Self::Voted { entry, .. }
            | Self::Deleted { entry, .. } => Some(*entry),
            Self::Named { .. } => None,
        }
    }

    /// What its writer had seen, if it replaces something.
    pub fn over(&self) -> Option<&Context> {
        match self {
            Self::Set { over, .. }
            | Self::Done { over, .. }
            | Self::Untagged { over, .. }
            | Self::Deleted { over, .. } => Some(over),
            _ => None,
        }
    }

    /// The title that it gives, if it gives one.
    pub fn title(&self) -> Option<&str> {
        match self {
            Self::Added { title, .. } => Some(title),
            Self::Set { field: Field::Title, value, .. } => Some(value),
            _ => None,
        }
    }

    /// The longest text that a person wrote into it.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Added { title: text, .. } | Self::Set { value: text, .. } => Some(text),
            Self::Tagged { tag: text, .. } | Self::Untagged { tag: text, .. } | Self::Named { name: text } => {
                Some(text)
            }
            Self::Done { .. } | Self::Voted { .. } | Self::Deleted { .. } => None,
        }
    }

    /// The same change with another text.
    #[must_use]
    pub fn with_text(mut self, new: &str) -> Self {
        if let Self::Added { title: text, .. }
        | Self::Set { value: text, .. }
        | Self::Tagged { tag: text, .. }
        | Self::Untagged { tag: text, .. }
        | Self::Named { name: text } = &mut self
        {
            new.clone_into(text);
        }
        self
    }

    /// The change after own events have got other stamps: what it had seen goes by its new stamps.
    pub(crate) fn moved(&self, stamps: &Moved) -> Option<Self> {
        let mut moved = self.clone();
        let (Self::Set { over, .. }
        | Self::Done { over, .. }
        | Self::Untagged { over, .. }
        | Self::Deleted { over, .. }) = &mut moved
        else {
            return None;
        };
        *over = over.moved(stamps);
        Some(moved)
    }
}
