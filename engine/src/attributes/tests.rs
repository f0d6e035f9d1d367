use proptest::prelude::*;

use super::*;
use crate::format::event::Event;
use crate::format::time::{NTP64, Stamp};
use crate::id::{Dot, ReplicaId, Seq};
use crate::projection::{Fold, RowState};

mod convergence;
mod golden;
mod malformed;
mod oracle;
mod stories;

fn origin(number: usize) -> ReplicaId {
    ReplicaId::from_bytes([number as u8 + 1; 16]).unwrap()
}

fn at(time: u64, writer: usize, index: u16) -> Stamp {
    Stamp { time: NTP64(time), origin: origin(writer), index }
}

fn attribute() -> Attribute {
    Attribute::new("todo/7", "title").unwrap()
}

fn value(json: &str) -> Value {
    Value::json(json).unwrap()
}

/// An event as it is read from a log.
fn event_ref(stamp: Stamp, event: &Event) -> EventRef<'_> {
    EventRef::new(Dot { origin: stamp.origin, seq: Seq::new(1) }, stamp, &event.event_type, &event.payload)
}

/// Folds events into a row's bytes, the way the engine does.
fn fold(row: Option<&[u8]>, events: &[(Stamp, Event)]) -> Vec<u8> {
    let events: Vec<_> = events.iter().map(|(stamp, event)| event_ref(*stamp, event)).collect();
    let key = attribute().key();
    let row = Fold::fold(&Attributes, &key, row, &events, &mut |_, cause| panic!("{cause}")).unwrap();
    // No row comes of no event: that reads as the empty one.
    row.map_or_else(|| AttributeRow::default().encode(), |row| row.to_vec())
}

/// The row after these events.
fn row(events: &[(Stamp, Event)]) -> AttributeRow {
    let bytes = fold(None, events);
    let row = AttributeRow::decode(&bytes).unwrap();
    assert_eq!(base_of(&bytes), Ok(row.base()));
    row
}

/// What the row reads after these events.
fn reads(events: &[(Stamp, Event)]) -> Option<String> {
    row(events).value().map(String::from)
}
