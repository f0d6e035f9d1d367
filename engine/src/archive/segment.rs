//! One segment: the bundles of some positions of a log, as bytes that say what they are.

use bytes::Bytes;

use super::{SegmentFault, SegmentName};
use crate::format::packed::{pack, unpack};
use crate::format::run::Run;
use crate::format::sealed::{self, Unsealed};
use crate::format::wire::{DecodeError, Reader, check_size, put_varint};
use crate::id::{LogId, Position, SpaceId};
use crate::limits::{RUN_BYTES_MAX, SEGMENT_BYTES_MAX, SPACE_BYTES_MAX};
use crate::portable::layout::{put_bytes, text};

/// The format that this build writes, and the newest that it reads.
pub const SEGMENT_FORMAT: u8 = 1;

/// Every segment begins with these bytes. They are not text, and every conversion of line ends changes them, so it is noticed.
const MAGIC: [u8; 12] = *b"\x89syncseg\r\n\x1a\n";

/// Some bundles of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The space.
    pub space: SpaceId,
    /// Which positions of which log.
    pub name: SegmentName,
    /// The runs of these positions, in order.
    pub runs: Vec<Run>,
}

impl Segment {
    /// The segment's bytes. Equal segments have equal bytes.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] if its runs exceed [`SEGMENT_BYTES_MAX`].
    pub fn encode(&self) -> Result<Bytes, DecodeError> {
        let mut runs = Vec::new();
        self.runs.iter().for_each(|run| put_bytes(&mut runs, run.as_bytes()));
        check_size("segment of an archive", runs.len(), SEGMENT_BYTES_MAX)?;
        let SegmentName { after, last, log } = self.name;
        let mut bytes = sealed::begin(MAGIC, SEGMENT_FORMAT);
        put_bytes(&mut bytes, self.space.as_str().as_bytes());
        bytes.extend_from_slice(&log.to_bytes());
        put_varint(&mut bytes, after.get());
        put_varint(&mut bytes, last.get());
        put_varint(&mut bytes, runs.len() as u64);
        bytes.extend_from_slice(&pack(&runs));
        sealed::seal(&mut bytes);
        Ok(bytes.into())
    }

    /// Reads a segment back. Whether its bundles follow those before them is not checked.
    ///
    /// # Errors
    /// [`SegmentFault`], all but `Misnamed` and `Gone`.
    pub fn decode(bytes: &Bytes) -> Result<Self, SegmentFault> {
        let (content, _) = sealed::open(bytes, MAGIC, SEGMENT_FORMAT).map_err(|why| match why {
            Unsealed::Foreign => SegmentFault::NotASegment,
            Unsealed::Newer(found) => SegmentFault::UnsupportedVersion { found },
            Unsealed::Hash => SegmentFault::Hash,
        })?;
        Ok(Self::read(&bytes.slice_ref(content))?)
    }

    fn read(content: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("segment of an archive", content);
        let space = SpaceId::new(&text(&mut reader, "space name", SPACE_BYTES_MAX)?);
        let space = space.map_err(|_| reader.malformed("the space's name breaks its rule"))?;
        let log = LogId::from_bytes(reader.array()?).ok_or_else(|| reader.malformed("the log's id is all zero"))?;
        let (after, last) = (Position::new(reader.varint()?), Position::new(reader.varint()?));
        let count = reader.length("segment of an archive", SEGMENT_BYTES_MAX)?;
        let packed = content.slice_ref(reader.take(reader.remaining())?);
        let plain = unpack(&packed, count).map_err(|why| reader.malformed(why))?;
        let runs = runs(&plain)?;
        let bundles = runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.count()));
        if after >= last || bundles != Some(last.since(after)) {
            return Err(reader.malformed("it has not as many bundles as it says"));
        }
        Ok(Self { space, name: SegmentName { after, last, log }, runs })
    }
}

/// The runs share the memory of `plain`.
fn runs(plain: &Bytes) -> Result<Vec<Run>, DecodeError> {
    let mut reader = Reader::new("segment of an archive", plain);
    let mut runs = Vec::new();
    while !reader.is_empty() {
        let length = reader.length("run", RUN_BYTES_MAX)?;
        runs.push(Run::decode(plain.slice_ref(reader.take(length)?))?);
    }
    Ok(runs)
}
