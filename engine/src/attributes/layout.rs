//! The bytes of an attribute's row.
//!
//! They are laid out by hand, because people and adapters read them in SQL: 26 bytes of the latest counting operation's
//! stamp (all zero if none counts), then the value as JSON text, empty if there is none. A plain register ends here.
//! Any other row continues with a zero byte, which no JSON text holds, and the whole state:
//!
//! | what | how |
//! |---|---|
//! | the base | 0, or 1 and its stamp |
//! | what was set | length, JSON text; length 0 if nothing was or it was deleted |
//! | the changes on the base | changes |
//! | changes on bases that have not arrived | their number; then each base's stamp, rising, and its changes |
//!
//! Changes are the number of counting origins and for each its last stamp, its additions, its subtractions; then the
//! set's three parts, see [`AddWinsSet`]: the stamps seen, the inserts, the removes. The latter are the number of elements
//! and for each, rising, length, JSON text and stamps. Stamps stand in the order of their origins, after their number;
//! integers are LEB128 in their shortest form. So equal states have equal bytes, and no other bytes are read.

use std::collections::BTreeMap;

use super::op::{put_base, read_base};
use super::row::{AttributeRow, Changes, More};
use super::value::{VALUE_BYTES_MAX, Value};
use crate::crdt::{AddWinsSet, Context, Lww, PnCounter, Tally, read_stamp};
use crate::format::time::{STAMP_BYTES, Stamp};
use crate::format::wire::{DecodeError, Reader, put_varint};
use crate::projection::{RowState, Unreadable};

const NO_STAMP: [u8; STAMP_BYTES] = [0; STAMP_BYTES];

impl RowState for AttributeRow {
    fn encode(&self) -> Vec<u8> {
        let value = self.value();
        let value = value.as_deref().unwrap_or_default();
        let mut out = Vec::with_capacity(STAMP_BYTES + value.len());
        out.extend_from_slice(&self.stamp().map_or(NO_STAMP, Stamp::to_bytes));
        out.extend_from_slice(value.as_bytes());
        if let Some(more) = &self.more {
            out.push(0);
            put_rest(&mut out, &self.register, more);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        read_row(bytes).map_err(|error| Unreadable::new(error.to_string()))
    }
}

fn read_row(bytes: &[u8]) -> Result<AttributeRow, DecodeError> {
    let mut reader = Reader::new("attribute row", bytes);
    let header: [u8; STAMP_BYTES] = reader.array()?;
    let text = reader.clone().take(reader.remaining())?;
    // The search is quick and nearly always in vain.
    if !text.contains(&0) {
        return read_plain(&reader, header, text);
    }
    let end = text.iter().position(|byte| *byte == 0).unwrap_or_default();
    let value = reader.take(end)?;
    reader.byte()?;
    let row = read_rest(&mut reader)?;
    if !reader.is_empty() {
        return Err(reader.malformed("bytes are left over"));
    }
    let stamp = row.stamp().map_or(NO_STAMP, Stamp::to_bytes);
    if stamp != header || row.value().as_deref().unwrap_or_default().as_bytes() != value {
        return Err(reader.malformed("its stamp or value does not follow from its state"));
    }
    Ok(row)
}

/// The base of a row, without reading the rest, which may be large: what an add or an insert is made on.
pub(crate) fn base_of(row: &[u8]) -> Result<Option<Stamp>, Unreadable> {
    read_base_of(row).map_err(|error| Unreadable::new(error.to_string()))
}

fn read_base_of(row: &[u8]) -> Result<Option<Stamp>, DecodeError> {
    let mut reader = Reader::new("attribute row", row);
    let header: [u8; STAMP_BYTES] = reader.array()?;
    let text = reader.clone().take(reader.remaining())?;
    let Some(end) = text.iter().position(|byte| *byte == 0) else { return Ok(Stamp::from_bytes(header)) };
    reader.take(end + 1)?;
    read_base(&mut reader)
}

fn read_plain(reader: &Reader<'_>, header: [u8; STAMP_BYTES], text: &[u8]) -> Result<AttributeRow, DecodeError> {
    let mut register = Lww::default();
    if let Some(stamp) = Stamp::from_bytes(header) {
        register.write(stamp, read_text(text)?);
    } else if header != NO_STAMP || !text.is_empty() {
        return Err(reader.malformed("the origin of its stamp is all zero"));
    }
    Ok(AttributeRow { register, more: None })
}

fn put_rest(out: &mut Vec<u8>, register: &Lww<Value>, more: &More) {
    put_base(out, register.stamp());
    put_text(out, register.get().map_or("", Value::as_json));
    put_changes(out, &more.current);
    put_varint(out, more.early.len() as u64);
    for (base, changes) in &more.early {
        out.extend_from_slice(&base.to_bytes());
        put_changes(out, changes);
    }
}

fn read_rest(reader: &mut Reader<'_>) -> Result<AttributeRow, DecodeError> {
    let mut register = Lww::default();
    let base = read_base(reader)?;
    let value = read_sized_text(reader)?;
    match base {
        Some(base) => _ = register.write(base, value),
        None if value.is_some() => return Err(reader.malformed("it has a value that was never set")),
        None => {}
    }
    let current = read_changes(reader)?;
    let mut early = BTreeMap::new();
    let mut last = base;
    for _ in 0..reader.count("number of bases")? {
        let base = read_stamp(reader)?;
        let changes = read_changes(reader)?;
        if last >= Some(base) || changes.is_empty() {
            return Err(reader.malformed("an early base is out of order or has no changes"));
        }
        early.insert(base, changes);
        last = Some(base);
    }
    if current.is_empty() && early.is_empty() {
        return Err(reader.malformed("it is a plain register written at length"));
    }
    Ok(AttributeRow { register, more: Some(Box::new(More { current, early })) })
}

fn put_changes(out: &mut Vec<u8>, changes: &Changes) {
    let tallies = changes.counter.tallies();
    put_varint(out, tallies.len() as u64);
    for tally in tallies {
        out.extend_from_slice(&tally.last.to_bytes());
        put_varint(out, tally.added);
        put_varint(out, tally.subtracted);
    }
    changes.set.seen.put(out);
    put_elements(out, &changes.set.inserts);
    put_elements(out, &changes.set.removes);
}

fn read_changes(reader: &mut Reader<'_>) -> Result<Changes, DecodeError> {
    let mut counter = PnCounter::default();
    let mut previous = None;
    for _ in 0..reader.count("number of counting origins")? {
        let last = read_stamp(reader)?;
        if previous >= Some(last.origin) {
            return Err(reader.malformed("counting origins are not in order"));
        }
        counter.insert(Tally { last, added: reader.varint()?, subtracted: reader.varint()? });
        previous = Some(last.origin);
    }
    let seen = Context::read(reader)?;
    let inserts = read_elements(reader)?;
    let removes = read_elements(reader)?;
    Ok(Changes { counter, set: AddWinsSet { seen, inserts, removes } })
}

fn put_elements(out: &mut Vec<u8>, elements: &BTreeMap<Value, Context>) {
    put_varint(out, elements.len() as u64);
    for (element, stamps) in elements {
        put_text(out, element.as_json());
        stamps.put(out);
    }
}

fn read_elements(reader: &mut Reader<'_>) -> Result<BTreeMap<Value, Context>, DecodeError> {
    let mut elements: Vec<(Value, Context)> = Vec::new();
    for _ in 0..reader.count("number of elements")? {
        let element = read_sized_text(reader)?.ok_or_else(|| reader.malformed("an element is empty"))?;
        let stamps = Context::read(reader)?;
        if stamps.is_empty() {
            return Err(reader.malformed("an element has no stamp"));
        }
        if elements.last().is_some_and(|(last, _)| *last >= element) {
            return Err(reader.malformed("elements are not in order"));
        }
        elements.push((element, stamps));
    }
    // They are in order, so that the map is built in one go.
    Ok(elements.into_iter().collect())
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn read_sized_text(reader: &mut Reader<'_>) -> Result<Option<Value>, DecodeError> {
    let size = reader.length("attribute value", VALUE_BYTES_MAX)?;
    read_text(reader.take(size)?)
}

fn read_text(text: &[u8]) -> Result<Option<Value>, DecodeError> {
    if text.is_empty() { Ok(None) } else { Value::decode(text).map(Some) }
}
