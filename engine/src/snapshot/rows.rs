//! The rows of a snapshot as one stream of bytes: per row the key and the value, each behind its length.

use bytes::{Buf as _, BytesMut};
use serde::{Deserialize, Serialize};

use super::{CHUNK_BYTES, Manifest, RowsDigest, RowsOf, SnapshotFault};
use crate::format::wire::{DecodeError, Reader, check_size, put_varint};
use crate::limits::{KEY_BYTES_MAX, SNAPSHOT_ROW_BYTES_MAX};
use crate::store::{Row, ViewId};

/// Writes rows, and cuts what they take into chunks.
#[derive(Debug)]
pub struct RowWriter {
    views: Vec<RowsOf>,
    /// The view under way.
    view: ViewId,
    rows: u64,
    bytes: u64,
    hasher: blake3::Hasher,
    /// What is not in a chunk yet.
    rest: Vec<u8>,
}

impl RowWriter {
    /// Begins with the rows of this view.
    pub fn new(view: ViewId) -> Self {
        let (views, hasher, rest) = (Vec::new(), blake3::Hasher::new(), Vec::with_capacity(2 * CHUNK_BYTES));
        Self { views, view, rows: 0, bytes: 0, hasher, rest }
    }

    /// Goes on with the rows of another view, whose name comes later.
    pub fn next_view(&mut self, view: ViewId) {
        let view = std::mem::replace(&mut self.view, view);
        let (rows, bytes) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.bytes));
        let digest = RowsDigest(*std::mem::take(&mut self.hasher).finalize().as_bytes());
        self.views.push(RowsOf { view, rows, bytes, digest });
    }

    /// Adds rows of the view, whose keys come later than those before. Gives the bytes of each chunk that is full now.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] if a row exceeds [`SNAPSHOT_ROW_BYTES_MAX`]. Then no snapshot can be made of these rows.
    pub fn push<'r>(
        &mut self,
        rows: impl IntoIterator<Item = (&'r [u8], &'r [u8])>,
    ) -> Result<Vec<Vec<u8>>, DecodeError> {
        let start = self.rest.len();
        for (key, value) in rows {
            check_size("row of a snapshot", value.len(), SNAPSHOT_ROW_BYTES_MAX)?;
            put_varint(&mut self.rest, key.len() as u64);
            self.rest.extend_from_slice(key);
            put_varint(&mut self.rest, value.len() as u64);
            self.rest.extend_from_slice(value);
            self.rows += 1;
        }
        self.bytes += (self.rest.len() - start) as u64;
        self.hasher.update(&self.rest[start..]);
        let full = self.rest.len() / CHUNK_BYTES * CHUNK_BYTES;
        let chunks = self.rest[..full].chunks(CHUNK_BYTES).map(<[u8]>::to_vec).collect();
        self.rest.drain(..full);
        Ok(chunks)
    }

    /// The bytes of the last chunk, if it has any, and what a manifest says of the views.
    pub fn finish(mut self) -> (Option<Vec<u8>>, Vec<RowsOf>) {
        let last = self.view.clone();
        self.next_view(last);
        (Some(self.rest).filter(|rest| !rest.is_empty()), self.views)
    }
}

/// Reads rows from the bytes of chunks that come one after the other. It checks what the manifest says of them.
#[derive(Debug)]
pub struct RowReader<'m> {
    manifest: &'m Manifest,
    /// The key of the row before, unless the view has just begun.
    last: Option<Vec<u8>>,
    rest: BytesMut,
    place: RowPlace,
    digests: Option<Digests>,
}

/// Where in the rows of a snapshot a row begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowPlace {
    /// The place of its view in the manifest.
    view: u32,
    /// Rows and bytes of the view from here on.
    left: (u64, u64),
    /// Bytes of all rows before it.
    offset: u64,
}

impl RowPlace {
    /// Before the first row.
    pub fn start(manifest: &Manifest) -> Self {
        Self { view: 0, left: manifest.views.first().map_or((0, 0), |of| (of.rows, of.bytes)), offset: 0 }
    }

    /// The chunk that holds the begin of the row, and where in its rows that is.
    pub fn chunk(&self) -> (u32, usize) {
        let chunk = CHUNK_BYTES as u64;
        (u32::try_from(self.offset / chunk).unwrap_or(u32::MAX), (self.offset % chunk) as usize)
    }

    /// How many rows lie before it.
    pub fn rows(&self, manifest: &Manifest) -> u64 {
        let begun = manifest.views.iter().take(self.view as usize + 1).map(|of| of.rows).sum::<u64>();
        begun - self.left.0
    }

    /// Bytes of all rows before it.
    pub fn bytes(&self) -> u64 {
        self.offset
    }
}

impl<'m> RowReader<'m> {
    /// At the start of the rows. Checks the digests of views.
    pub fn new(manifest: &'m Manifest) -> Self {
        let digests = Some(Digests::default());
        Self { digests, ..Self::at(manifest, RowPlace::start(manifest)) }
    }

    /// At a place that another reader has reached. What it has read is taken for checked.
    pub fn at(manifest: &'m Manifest, place: RowPlace) -> Self {
        Self { manifest, last: None, rest: BytesMut::new(), place, digests: None }
    }

    /// Adds the bytes of the next chunk.
    ///
    /// # Errors
    /// [`SnapshotFault::Rows`] if the digest of a view that ends in it differs.
    pub fn push(&mut self, rows: &[u8]) -> Result<(), SnapshotFault> {
        self.rest.extend_from_slice(rows);
        self.digests.as_mut().map_or(Ok(()), |digests| digests.add(&self.manifest.views, rows))
    }

    /// Adds the bytes of the next chunk, and passes over all rows that are complete with it. For somebody who only wants them checked.
    ///
    /// # Errors
    /// As [`push`](Self::push) and [`row`](Self::row).
    pub fn check(&mut self, rows: &[u8]) -> Result<(), SnapshotFault> {
        self.push(rows)?;
        while let Some((_, _, value)) = self.measure_next()? {
            self.rest.advance(value.end);
        }
        Ok(())
    }

    /// The next row, and the place of its view in the manifest. `None` if it needs more bytes, or if no row follows.
    ///
    /// # Errors
    /// [`SnapshotFault::Rows`] if the bytes are not the rows that the manifest announces.
    pub fn row(&mut self) -> Result<Option<(usize, Row)>, SnapshotFault> {
        let Some((view, key, value)) = self.measure_next()? else { return Ok(None) };
        let row = self.rest.split_to(value.end).freeze();
        Ok(Some((view, Row { key: row.slice(key), value: row.slice(value) })))
    }

    /// Checks the next row and counts it as read. Gives the place of its view in the manifest, and where its key and its value lie.
    fn measure_next(&mut self) -> Result<Option<(usize, Range, Range)>, SnapshotFault> {
        let place = &mut self.place;
        while place.left == (0, 0) {
            let Some(next) = self.manifest.views.get(place.view as usize + 1) else { return Ok(None) };
            (place.view, place.left, self.last) = (place.view + 1, (next.rows, next.bytes), None);
        }
        let view = place.view as usize;
        let wrong = |why| SnapshotFault::Rows { view: self.manifest.views[view].view.clone(), why };
        let (key, value) = match measure(&self.rest, place.left.1).map_err(wrong)? {
            Some(measured) => measured,
            None => return Ok(None),
        };
        let bytes = value.end as u64;
        let left = place.left.0.checked_sub(1).zip(place.left.1.checked_sub(bytes));
        let Some(left) = left.filter(|(rows, bytes)| (*rows == 0) == (*bytes == 0)) else {
            return Err(wrong("they are more or fewer than announced"));
        };
        let found = &self.rest[key.clone()];
        if self.last.as_ref().is_some_and(|last| last[..] >= *found) {
            return Err(wrong("their keys are not in order"));
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(found);
        (place.left, place.offset) = (left, place.offset + bytes);
        Ok(Some((view, key, value)))
    }

    /// Where the next row begins.
    pub fn place(&self) -> RowPlace {
        self.place
    }

    /// Checks that every row was read.
    ///
    /// # Errors
    /// [`SnapshotFault::Rows`] if the chunks end too early.
    pub fn end(&self) -> Result<(), SnapshotFault> {
        match self.manifest.views.get(self.place.view as usize) {
            Some(of) if self.place.offset < self.manifest.row_bytes() => {
                Err(SnapshotFault::Rows { view: of.view.clone(), why: "they end too early" })
            }
            _ => Ok(()),
        }
    }
}

type Range = std::ops::Range<usize>;

/// Where key and value of the first row lie, if all of it is there. `left` are the bytes that it and those behind it may take.
fn measure(bytes: &[u8], left: u64) -> Result<Option<(Range, Range)>, &'static str> {
    let mut reader = Reader::new("row", bytes);
    let mut part = |max: u64| -> Result<Option<Range>, &'static str> {
        let length = match reader.varint() {
            Ok(length) => length,
            Err(DecodeError::Truncated { .. }) => return Ok(None),
            Err(_) => return Err("a length does not read"),
        };
        if length > max {
            return Err("a key or a value is longer than it may be");
        }
        let start = bytes.len() - reader.remaining();
        let length = length as usize;
        Ok(reader.take(length).is_ok().then_some(start..start + length))
    };
    let Some(key) = part(KEY_BYTES_MAX as u64)? else { return Ok(None) };
    let Some(value) = part(left.min(SNAPSHOT_ROW_BYTES_MAX as u64))? else { return Ok(None) };
    Ok(Some((key, value)))
}

/// The digests of views, computed along the way.
#[derive(Debug, Default)]
struct Digests {
    view: usize,
    /// Bytes of the view that were hashed.
    done: u64,
    hasher: blake3::Hasher,
}

impl Digests {
    fn add(&mut self, views: &[RowsOf], mut rows: &[u8]) -> Result<(), SnapshotFault> {
        while let Some(of) = views.get(self.view) {
            let left = usize::try_from(of.bytes - self.done).unwrap_or(usize::MAX);
            let (mine, others) = rows.split_at(left.min(rows.len()));
            self.hasher.update(mine);
            self.done += mine.len() as u64;
            rows = others;
            if self.done < of.bytes {
                break;
            }
            let digest = RowsDigest(*std::mem::take(&mut self.hasher).finalize().as_bytes());
            if digest != of.digest {
                return Err(SnapshotFault::Rows { view: of.view.clone(), why: "their digest differs" });
            }
            (self.view, self.done) = (self.view + 1, 0);
        }
        Ok(())
    }
}
