//! Rows of any size, over stores whose rows have a limit.
//!
//! A row that a store can keep is kept as it is. A larger one is cut into pieces, which are in a view of the engine's own. In the
//! row's place is a *stub* with the row's length and hash. If you read rows from a store, and not through a
//! [`View`](crate::replica::View), read them here to get whole rows.
//!
//! A stub is 60 bytes: 16 that mark it, the row's length (8, big-endian), the bytes of a piece (4, big-endian), and the BLAKE3 of
//! the row. A row that begins with the mark itself is kept in pieces whatever its length, so no row is taken for a stub.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{EventStore, Limit, Row, RowKey, RowRange, RowWrite, StoreError, ViewId};

const MARK: [u8; 16] = *b"\xffsyncline pieces";
/// How the names of views begin that hold pieces.
const PIECES: &str = "syncline.pieces.";

/// What stands in the place of a row that is kept in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stub {
    bytes: u64,
    piece: u32,
    hash: [u8; 32],
}

/// Those of some rows that are kept in pieces.
pub(crate) type Stubs = BTreeMap<RowKey, Stub>;

/// As [`EventStore::load`], with whole rows. A row in pieces is read after the others and may be newer than they are.
///
/// # Errors
/// As [`EventStore::load`]. [`StoreError::Corrupt`] if the pieces are not those of the row.
pub async fn load(store: &dyn EventStore, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
    let stored = store.load(keys).await?;
    Ok(join(store, keys, stored).await?.0)
}

/// As [`EventStore::scan`], with whole rows; `limit` counts their bytes. If there are several, those in pieces are read after
/// the others and may be newer than they are.
///
/// # Errors
/// As [`EventStore::scan`]. [`StoreError::Corrupt`] if the pieces are not those of the row.
pub async fn scan(
    store: &dyn EventStore,
    view: &ViewId,
    mut range: RowRange,
    limit: Limit,
) -> Result<Vec<Row>, StoreError> {
    loop {
        let mut rows = store.scan(view, range.clone(), limit).await?;
        if !rows.iter().any(|row| row.value.starts_with(&MARK)) {
            return Ok(rows);
        }
        cut(view, &mut rows, limit)?;
        let (keys, stored): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|row| (RowKey::new(view.clone(), row.key), Some(row.value))).unzip();
        let whole = join(store, &keys, stored).await?.0;
        let last = keys.last().map(|key| key.key.clone());
        let row = |(key, value): (RowKey, Option<Bytes>)| Some(Row { key: key.key, value: value? });
        let rows: Vec<_> = keys.into_iter().zip(whole).filter_map(row).collect();
        match last {
            // All of them were deleted before they were read.
            Some(last) if rows.is_empty() => range = range.after(last),
            _ => return Ok(rows),
        }
    }
}

/// Leaves as many rows as fit the limit once they are whole, at least one.
fn cut(view: &ViewId, rows: &mut Vec<Row>, limit: Limit) -> Result<(), StoreError> {
    let (mut left, mut kept) = (u64::from(limit.bytes), 0);
    for row in rows.iter() {
        let stub = Stub::read(view, &row.key, &row.value)?;
        let size = row.key.len() as u64 + stub.map_or(row.value.len() as u64, |stub| stub.bytes);
        if kept > 0 && size > left {
            break;
        }
        left = left.saturating_sub(size);
        kept += 1;
    }
    rows.truncate(kept);
    Ok(())
}

/// Makes rows as they are stored whole, and says which of them were stubs.
pub(crate) async fn join(
    store: &dyn EventStore,
    keys: &[RowKey],
    mut stored: Vec<Option<Bytes>>,
) -> Result<(Vec<Option<Bytes>>, Stubs), StoreError> {
    let stubs = stubs(keys, &stored)?;
    if !stubs.is_empty() {
        for (key, row) in keys.iter().zip(&mut stored) {
            if let Some(stub) = stubs.get(key) {
                *row = pieces(store, key, *stub).await?;
            }
        }
    }
    Ok((stored, stubs))
}

/// Those of some rows as they are stored that are kept in pieces.
pub(crate) fn stubs(keys: &[RowKey], stored: &[Option<Bytes>]) -> Result<Stubs, StoreError> {
    let mut stubs = Stubs::new();
    for (key, value) in keys.iter().zip(stored) {
        if let Some(stub) = value.as_ref().map(|value| Stub::read(&key.view, &key.key, value)).transpose()?.flatten() {
            stubs.insert(key.clone(), stub);
        }
    }
    Ok(stubs)
}

/// What a store is to write in place of these whole rows: rows of at most `piece` bytes, and none of a piece that is no longer
/// needed. `old` are the stubs among the rows as they are stored.
pub(crate) fn writes(rows: Vec<RowWrite>, old: &Stubs, piece: usize) -> Vec<RowWrite> {
    let large = |value: &Bytes| value.len() > piece || value.starts_with(&MARK);
    if old.is_empty() && !rows.iter().any(|row| row.value.as_ref().is_some_and(large)) {
        return rows;
    }
    let mut writes = Vec::with_capacity(rows.len());
    for RowWrite { key, value } in rows {
        let before = old.get(&key).map_or(0, Stub::pieces);
        let cut = value.as_ref().filter(|value| large(value));
        let stub = cut.map(|value| Stub::of(value, piece));
        let after = stub.as_ref().map_or(0, Stub::pieces);
        let slice = |value: &Bytes, index: u32| {
            let start = index as usize * piece;
            value.slice(start..value.len().min(start + piece))
        };
        for index in 0..before.max(after) {
            let value = cut.filter(|_| index < after).map(|value| slice(value, index));
            writes.push(RowWrite { key: piece_key(&key, index), value });
        }
        writes.push(RowWrite { value: stub.map_or(value, |stub| Some(stub.to_bytes())), key });
    }
    writes
}

/// The view that holds the pieces of a view's rows.
pub fn pieces_view(view: &ViewId) -> ViewId {
    let hash = blake3::hash(view.as_str().as_bytes()).to_hex();
    ViewId::new(&format!("{PIECES}{}@1", &hash[..32])).expect("the name is well formed and short enough")
}

/// Whether a view holds pieces of another's rows.
pub fn is_piece(view: &ViewId) -> bool {
    view.as_str().starts_with(PIECES)
}

/// The key of a row's piece. Hashed, since a row's own key may be as long as a key can be.
fn piece_key(row: &RowKey, index: u32) -> RowKey {
    let mut key = blake3::hash(&row.key).as_bytes().to_vec();
    key.extend_from_slice(&index.to_be_bytes());
    RowKey::new(pieces_view(&row.view), key)
}

/// Reads a row's pieces. Row and pieces are loaded together, at one moment: if the row has changed since its stub was read, it is
/// read as it is now.
async fn pieces(store: &dyn EventStore, key: &RowKey, mut stub: Stub) -> Result<Option<Bytes>, StoreError> {
    loop {
        let pieces = (0..stub.pieces()).map(|index| piece_key(key, index));
        let keys: Vec<_> = std::iter::once(key.clone()).chain(pieces).collect();
        let mut loaded = store.load(&keys).await?.into_iter();
        let row = loaded.next().flatten();
        match row.as_ref().map(|row| Stub::read(&key.view, &key.key, row)).transpose()?.flatten() {
            None => return Ok(row),
            Some(found) if found == stub => {
                let whole = loaded.flatten().collect::<Vec<_>>().concat();
                return match Stub::of(&whole, stub.piece as usize) == stub {
                    true => Ok(Some(whole.into())),
                    false => Err(corrupt(
                        &key.view,
                        &key.key,
                        "its pieces are not those that were written; rebuild the view",
                    )),
                };
            }
            Some(found) => stub = found,
        }
    }
}

impl Stub {
    fn of(whole: &[u8], piece: usize) -> Self {
        let piece = u32::try_from(piece).expect("a piece is at most as large as a stored row");
        Self { bytes: whole.len() as u64, piece, hash: *blake3::hash(whole).as_bytes() }
    }

    fn pieces(&self) -> u32 {
        u32::try_from(self.bytes.div_ceil(u64::from(self.piece))).expect("checked when it was read")
    }

    fn to_bytes(self) -> Bytes {
        [&MARK[..], &self.bytes.to_be_bytes(), &self.piece.to_be_bytes(), &self.hash].concat().into()
    }

    /// The stub that a stored row is, if it is one.
    fn read(view: &ViewId, key: &[u8], stored: &[u8]) -> Result<Option<Self>, StoreError> {
        let Some(rest) = stored.strip_prefix(&MARK) else { return Ok(None) };
        let parts = || {
            let (bytes, rest) = rest.split_first_chunk()?;
            let (piece, rest) = rest.split_first_chunk()?;
            let (bytes, piece) = (u64::from_be_bytes(*bytes), u32::from_be_bytes(*piece));
            let fits = piece > 0 && bytes.div_ceil(u64::from(piece)) <= u64::from(u32::MAX);
            fits.then_some(Self { bytes, piece, hash: rest.try_into().ok()? })
        };
        parts().map(Some).ok_or_else(|| corrupt(view, key, "it is marked as kept in pieces and does not say in which"))
    }
}

fn corrupt(view: &ViewId, key: &[u8], why: &str) -> StoreError {
    let at = format!("row {:?} of {view}", String::from_utf8_lossy(key));
    StoreError::Corrupt { backend: "engine", at, why: why.into() }
}

#[cfg(test)]
mod tests;
