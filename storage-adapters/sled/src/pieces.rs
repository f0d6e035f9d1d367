//! Large values, cut into pieces.
//!
//! sled writes a page of more than 128 KiB to a file of its own, which it does not sync before its log refers to it: a power cut in
//! between loses the page, with all that it held before. So no value is large enough for that: one of more than
//! [`PIECE_BYTES`] is cut into pieces at keys of their own, behind all others, and two bytes in its place say how many they are.
//! A value has at least the eight bytes of its checksum, so nothing else has two.

use bytes::Bytes;
use sled::{Batch, Tree};

/// sled keeps some twenty values together in a page, and their keys.
const PIECE_BYTES: usize = 2 * 1024;
/// Behind every key of a database, before the count of writes.
const PREFIX: [u8; 6] = [0xff, 0xff, 0xff, 0xff, 0xff, 0];

/// The number of a value's pieces, if this stands in its place.
fn count(entry: &[u8]) -> Option<u16> {
    entry.try_into().map(u16::from_be_bytes).ok()
}

fn place(key: &[u8], index: u16) -> Vec<u8> {
    [&PREFIX[..], key, &index.to_be_bytes()].concat()
}

/// Puts a value, or deletes it, with the pieces that it had and has.
pub(crate) fn put(tree: &Tree, batch: &mut Batch, key: &[u8], value: Option<&[u8]>) -> sled::Result<()> {
    let old = tree.get(key)?.and_then(|entry| count(&entry)).unwrap_or_default();
    let large = value.filter(|value| value.len() > PIECE_BYTES);
    let mut pieces = 0;
    for piece in large.unwrap_or_default().chunks(PIECE_BYTES) {
        batch.insert(place(key, pieces), piece);
        pieces += 1;
    }
    (pieces..old).for_each(|index| batch.remove(place(key, index)));
    match (large, value) {
        (Some(_), _) => batch.insert(key, &pieces.to_be_bytes()),
        (None, Some(value)) => batch.insert(key, value),
        (None, None) => batch.remove(key),
    }
    Ok(())
}

/// The value that an entry stands for. If a piece is missing it is too short, which its checksum tells.
pub(crate) fn join(tree: &Tree, key: &[u8], entry: &[u8]) -> sled::Result<Bytes> {
    let Some(pieces) = count(entry) else { return Ok(Bytes::copy_from_slice(entry)) };
    let mut value = Vec::with_capacity(usize::from(pieces) * PIECE_BYTES);
    for index in 0..pieces {
        value.extend_from_slice(&tree.get(place(key, index))?.unwrap_or_default());
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_any_size_reads_back_and_takes_its_pieces_with_it() {
        let database = sled::Config::new().temporary(true).open().unwrap();
        let tree = database.open_tree("pieces").unwrap();
        let write = |key: &[u8], value: Option<&[u8]>| {
            let mut batch = Batch::default();
            put(&tree, &mut batch, key, value).unwrap();
            tree.apply_batch(batch).unwrap();
        };
        let read = |key: &[u8]| tree.get(key).unwrap().map(|entry| join(&tree, key, &entry).unwrap());
        write(b"other", Some(&[7; 3 * PIECE_BYTES]));
        for bytes in [8, PIECE_BYTES, PIECE_BYTES + 1, 4 * 1024 * 1024, 5 * PIECE_BYTES, 9] {
            let value: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
            write(b"value", Some(&value));
            assert_eq!(read(b"value"), Some(Bytes::from(value)));
            let pieces = if bytes > PIECE_BYTES { bytes.div_ceil(PIECE_BYTES) } else { 0 };
            assert_eq!(tree.len(), 2 + 3 + pieces, "{bytes}");
        }
        write(b"value", Some(&[1; 2 * PIECE_BYTES]));
        write(b"value", None);
        assert_eq!((read(b"value"), tree.len()), (None, 4));
        assert_eq!(read(b"other"), Some(Bytes::from(vec![7; 3 * PIECE_BYTES])));
    }

    #[test]
    fn a_piece_that_is_missing_makes_the_value_too_short() {
        let database = sled::Config::new().temporary(true).open().unwrap();
        let mut batch = Batch::default();
        put(&database, &mut batch, b"value", Some(&[7; 3 * PIECE_BYTES])).unwrap();
        database.apply_batch(batch).unwrap();
        database.remove(place(b"value", 1)).unwrap();
        let entry = database.get(b"value").unwrap().unwrap();
        assert_eq!(join(&database, b"value", &entry).unwrap().len(), 2 * PIECE_BYTES);
    }
}
