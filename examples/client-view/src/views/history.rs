//! A view: all that has happened to an entry.

use syncline::crdt::Ordered;
use syncline::projection::{Keys, Moved};
use syncline::typed::{Meta, TypedProjection};
use syncline::{Unreadable, ViewId};

use super::{Line, Lines};
use crate::Change;

/// One row per entry: its changes, earliest first. Its key is the entry's name.
#[derive(Debug, Clone, Copy)]
pub struct History;

impl TypedProjection for History {
    type Event = Change;
    type State = Ordered<Lines>;

    fn view(&self) -> ViewId {
        ViewId::new("history@1").expect("the name is well formed")
    }

    fn keys(&self, event: &Change, keys: &mut Keys) {
        if let Some(entry) = event.entry() {
            keys.push(entry.as_bytes());
        }
    }

    fn apply(&self, _: &[u8], row: &mut Ordered<Lines>, event: &Change, meta: Meta) -> Result<(), Unreadable> {
        row.insert(meta.stamp, Line::of(meta.dot.seq, event));
        Ok(())
    }

    fn moved(&self, event: &Change, stamps: &Moved) -> Option<Change> {
        event.moved(stamps)
    }
}
