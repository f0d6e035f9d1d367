//! The built-in projection: (entity, attribute) → value.
//!
//! Five operations change an attribute. A **set** or a **delete** *resets* it: what it leaves is the attribute's *base*, and
//! the base with the greatest stamp wins, as in a last-writer-wins register. An **add** makes a counter of the attribute, an
//! **insert** or a **remove** a set. These three carry the base that their writer had seen, and count on that base only:
//!
//! * A set or a delete wins over the adds and inserts that had not seen it. Nothing that was deleted comes back.
//! * Adds on one base all count, concurrent ones too. An insert wins over a remove that had not seen it.
//! * What was made on a base that has not arrived yet waits for it.
//! * A replica has always seen its own writes: its operation counts on its own earlier set, even if the row that the operation
//!   was made from is older. So each operation in a bundle builds on the operations before it.
//!
//! | the latest operation that counts | the attribute reads |
//! |---|---|
//! | set | the value |
//! | delete, or none | nothing |
//! | add | the integer that was set (0 if something else or nothing was) and all that was added, within `i64` |
//! | insert, remove | the array of the elements, sorted by their bytes: those of the array that was set, and the inserted ones |
//!
//! Counter and set live side by side on one base; the latest operation decides which of them is read.
//!
//! ```
//! use syncline::attributes::{Attribute, AttributeRow, Attributes, Op};
//! use syncline::format::Stamp;
//! use syncline::{Dot, Event, EventRef, NTP64, Projection, ReplicaId, Seq};
//!
//! fn fold(row: &mut AttributeRow, event: &Event, time: u64, origin: u8) {
//!     let origin = ReplicaId::from_bytes([origin; 16]).unwrap();
//!     let (key, _) = Op::decode(&event.payload).unwrap();
//!     let dot = Dot { origin, seq: Seq::new(time) };
//!     let stamp = Stamp { time: NTP64(time), origin, index: 0 };
//!     Attributes.apply(&key.key(), row, &EventRef::new(dot, stamp, &event.event_type, &event.payload)).unwrap();
//! }
//!
//! let stock = Attribute::new("article/7", "stock").unwrap();
//! let mut row = AttributeRow::default();
//! fold(&mut row, &Op::set(&stock, 10), 1, 1);
//! let (sale, delivery) = (row.add(&stock, -3), row.add(&stock, 20)); // neither has seen the other
//! fold(&mut row, &sale, 2, 1);
//! fold(&mut row, &delivery, 2, 2);
//! assert_eq!(row.value().as_deref(), Some("27"));
//! ```

mod json;
mod key;
mod layout;
mod op;
mod row;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use layout::base_of;

pub use key::{ATTRIBUTE_BYTES_MAX, Attribute, ENTITY_BYTES_MAX, InvalidAttribute};
pub use op::Op;
pub use row::AttributeRow;
pub use value::{InvalidValue, VALUE_BYTES_MAX, Value};

use crate::format::event::{Event, EventRef, EventType};
use crate::projection::{Keys, Moved, Projection, Reads, Unreadable};
use crate::store::{RowRange, ViewId};

/// The type of the events that change attributes.
pub const ATTRIBUTE: EventType = EventType::new("attribute", 1);

/// The projection of the view `attributes@1`: one [`AttributeRow`] per [`Attribute`].
///
/// It reads the event type [`ATTRIBUTE`] alone. An event of that type whose payload is malformed, or that
/// claims to have seen a later operation, is unreadable.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes;

impl Attributes {
    /// The view's name and version.
    pub const VIEW: &str = "attributes@1";

    /// The rows of all attributes of `entity`.
    pub fn entity_range(entity: &str) -> RowRange {
        RowRange::prefix(format!("{entity}\0").as_bytes())
    }
}

impl Projection for Attributes {
    type State = AttributeRow;

    fn view(&self) -> ViewId {
        ViewId::new(Self::VIEW).expect("the name is well formed")
    }

    fn reads(&self) -> Reads {
        Reads::types([ATTRIBUTE])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        match op::key_of(event.payload) {
            Ok(key) => keys.push(key),
            Err(_) => keys.refuse("the payload does not name an attribute"),
        }
    }

    fn apply(&self, key: &[u8], row: &mut AttributeRow, event: &EventRef<'_>) -> Result<(), Unreadable> {
        if !event.is(&ATTRIBUTE) {
            return Err(Unreadable::new(format!("the event is of the type {}, not {ATTRIBUTE}", event.event_type())));
        }
        let (own_key, op) = Op::read(event.payload).map_err(|error| Unreadable::new(error.to_string()))?;
        if own_key != key {
            return Err(Unreadable::new("the event belongs to the row of another attribute"));
        }
        if !op.looks_back_from(event.stamp) {
            return Err(Unreadable::new("the event claims to have seen what lies after it"));
        }
        row.apply(event.stamp, op);
        Ok(())
    }

    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Event> {
        let (attribute, op) = Op::decode(event.payload).ok()?;
        let moved = op.moved(stamps);
        (moved != op).then(|| moved.event(&attribute))
    }
}
