//! Frames. Each begins with its kind and length, and ends with the hash of everything before it.

use bytes::{Buf, Bytes, BytesMut};

use super::read::{Fault, ReadError};
use super::{Digest, PAYLOAD_BYTES_MAX, PORTABLE_VERSION, PORTABLE_VERSION_WITH_CLAIMS};

/// Every portable log begins with these bytes. They are not text, and every conversion of line ends changes them, so it is noticed.
const MAGIC: [u8; 12] = *b"\x89synclog\r\n\x1a\n";
/// Bytes before the first frame: the magic and the version.
const PREAMBLE_BYTES: usize = MAGIC.len() + 2;
/// Bytes of a frame before its payload: kind and length.
const HEAD_BYTES: usize = 1 + 4;
/// Bytes of a frame behind its payload: the hash.
const CHECK_BYTES: usize = 32;
/// Payloads are filled up to this size.
const FILL_BYTES: usize = 1024 * 1024;

/// What a frame's payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Header = 1,
    Heads = 2,
    Runs = 3,
    Refusals = 4,
    End = 5,
    Claims = 6,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        let kinds = [Self::Header, Self::Heads, Self::Runs, Self::Refusals, Self::End, Self::Claims];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Whether the hashes of later frames cover it. Whom the origins belong to is not of the log, whose digest stays the same.
    fn is_of_the_log(self) -> bool {
        self != Self::Claims
    }
}

/// How a file of this version begins.
fn preamble(version: u16) -> Vec<u8> {
    [&MAGIC[..], &version.to_be_bytes()].concat()
}

/// The hash of a file's beginning. It is that of a file without claims in every version, so that a log has one digest.
fn begun() -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&preamble(PORTABLE_VERSION));
    hasher
}

/// The hash that a frame ends with. `hasher` has taken in what is before it, and takes it in if it is of the log.
fn check(hasher: &mut blake3::Hasher, kind: Kind, frame: &[u8]) -> [u8; CHECK_BYTES] {
    let mut with = hasher.clone();
    with.update(frame);
    let check = *with.finalize().as_bytes();
    if kind.is_of_the_log() {
        with.update(&check);
        *hasher = with;
    }
    check
}

/// Writes frames.
#[derive(Debug, Clone)]
pub(super) struct FrameWriter {
    /// Of everything written so far.
    hasher: blake3::Hasher,
    /// The preamble, until the first frame takes it along.
    preamble: Vec<u8>,
}

impl FrameWriter {
    pub(super) fn new(version: u16) -> Self {
        Self { hasher: begun(), preamble: preamble(version) }
    }

    /// The next bytes of the file, and the hash they end with.
    pub(super) fn frame(&mut self, kind: Kind, payload: &[u8]) -> (Bytes, Digest) {
        let mut frame = std::mem::take(&mut self.preamble);
        let begin = frame.len();
        frame.reserve(HEAD_BYTES + payload.len() + CHECK_BYTES);
        let length = u32::try_from(payload.len()).expect("payloads are bounded");
        frame.push(kind as u8);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(payload);
        let check = check(&mut self.hasher, kind, &frame[begin..]);
        frame.extend_from_slice(&check);
        (frame.into(), Digest(check))
    }
}

/// Collects entries into payloads: a payload takes the next entry if it does not exceed [`FILL_BYTES`] with it, or is empty.
#[derive(Debug, Default)]
pub(super) struct Filler(Vec<u8>);

impl Filler {
    /// Adds an entry. Returns the payload before it if that is now full.
    pub(super) fn push(&mut self, entry: &[u8]) -> Option<Vec<u8>> {
        let full = if self.0.len() + entry.len() > FILL_BYTES { self.finish() } else { None };
        self.0.extend_from_slice(entry);
        full
    }

    /// The payload that is being filled if it holds anything.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0))
    }
}

/// A frame whose hash is right.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) payload: Bytes,
    pub(super) check: Digest,
    /// Where it stands, for anyone who finds something wrong with it.
    pub(super) place: Place,
}

/// Where a frame stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// How many frames stand before it.
    pub(super) frame: u64,
    /// Its first byte, counted from the file's.
    pub(super) at: u64,
}

impl Place {
    pub(super) fn damaged(self, why: Fault) -> ReadError {
        ReadError::Damaged { frame: self.frame, at: self.at, why }
    }
}

/// Reads frames from bytes that come in pieces of any size.
#[derive(Debug)]
pub(super) struct FrameReader {
    buffer: BytesMut,
    /// Of everything before `buffer` that is of the log.
    hasher: blake3::Hasher,
    /// The file's version, once it is read.
    version: u16,
    /// Where the next frame stands; at byte 0 the preamble does.
    next: Place,
}

impl FrameReader {
    pub(super) fn new() -> Self {
        Self { buffer: BytesMut::new(), hasher: begun(), version: 0, next: Place { frame: 0, at: 0 } }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether the file is of a version with claims.
    pub(super) fn has_claims(&self) -> bool {
        self.version == PORTABLE_VERSION_WITH_CLAIMS
    }

    /// Where the next frame stands.
    pub(super) fn place(&self) -> Place {
        self.next
    }

    /// How many bytes came in so far.
    pub(super) fn end(&self) -> u64 {
        self.next.at + self.buffer.len() as u64
    }

    /// Whether bytes have come in that are not read yet.
    pub(super) fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next frame, `None` until all of it has come in.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, ReadError> {
        if self.next.at == 0 && !self.preamble()? {
            return Ok(None);
        }
        let Some((kind, length)) = self.head()? else { return Ok(None) };
        if self.buffer.len() < HEAD_BYTES + length + CHECK_BYTES {
            return Ok(None);
        }
        let check = check(&mut self.hasher, kind, &self.buffer[..HEAD_BYTES + length]);
        if self.buffer[HEAD_BYTES + length..][..CHECK_BYTES] != check {
            return Err(self.next.damaged(Fault::Check));
        }
        self.buffer.advance(HEAD_BYTES);
        let payload = self.buffer.split_to(length).freeze();
        self.buffer.advance(CHECK_BYTES);
        let place = self.next;
        self.next = Place { frame: place.frame + 1, at: place.at + (HEAD_BYTES + length + CHECK_BYTES) as u64 };
        Ok(Some(Frame { kind, payload, check: Digest(check), place }))
    }

    /// Reads the magic and the version. Returns whether they are there.
    fn preamble(&mut self) -> Result<bool, ReadError> {
        let shown = self.buffer.len().min(MAGIC.len());
        if self.buffer[..shown] != MAGIC[..shown] {
            return Err(ReadError::NotALog);
        }
        let Some(preamble) = self.buffer.get(..PREAMBLE_BYTES) else { return Ok(false) };
        let found = u16::from_be_bytes([preamble[MAGIC.len()], preamble[MAGIC.len() + 1]]);
        if ![PORTABLE_VERSION, PORTABLE_VERSION_WITH_CLAIMS].contains(&found) {
            return Err(ReadError::UnsupportedVersion { found, newest: PORTABLE_VERSION_WITH_CLAIMS });
        }
        self.version = found;
        self.buffer.advance(PREAMBLE_BYTES);
        self.next.at = PREAMBLE_BYTES as u64;
        Ok(true)
    }

    /// The next frame's kind and length, checked before anything is kept for it.
    fn head(&self) -> Result<Option<(Kind, usize)>, ReadError> {
        let Some(head) = self.buffer.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let [kind, length @ ..] = *head;
        let kind = Kind::from_byte(kind).ok_or_else(|| self.next.damaged(Fault::Kind(kind)))?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > PAYLOAD_BYTES_MAX {
            return Err(self.next.damaged(Fault::Length { length, max: PAYLOAD_BYTES_MAX }));
        }
        Ok(Some((kind, length)))
    }
}
