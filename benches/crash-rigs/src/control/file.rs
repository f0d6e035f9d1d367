//! A map in memory and a file to which every write is appended.
//!
//! ```text
//! write   4 bytes  length of the changes, little-endian
//!         32       BLAKE3 of the changes
//!         changes  per key: length (4), key, 1 and length (4) and value, or 0 if the key goes
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use syncline::store::{Direction, Durability, StoreError};
use syncline_key_value::{Changes, KeyValue, Snapshot, Visit};

use super::failed;

type Map = BTreeMap<Vec<u8>, Bytes>;

/// A plain file as a key-value store.
#[derive(Debug)]
pub struct PlainFile {
    map: RwLock<Map>,
    file: Mutex<File>,
    is_synced: bool,
}

impl PlainFile {
    /// Opens the file, or creates it, and reads it up to the first write that is not whole. `is_synced` says whether a write
    /// waits for the disk.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the file cannot be read or written.
    pub fn open(path: &Path, is_synced: bool) -> Result<Self, StoreError> {
        let open = || {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let (map, whole) = replay(&bytes);
            file.set_len(whole)?;
            file.seek(SeekFrom::End(0))?;
            if is_synced {
                file.sync_all()?;
            }
            Ok((map, file))
        };
        let (map, file) = open().map_err(|error: io::Error| failed(Self::NAME, error))?;
        Ok(Self { map: RwLock::new(map), file: Mutex::new(file), is_synced })
    }
}

/// The map that the whole writes make, and where they end.
fn replay(bytes: &[u8]) -> (Map, u64) {
    let (mut map, mut rest) = (Map::new(), bytes);
    while let Some((changes, behind)) = split_write(rest) {
        apply(&mut map, changes);
        rest = behind;
    }
    (map, (bytes.len() - rest.len()) as u64)
}

fn split_write(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (digest, rest) = rest.split_first_chunk::<32>()?;
    let (changes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    (blake3::hash(changes) == *digest).then_some((changes, rest))
}

fn apply(map: &mut Map, mut changes: &[u8]) {
    while let Some(key) = take(&mut changes) {
        match changes.split_off_first() {
            Some(1) => {
                let value = take(&mut changes).unwrap_or_default();
                map.insert(key.to_vec(), Bytes::copy_from_slice(value));
            }
            _ => {
                map.remove(key);
            }
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (taken, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(taken)
}

fn encode(changes: &Changes) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("keys and values are bounded").to_le_bytes();
    let mut body = Vec::new();
    for (key, value) in changes.iter() {
        body.extend_from_slice(&length(key));
        body.extend_from_slice(key);
        body.push(u8::from(value.is_some()));
        if let Some(value) = value {
            body.extend_from_slice(&length(value));
            body.extend_from_slice(value);
        }
    }
    [&length(&body)[..], blake3::hash(&body).as_bytes(), &body].concat()
}

impl KeyValue for PlainFile {
    const NAME: &'static str = "file";
    type Snapshot<'a> = Moment<'a>;

    fn snapshot(&self) -> Result<Moment<'_>, StoreError> {
        Ok(Moment(self.map.read().unwrap_or_else(PoisonError::into_inner)))
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let bytes = encode(changes);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let synced = |file: &mut File| if self.is_synced { file.sync_data() } else { Ok(()) };
        file.write_all(&bytes).and_then(|()| synced(&mut file)).map_err(|error| failed(Self::NAME, error))?;
        apply(&mut self.map.write().unwrap_or_else(PoisonError::into_inner), &bytes[36..]);
        Ok(())
    }

    fn durability(&self) -> Durability {
        if self.is_synced { Durability::Synced } else { Durability::Process }
    }
}

/// The map at one moment: a write waits for it.
#[derive(Debug)]
pub struct Moment<'a>(RwLockReadGuard<'a, Map>);

impl Snapshot for Moment<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
        let entries = self.0.range(keys.start.to_vec()..keys.end.to_vec());
        let _ = direction.walk(entries).try_for_each(|(key, value)| each(key, value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_cut_short_is_as_if_it_had_not_been() {
        let write =
            |text: &[u8]| [&(text.len() as u32).to_le_bytes()[..], blake3::hash(text).as_bytes(), text].concat();
        let put = [&1u32.to_le_bytes()[..], b"k", &[1], &1u32.to_le_bytes(), b"v"].concat();
        let (first, second) = (write(&put), write(&[&1u32.to_le_bytes()[..], b"k", &[0]].concat()));
        let whole = [&first[..], &second].concat();
        assert_eq!(replay(&whole), (Map::new(), whole.len() as u64));
        for cut in first.len()..whole.len() {
            let (map, end) = replay(&whole[..cut]);
            assert_eq!((map.get(&b"k"[..]), end), (Some(&Bytes::from_static(b"v")), first.len() as u64));
        }
    }
}
