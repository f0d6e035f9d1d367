//! A view: documents and tasks as they are now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syncline::crdt::{AddWinsSet, Context, Lww, MultiValue, PnCounter};
use syncline::format::Stamp;
use syncline::projection::{Keys, Moved};
use syncline::typed::{Meta, TypedProjection};
use syncline::{Unreadable, ViewId};

use crate::{Change, Field, Kind};

/// One row per entry. Its key is the entry's name.
#[derive(Debug, Clone, Copy)]
pub struct Entries;

/// A document or a task. Values that were written at the same time stand side by side until somebody who has seen them writes another;
/// the latest of them is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    kind: Lww<Kind>,
    texts: BTreeMap<Field, MultiValue<String>>,
    done: MultiValue<bool>,
    deleted: MultiValue<bool>,
    tags: AddWinsSet<String>,
    votes: PnCounter,
}

impl Entry {
    /// What it is. None if nothing has told yet that it is there.
    pub fn kind(&self) -> Option<Kind> {
        self.kind.get().copied()
    }

    /// A text as it is shown; empty if there is none.
    pub fn text(&self, field: Field) -> &str {
        self.texts.get(&field).and_then(latest).map_or("", |(_, text)| text)
    }

    /// Whether it is done.
    pub fn is_done(&self) -> bool {
        latest(&self.done).is_some_and(|(_, done)| *done)
    }

    /// Whether it is deleted.
    pub fn is_deleted(&self) -> bool {
        latest(&self.deleted).is_some_and(|(_, deleted)| *deleted)
    }

    /// Its tags, in their order.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(String::as_str)
    }

    /// Votes for it, less those against it.
    pub fn votes(&self) -> i64 {
        self.votes.value()
    }

    /// The texts that were written at the same time as the one that is shown, and lost to it so far. Whoever writes the field again
    /// settles it.
    pub fn rivals(&self, field: Field) -> impl Iterator<Item = (Stamp, &str)> {
        let values = self.texts.get(&field).into_iter().flat_map(MultiValue::iter);
        let shown = self.texts.get(&field).and_then(latest).map(|(stamp, _)| stamp);
        values.filter(move |(stamp, _)| Some(*stamp) != shown).map(|(stamp, text)| (stamp, text.as_str()))
    }

    /// Whether any of its texts has rivals.
    pub fn is_contested(&self) -> bool {
        self.texts.values().any(|values| values.len() > 1)
    }

    /// What has been seen of a text: what a write of it replaces.
    pub fn seen(&self, field: Field) -> Context {
        self.texts.get(&field).map(MultiValue::context).unwrap_or_default()
    }

    /// What has been seen of whether it is done.
    pub fn seen_done(&self) -> Context {
        self.done.context()
    }

    /// What has been seen of a tag.
    pub fn seen_tag(&self, tag: &String) -> Context {
        self.tags.context(tag)
    }

    /// What a delete has seen: all texts, too, so that a text written at the same time shows as lost.
    pub fn seen_deleted(&self) -> Context {
        let mut seen = self.deleted.context();
        self.texts.values().for_each(|values| seen.merge(&values.context()));
        seen.merge(&self.done.context());
        seen
    }
}

/// The value with the greatest stamp: the same on every device.
fn latest<T>(values: &MultiValue<T>) -> Option<(Stamp, &T)> {
    values.iter().max_by_key(|(stamp, _)| *stamp)
}

impl TypedProjection for Entries {
    type Event = Change;
    type State = Entry;

    fn view(&self) -> ViewId {
        ViewId::new("entries@1").expect("the name is well formed")
    }

    fn keys(&self, event: &Change, keys: &mut Keys) {
        if let Some(entry) = event.entry() {
            keys.push(entry.as_bytes());
        }
    }

    fn apply(&self, _: &[u8], row: &mut Entry, event: &Change, Meta { stamp, .. }: Meta) -> Result<(), Unreadable> {
        match event {
            Change::Added { kind, title, author, .. } => {
                row.kind.set(stamp, *kind);
                for (field, text) in [(Field::Title, title), (Field::Author, author)] {
                    row.texts.entry(field).or_default().put(stamp, &Context::default(), text.clone());
                }
            }
            Change::Set { field, value, over, .. } => {
                row.texts.entry(*field).or_default().put(stamp, over, value.clone());
            }
            Change::Done { done, over, .. } => row.done.put(stamp, over, *done),
            Change::Deleted { deleted, over, .. } => row.deleted.put(stamp, over, *deleted),
            Change::Tagged { tag, .. } => row.tags.insert(stamp, tag.clone()),
            Change::Untagged { tag, over, .. } => row.tags.remove(stamp, tag, over),
            Change::Voted { by, .. } => row.votes.add(stamp, *by),
            Change::Named { .. } => {}
        }
        Ok(())
    }

    fn moved(&self, event: &Change, stamps: &Moved) -> Option<Change> {
        event.moved(stamps)
    }
}
