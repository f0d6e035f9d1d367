//! Operations on attributes, and the payload of their events.
//!
//! A payload is laid out by hand: a tag byte; the length of the row key and the row key; then what the operation needs.
//!
//! | tag | operation | then |
//! |---|---|---|
//! | 1 | set | the JSON text, up to the end |
//! | 2 | delete | nothing |
//! | 3 | add | base, delta (zigzag) |
//! | 4 | insert | base, the JSON text, up to the end |
//! | 5 | remove | base, number of stamps, the stamps in the order of their origins, the JSON text, up to the end |
//!
//! A base is a 0, or a 1 and a stamp. Stamps are their 26 bytes, integers are in their shortest LEB128 form.

use super::key::{Attribute, split};
use super::value::Value;
use super::{ATTRIBUTE, InvalidAttribute};
use crate::crdt::Context;
use crate::format::event::Event;
use crate::format::time::{STAMP_BYTES, Stamp};
use crate::format::wire::{DecodeError, Reader, put_varint};
use crate::limits::KEY_BYTES_MAX;
use crate::projection::Moved;

const SET: u8 = 1;
const DELETE: u8 = 2;
const ADD: u8 = 3;
const INSERT: u8 = 4;
const REMOVE: u8 = 5;

/// What an event does to one attribute.
///
/// [`Add`](Self::Add), [`Insert`](Self::Insert) and [`Remove`](Self::Remove) carry what their writer had seen, so they are
/// made from the attribute's row: [`AttributeRow::add`](super::AttributeRow::add) and its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Gives the attribute this value, in place of everything that its writer had or had not seen.
    Set(Value),
    /// Deletes the attribute, in the same way.
    Delete,
    /// Adds to the counter.
    Add {
        /// The latest set or delete that the writer had seen.
        base: Option<Stamp>,
        /// How much.
        delta: i64,
    },
    /// Inserts into the set.
    Insert {
        /// The latest set or delete that the writer had seen.
        base: Option<Stamp>,
        /// What is inserted.
        element: Value,
    },
    /// Removes from the set.
    Remove {
        /// The latest set or delete that the writer had seen.
        base: Option<Stamp>,
        /// The inserts of the element that the writer had seen.
        context: Context,
        /// What is removed.
        element: Value,
    },
}

impl Op {
    /// The event that gives `attribute` this value.
    ///
    /// ```
    /// use syncline::attributes::{Attribute, Op, Value};
    ///
    /// let done = Attribute::new("todo/7", "done").unwrap();
    /// let event = Op::set(&done, true);
    /// assert_eq!(Op::decode(&event.payload).unwrap(), (done, Op::Set(true.into())));
    /// ```
    pub fn set(attribute: &Attribute, value: impl Into<Value>) -> Event {
        Self::Set(value.into()).event(attribute)
    }

    /// The event that takes `attribute` away.
    pub fn delete(attribute: &Attribute) -> Event {
        Self::Delete.event(attribute)
    }

    /// The event that does this to `attribute`.
    ///
    /// Its payload fits the limit of 256 KiB unless it is a remove of what more than 2,000 replicas have inserted, each
    /// without seeing the others; such an event is refused when it is written.
    pub fn event(&self, attribute: &Attribute) -> Event {
        let key = attribute.as_key();
        let mut out = Vec::with_capacity(1 + 2 + key.len() + self.size_hint());
        out.push(self.tag());
        put_varint(&mut out, key.len() as u64);
        out.extend_from_slice(key);
        match self {
            Self::Set(value) => out.extend_from_slice(value.as_json().as_bytes()),
            Self::Delete => {}
            Self::Add { base, delta } => {
                put_base(&mut out, *base);
                put_varint(&mut out, zigzag(*delta));
            }
            Self::Insert { base, element } => {
                put_base(&mut out, *base);
                out.extend_from_slice(element.as_json().as_bytes());
            }
            Self::Remove { base, context, element } => {
                put_base(&mut out, *base);
                context.put(&mut out);
                out.extend_from_slice(element.as_json().as_bytes());
            }
        }
        Event::new(ATTRIBUTE, out)
    }

    /// Reads the payload of an event of the kind [`ATTRIBUTE`].
    ///
    /// # Errors
    /// [`DecodeError`] if the payload is malformed in any way.
    pub fn decode(payload: &[u8]) -> Result<(Attribute, Self), DecodeError> {
        let (key, op) = Self::read(payload)?;
        let attribute = Attribute::from_key(key).expect("the key was checked while it was read");
        Ok((attribute, op))
    }

    /// Reads a payload: the row key, and the operation.
    pub(super) fn read(payload: &[u8]) -> Result<(&[u8], Self), DecodeError> {
        let mut reader = Reader::new("attribute event", payload);
        let (tag, key) = read_head(&mut reader)?;
        let op = match tag {
            SET => Self::Set(read_value(&mut reader)?),
            DELETE => Self::Delete,
            ADD => Self::Add { base: read_base(&mut reader)?, delta: unzigzag(reader.varint()?) },
            INSERT => Self::Insert { base: read_base(&mut reader)?, element: read_value(&mut reader)? },
            REMOVE => Self::Remove {
                base: read_base(&mut reader)?,
                context: Context::read(&mut reader)?,
                element: read_value(&mut reader)?,
            },
            _ => return Err(reader.malformed("its operation is unknown")),
        };
        if !reader.is_empty() {
            return Err(reader.malformed("bytes are left over"));
        }
        Ok((key, op))
    }

    /// Whether everything that the operation claims to have seen lies before `stamp`, its own.
    pub(super) fn looks_back_from(&self, stamp: Stamp) -> bool {
        let before = |base: &Option<Stamp>| *base < Some(stamp);
        match self {
            Self::Set(_) | Self::Delete => true,
            Self::Add { base, .. } | Self::Insert { base, .. } => before(base),
            Self::Remove { base, context, .. } => before(base) && context.latest() < Some(stamp),
        }
    }

    /// The operation with every stamp that it names in its new form.
    pub(super) fn moved(&self, stamps: &Moved) -> Self {
        let base = |base: &Option<Stamp>| base.map(|stamp| stamps.get(stamp));
        match self.clone() {
            Self::Add { base: old, delta } => Self::Add { base: base(&old), delta },
            Self::Insert { base: old, element } => Self::Insert { base: base(&old), element },
            Self::Remove { base: old, context, element } => {
                Self::Remove { base: base(&old), context: context.moved(stamps), element }
            }
            other => other,
        }
    }

    fn tag(&self) -> u8 {
        match self {
            Self::Set(_) => SET,
            Self::Delete => DELETE,
            Self::Add { .. } => ADD,
            Self::Insert { .. } => INSERT,
            Self::Remove { .. } => REMOVE,
        }
    }

    fn size_hint(&self) -> usize {
        match self {
            Self::Set(value) => value.as_json().len(),
            Self::Delete => 0,
            Self::Add { .. } => STAMP_BYTES + 11,
            Self::Insert { element, .. } => STAMP_BYTES + 1 + element.as_json().len(),
            Self::Remove { context, element, .. } => STAMP_BYTES * (1 + context.len()) + 4 + element.as_json().len(),
        }
    }
}

/// The row key of a payload, whatever else is in it.
pub(super) fn key_of(payload: &[u8]) -> Result<&[u8], DecodeError> {
    Ok(read_head(&mut Reader::new("attribute event", payload))?.1)
}

fn read_head<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), DecodeError> {
    let tag = reader.byte()?;
    let size = reader.length("attribute key", KEY_BYTES_MAX)?;
    let key = reader.take(size)?;
    split(key).map_err(|error| reader.malformed(reason(&error)))?;
    Ok((tag, key))
}

fn reason(error: &InvalidAttribute) -> &'static str {
    match error {
        InvalidAttribute::EntityEmpty => "the entity's name is empty",
        InvalidAttribute::EntityTooLong { .. } => "the entity's name is too long",
        InvalidAttribute::AttributeEmpty => "the attribute's name is empty",
        InvalidAttribute::AttributeTooLong { .. } => "the attribute's name is too long",
        InvalidAttribute::HoldsNul { .. } => "a name holds a NUL",
        InvalidAttribute::NotAKey { why } => why,
    }
}

fn read_value(reader: &mut Reader<'_>) -> Result<Value, DecodeError> {
    Value::decode(reader.take(reader.remaining())?)
}

/// Appends a base.
pub(super) fn put_base(out: &mut Vec<u8>, base: Option<Stamp>) {
    out.push(u8::from(base.is_some()));
    if let Some(stamp) = base {
        out.extend_from_slice(&stamp.to_bytes());
    }
}

/// Reads a base.
pub(super) fn read_base(reader: &mut Reader<'_>) -> Result<Option<Stamp>, DecodeError> {
    match reader.byte()? {
        0 => Ok(None),
        1 => crate::crdt::read_stamp(reader).map(Some),
        _ => Err(reader.malformed("a base starts with neither 0 nor 1")),
    }
}

/// Folds the sign into the lowest bit, so that small numbers of both signs are short.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn signed_numbers_read_back(number in any::<i64>()) {
            prop_assert_eq!(unzigzag(zigzag(number)), number);
        }
    }

    #[test]
    fn small_numbers_of_both_signs_are_short() {
        assert_eq!([0, -1, 1, -2, i64::MAX, i64::MIN].map(zigzag), [0, 1, 2, 3, u64::MAX - 1, u64::MAX]);
    }
}
