//! One function per decoder that reads bytes from a peer or a disk. Each takes any bytes, must not panic, and asserts what must
//! hold of whatever decodes. The fuzzers in `fuzz/fuzz_targets` call them, and `tests/corpus.rs` replays the corpora.

use std::fmt::Debug;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline::attributes::{AttributeRow, Attributes, Op};
use syncline::authority::accounts::Token;
use syncline::format::codec;
use syncline::format::event::Events;
use syncline::format::{Head, Run, Stamp, VerifiedRun};
use syncline::projection::{Keys, RowState};
use syncline::protocol::{Answer, Notice, Piece, Problem, Pull, Push, Request};
use syncline::{Dot, NTP64, Projection, ReplicaId, Seq};

mod portable;
mod segment;
mod snapshot;

pub use portable::{export, portable, portable_frames, sealed, unsealed};
pub use segment::{segment, unsealed_segment};
pub use snapshot::{snapshot, unsealed_snapshot};

/// What a fuzzer calls with whatever it has thought of.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 11] = [
    ("run", run),
    ("body", body),
    ("message", message),
    ("message_json", message_json),
    ("attribute_payload", attribute_payload),
    ("attribute_row", attribute_row),
    ("text", text),
    ("portable", portable),
    ("portable_frames", portable_frames),
    ("snapshot", snapshot),
    ("segment", segment),
];

/// A packed run: whatever decodes can be cut anywhere, joined again by hashing, and is the same bundles.
pub fn run(bytes: &[u8]) {
    let Ok(run) = Run::decode(Bytes::copy_from_slice(bytes)) else { return };
    assert_eq!(run.bundles().count() as u64, run.count());
    assert_eq!(run.as_bytes().as_ref(), bytes, "a decoded run keeps its bytes");
    let previous = syncline::format::ChainHash::from_bytes([7; 32]);
    let middle = run.first().plus(run.count() / 2);
    let tail = run.since(middle).expect("the run reaches its middle");
    assert_eq!(Run::decode(tail.as_bytes().clone()).as_ref(), Ok(&tail));
    let front = run.until(middle, previous).expect("the run begins before its middle");
    assert_eq!(Run::decode(front.as_bytes().clone()).as_ref(), Ok(&front));
    assert!(run.bundles().skip(front.count() as usize - 1).eq(tail.bundles()));
    let head = Head { seq: Seq::new(run.first().get() - 1), chain: previous, time: NTP64(0) };
    if let Ok(verified) = VerifiedRun::verify(run.clone(), head) {
        let voided = verified.clone().with_voids(&[middle]);
        assert_eq!(
            VerifiedRun::verify(voided.run().clone(), head).map(|verified| verified.head()),
            Ok(verified.head())
        );
    }
}

/// A bundle's body.
pub fn body(bytes: &[u8]) {
    let dot = Dot { origin: origin(), seq: Seq::new(1) };
    let events: Vec<_> = Events::new(bytes, dot, NTP64(1)).collect();
    assert!(events.iter().rev().skip(1).all(Result::is_ok), "reading ends with the first error");
    for event in events.iter().flatten() {
        let event_type = event.event_type();
        assert_eq!(event_type.to_string().parse().as_ref(), Ok(&event_type));
    }
}

/// Every message in the binary form: what decodes encodes and decodes to the same.
pub fn message(bytes: &[u8]) {
    round_trip::<Request>(bytes);
    round_trip::<Answer>(bytes);
    round_trip::<Push>(bytes);
    round_trip::<Piece>(bytes);
    round_trip::<Pull>(bytes);
    round_trip::<Notice>(bytes);
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(value) = codec::decode::<T>("message", bytes) {
        assert_eq!(codec::decode::<T>("message", &codec::encode(&value)).as_ref(), Ok(&value));
    }
}

/// Every message as JSON, and problems, which have no other form.
pub fn message_json(bytes: &[u8]) {
    json::<Request>(bytes);
    json::<Answer>(bytes);
    json::<Push>(bytes);
    json::<Piece>(bytes);
    json::<Pull>(bytes);
    json::<Problem>(bytes);
}

fn json<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        let text = serde_json::to_vec(&value).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<T>(&text).ok().as_ref(), Some(&value));
    }
}

/// An attribute event: folding any payload either changes the row or leaves it as it was.
pub fn attribute_payload(bytes: &[u8]) {
    if let Ok((attribute, op)) = Op::decode(bytes) {
        assert_eq!(op.event(&attribute).payload.as_ref(), bytes, "one spelling per operation");
    }
    let stamp = Stamp { time: NTP64(9), origin: origin(), index: 0 };
    let dot = Dot { origin: origin(), seq: Seq::new(1) };
    let event_type = syncline::attributes::ATTRIBUTE;
    let event = syncline::EventRef::new(dot, stamp, &event_type, bytes);
    let mut keys = Keys::default();
    Attributes.keys(&event, &mut keys);
    for key in keys.iter() {
        let mut row = AttributeRow::default();
        let before = row.encode();
        if Attributes.apply(key, &mut row, &event).is_err() {
            assert_eq!(row.encode(), before, "an unreadable event leaves the row as it was");
        }
    }
}

/// A stored attribute row: one spelling per state.
pub fn attribute_row(bytes: &[u8]) {
    if let Ok(row) = AttributeRow::decode(bytes) {
        assert_eq!(row.encode(), bytes);
        let _ = (row.value(), row.counter(), row.elements().len());
    }
}

/// What people and peers write as text: tokens, ids, names.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(token) = text.parse::<Token>() {
        assert_eq!(token.reveal(), text);
    }
    if let Ok(id) = text.parse::<ReplicaId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(space) = syncline::SpaceId::new(text) {
        assert_eq!(space.as_str(), text);
    }
    let _ = (syncline::ViewId::new(text), text.parse::<syncline::EventType>());
}

fn origin() -> ReplicaId {
    ReplicaId::from_bytes([5; 16]).expect("not zero")
}
