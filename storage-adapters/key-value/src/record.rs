//! What values hold. Each ends with a checksum over its key and itself: no database that only promises to keep bytes is
//! trusted with telling damage from data.
//!
//! ```text
//! value    ...                    by its key, see `keys`
//!          8                      the start of BLAKE3(key length (2), key, value)
//!
//! status   16                     log id
//!          8, 8, 8                revision, head, clock
//!          4                      how many heads there are
//!          8                      base
//!          view*
//! view     1, n                   `name@version`
//!          4                      its number
//!          1, (8)                 0, or 1 and the position up to which it is folded
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use syncline::format::{ChainHash, Head, Heads, Run};
use syncline::id::Revision;
use syncline::store::{LogStatus, StoredRun};
use syncline::{LogId, NTP64, Position, Seq, ViewId};

use crate::keys::ViewKey;

/// Bytes of the checksum.
const CHECK_BYTES: usize = 8;

/// The value of a key, with its checksum, from the parts that it is put together of.
pub(crate) fn seal(key: &[u8], parts: &[&[u8]]) -> Bytes {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    let mut value = Vec::with_capacity(size + CHECK_BYTES);
    parts.iter().for_each(|part| value.extend_from_slice(part));
    value.extend_from_slice(&check(key, &value));
    value.into()
}

/// A value without its checksum; `None` if that does not fit.
pub(crate) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (value, found) = value.split_last_chunk::<CHECK_BYTES>()?;
    (check(key, value) == *found).then_some(value)
}

fn check(key: &[u8], value: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&u16::try_from(key.len()).expect("keys are short").to_be_bytes()).update(key).update(value);
    hasher.finalize().as_bytes()[..CHECK_BYTES].try_into().expect("8 of 32 bytes")
}

/// Where the base lies in the record of what a space is at. Records of version 1 have none.
pub(crate) const BASE_AT: usize = 44;

/// What a space is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) log: LogId,
    pub(crate) revision: Revision,
    pub(crate) head: Position,
    pub(crate) clock: NTP64,
    /// How many heads there are: a lost one is noticed.
    pub(crate) heads: u32,
    pub(crate) base: Position,
    pub(crate) views: BTreeMap<ViewId, View>,
}

/// A view that has, or had, rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) key: ViewKey,
    /// Up to which position its rows are folded, if that was said.
    pub(crate) folded: Option<Position>,
}

impl Status {
    /// A log just created.
    pub(crate) fn fresh(log: LogId) -> Self {
        let (revision, head, base) = (Revision::ZERO, Position::ZERO, Position::ZERO);
        Self { log, revision, head, clock: NTP64(0), heads: 0, base, views: BTreeMap::new() }
    }

    /// The same as the engine says it.
    pub(crate) fn with_heads(&self, heads: Heads) -> LogStatus {
        let folded = |(view, state): (&ViewId, &View)| Some((view.clone(), state.folded?));
        let Self { log, revision, head, base, clock, .. } = *self;
        let views = self.views.iter().filter_map(folded).collect();
        LogStatus { log, revision, head, base, heads, clock, views }
    }

    /// A view, which gets a number if it has none.
    pub(crate) fn view(&mut self, view: &ViewId) -> &mut View {
        // Views keep their numbers for ever, so that the next one is free.
        let next = u32::try_from(self.views.len()).expect("views are few") + 1;
        self.views.entry(view.clone()).or_insert(View { key: ViewKey(next), folded: None })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.log.to_bytes().to_vec();
        for number in [self.revision.get(), self.head.get(), self.clock.0] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(self.heads.to_be_bytes());
        bytes.extend(self.base.get().to_be_bytes());
        for (view, View { key, folded }) in &self.views {
            bytes.push(u8::try_from(view.as_str().len()).expect("names of views are short"));
            bytes.extend_from_slice(view.as_str().as_bytes());
            bytes.extend(key.0.to_be_bytes());
            bytes.push(folded.is_some().into());
            bytes.extend(folded.map(|position| position.get().to_be_bytes()).into_iter().flatten());
        }
        bytes
    }

    /// `None` if the bytes are not what [`encode`](Self::encode) makes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = &mut &*bytes;
        let log = LogId::from_bytes(take(rest)?)?;
        let (revision, head, clock) =
            (Revision::new(number(rest)?), Position::new(number(rest)?), NTP64(number(rest)?));
        let (heads, base) = (u32::from_be_bytes(take(rest)?), Position::new(number(rest)?));
        let mut views = BTreeMap::new();
        while !rest.is_empty() {
            let (view, state) = decode_view(rest)?;
            views.insert(view, state);
        }
        Some(Self { log, revision, head, clock, heads, base, views })
    }
}

fn decode_view(rest: &mut &[u8]) -> Option<(ViewId, View)> {
    let [length] = take(rest)?;
    let name = rest.split_off(..usize::from(length))?;
    let view = std::str::from_utf8(name).ok()?.parse().ok()?;
    let key = ViewKey(u32::from_be_bytes(take(rest)?));
    let folded = match take(rest)? {
        [0] => None,
        [1] => Some(Position::new(number(rest)?)),
        _ => return None,
    };
    Some((view, View { key, folded }))
}

/// The bytes of an origin's head.
pub(crate) fn encode_head(head: Head) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&head.seq.get().to_be_bytes());
    bytes[8..40].copy_from_slice(&head.chain.to_bytes());
    bytes[40..].copy_from_slice(&head.time.0.to_be_bytes());
    bytes
}

/// The head in these bytes; `None` if they hold none.
pub(crate) fn decode_head(bytes: &[u8]) -> Option<Head> {
    let rest = &mut &*bytes;
    let seq = Seq::new(number(rest)?);
    let chain = ChainHash::from_bytes(take(rest)?);
    let time = NTP64(number(rest)?);
    rest.is_empty().then_some(Head { seq, chain, time })
}

/// The run in these bytes, which ends at `end`.
pub(crate) fn decode_run(bytes: Bytes, end: Position) -> Result<StoredRun, String> {
    let Some(previous) = bytes.first_chunk().copied().map(ChainHash::from_bytes) else {
        return Err(format!("it has {} bytes", bytes.len()));
    };
    let run = Run::decode(bytes.slice(32..)).map_err(|error| error.to_string())?;
    if run.count() > end.get() {
        return Err(format!("it holds {} bundles", run.count()));
    }
    Ok(StoredRun { position: Position::new(end.get() - (run.count() - 1)), previous, run })
}

/// Takes a number of 8 bytes.
fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let view = |text| ViewId::new(text).unwrap();
        let a = (view("a@1"), View { key: ViewKey(1), folded: Some(Position::new(u64::MAX)) });
        let b = (view("b.c@2"), View { key: ViewKey(2), folded: None });
        Status {
            revision: Revision::new(3),
            head: Position::new(1 << 63),
            clock: NTP64(u64::MAX),
            heads: 7,
            base: Position::new(1 << 62),
            views: [a, b].into(),
            ..Status::fresh(LogId::from_bytes([9; 16]).unwrap())
        }
    }

    #[test]
    fn what_a_space_is_at_reads_back_and_no_part_of_it_does() {
        let bytes = status().encode();
        assert_eq!(Status::decode(&bytes), Some(status()));
        // Views follow the numbers: without the last one, or both, it is another status.
        let whole = [bytes.len(), bytes.len() - 11, 52];
        for length in (0..bytes.len()).filter(|length| !whole.contains(length)) {
            assert_eq!(Status::decode(&bytes[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_head_reads_back_and_no_part_of_it_does() {
        let head = Head { seq: Seq::new(5), chain: ChainHash::from_bytes([3; 32]), time: NTP64(u64::MAX) };
        assert_eq!(decode_head(&encode_head(head)), Some(head));
        assert_eq!(decode_head(&encode_head(head)[..47]), None);
        assert_eq!(decode_head(&[&encode_head(head)[..], &[0]].concat()), None);
    }

    #[test]
    fn no_flipped_bit_and_no_other_key_passes_the_checksum() {
        let sealed = seal(b"key", &[b"val", b"ue"]);
        assert_eq!(unseal(b"key", &sealed), Some(&b"value"[..]));
        assert_eq!(unseal(b"kex", &sealed), None);
        assert_eq!(unseal(b"keyv", &seal(b"key", &[b"vvalue"])), None);
        for bit in 0..8 * sealed.len() {
            let mut flipped = sealed.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(b"key", &flipped), None, "{bit}");
        }
        assert_eq!(unseal(b"key", &sealed[..7]), None);
    }
}
