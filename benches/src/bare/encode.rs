//! The bytes that are stored by hand, which are those that Syncline stores.

use std::collections::BTreeMap;

use syncline::format::time::STAMP_BYTES;

use crate::workload::Change;

/// Bytes of an author's id.
pub(super) const ORIGIN_BYTES: usize = 16;

/// The id of an author.
pub(super) fn origin(author: u8) -> [u8; ORIGIN_BYTES] {
    [author; ORIGIN_BYTES]
}

/// The bytes that a run of one bundle takes.
pub(super) fn run(author: u8, seq: u64, time: [u8; 8], changes: &[Change]) -> Vec<u8> {
    let body: usize = changes.iter().map(|change| change.payload_bytes() + 2).sum();
    let mut run = Vec::with_capacity(48 + body);
    run.push(1);
    run.extend_from_slice(&origin(author));
    put_varint(&mut run, seq);
    run.extend_from_slice(&[0; 8]);
    run.extend_from_slice(&time);
    put_varint(&mut run, (body as u64) << 1);
    for (index, change) in changes.iter().enumerate() {
        run.extend_from_slice(&[u8::from(index == 0), change.payload_bytes() as u8]);
        change.put_payload(&mut run);
    }
    run
}

/// Folds such a run into rows. `None` if it is malformed.
pub(super) fn fold(run: &[u8], rows: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Option<()> {
    let (author, rest) = (*run.get(1)?, &mut run.get(1 + ORIGIN_BYTES..)?);
    take_varint(rest)?;
    rest.split_off(..8)?;
    let time: [u8; 8] = rest.split_off(..8)?.try_into().ok()?;
    take_varint(rest)?;
    for index in 0.. {
        let Some(head) = rest.split_off(..2) else { break };
        let payload = rest.split_off(..usize::from(head[1]))?;
        let (key, value) = payload.get(2..)?.split_at_checked(usize::from(payload[1]))?;
        let value = row(author, time, index, std::str::from_utf8(value).ok()?);
        match rows.get_mut(key) {
            Some(row) if *row < value => *row = value,
            Some(_) => {}
            None => _ = rows.insert(key.to_vec(), value),
        }
    }
    Some(())
}

/// The bytes of an attribute's row: its stamp, and the value. Of two rows the later one is the greater.
pub(super) fn row(author: u8, time: [u8; 8], index: usize, value: &str) -> Vec<u8> {
    let mut row = Vec::with_capacity(STAMP_BYTES + value.len());
    row.extend_from_slice(&time);
    row.extend_from_slice(&origin(author));
    row.extend_from_slice(&(index as u16).to_be_bytes());
    row.extend_from_slice(value.as_bytes());
    row
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte < 0x80 {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline::format::Run;

    fn change(key: &[u8], value: &str) -> Change {
        Change { key: key.to_vec(), value: value.into() }
    }

    #[test]
    fn what_is_stored_by_hand_reads_as_a_run() {
        let changes = [change(b"a\0b", "1"), change(b"a\0c", "2")];
        let run = Run::decode(run(7, 300, [1; 8], &changes).into()).unwrap();
        assert_eq!((run.first().get(), run.count()), (300, 1));
        let bundle = run.bundles().next().unwrap();
        let payloads: Vec<_> = bundle.events().map(|event| event.unwrap().payload.to_vec()).collect();
        assert_eq!(payloads, changes.map(|change| change.event().unwrap().payload.to_vec()));
    }

    #[test]
    fn what_is_stored_by_hand_folds_to_the_latest_values() {
        let mut rows = BTreeMap::new();
        fold(&run(1, 300, [2; 8], &[change(b"a\0b", "1"), change(b"a\0b", "2")]), &mut rows).unwrap();
        fold(&run(2, 1, [1; 8], &[change(b"a\0b", "3"), change(b"a\0c", "4")]), &mut rows).unwrap();
        let expected = [(&b"a\0b"[..], row(1, [2; 8], 1, "2")), (b"a\0c", row(2, [1; 8], 1, "4"))];
        assert_eq!(rows, expected.map(|(key, row)| (key.to_vec(), row)).into());
        assert_eq!(fold(&[1; 20], &mut rows), None);
    }
}
