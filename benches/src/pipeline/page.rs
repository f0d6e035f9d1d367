//! Pages on the wire: the last event's position, then the events one after the other, numbers little-endian.

use crate::Failure;

/// Bytes of an event before its payload.
const HEAD_BYTES: usize = 26;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Who wrote it.
    pub node: i64,
    /// Its number there.
    pub seq: i64,
    /// When.
    pub time: i64,
    /// Tag, length of the key, key, value as JSON.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// The row key and the value.
    pub(super) fn split(&self) -> Option<(&'a [u8], &'a [u8])> {
        let size = usize::from(*self.payload.get(1)?);
        self.payload.get(2..)?.split_at_checked(size)
    }
}

/// Begins a page.
pub(super) fn begin(capacity: usize) -> Vec<u8> {
    let mut page = Vec::with_capacity(capacity);
    page.extend_from_slice(&[0; 8]);
    page
}

/// Notes the position of the last event.
pub(super) fn set_end(page: &mut [u8], position: i64) {
    page[..8].copy_from_slice(&position.to_le_bytes());
}

/// Appends an event.
pub(super) fn put(page: &mut Vec<u8>, record: &Record<'_>) {
    page.extend_from_slice(&record.node.to_le_bytes());
    page.extend_from_slice(&record.seq.to_le_bytes());
    page.extend_from_slice(&record.time.to_le_bytes());
    page.extend_from_slice(&(record.payload.len() as u16).to_le_bytes());
    page.extend_from_slice(record.payload);
}

/// The position of the last event.
pub(super) fn end(page: &[u8]) -> Result<i64, Failure> {
    Ok(i64::from_le_bytes(*page.first_chunk().ok_or("a page is cut off")?))
}

/// The events of a page.
pub(super) fn records(page: &[u8]) -> impl Iterator<Item = Result<Record<'_>, Failure>> {
    let mut rest = page.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = read(&mut rest).ok_or_else(|| Failure::from("an event is cut off"));
        if record.is_err() {
            rest = &[];
        }
        Some(record)
    })
}

fn read<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let (head, tail) = rest.split_first_chunk::<HEAD_BYTES>()?;
    let number = |at: usize| i64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes"));
    let size = usize::from(u16::from_le_bytes([head[24], head[25]]));
    let (payload, tail) = tail.split_at_checked(size)?;
    *rest = tail;
    Some(Record { node: number(0), seq: number(8), time: number(16), payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_back_and_a_cut_one_is_refused() {
        let record = Record { node: 1, seq: 2, time: -3, payload: b"\x01\x03keyvalue" };
        let mut page = begin(0);
        put(&mut page, &record);
        put(&mut page, &Record { seq: 3, payload: b"", ..record });
        set_end(&mut page, 9);
        assert_eq!(end(&page).unwrap(), 9);
        let read: Vec<_> = records(&page).map(Result::unwrap).collect();
        assert_eq!(read, [record, Record { seq: 3, payload: b"", ..record }]);
        assert_eq!(read[0].split(), Some((&b"key"[..], &b"value"[..])));
        assert!(records(&page[..page.len() - 1]).last().unwrap().is_err());
    }
}
