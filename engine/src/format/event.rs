//! Events: immutable facts of a named type, and the bytes of a bundle's body, which is a sequence of them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::format::time::{NTP64, Stamp};
use crate::format::wire::{DecodeError, Reader, check_size, put_varint};
use crate::id::{Dot, InvalidId, is_name};
use crate::limits::{BODY_BYTES_MAX, BUNDLE_EVENTS_MAX, EVENT_TYPE_BYTES_MAX, PAYLOAD_BYTES_MAX};
use crate::typed::Memo;

/// Event types that take one byte in a body. Codes are the index plus one, are never reused, and end at [`KNOWN_MAX`].
const KNOWN_TYPES: [(&str, u16); 1] = [("attribute", 1)];
/// Tags of an event type in a body: 0 repeats the previous event type, 1 to 15 are known event types, the rest are name lengths plus 15.
const KNOWN_MAX: u64 = 15;

/// What an event says, by name and version: `todo.renamed@1`. The name takes 1 to 64 of `a-z 0-9 . _ -`.
///
/// ```
/// use syncline::EventType;
/// const RENAMED: EventType = EventType::new("todo.renamed", 1);
/// assert_eq!(RENAMED.to_string().parse::<EventType>().unwrap(), RENAMED);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType {
    name: Cow<'static, str>,
    version: u16,
}

impl EventType {
    /// An event type known when the program is compiled.
    ///
    /// # Panics
    /// At compile time in a `const` if the name is empty or longer than 64 bytes or holds other characters.
    pub const fn new(name: &'static str, version: u16) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= EVENT_TYPE_BYTES_MAX, "an event type's name takes 1 to 64 bytes");
        let mut index = 0;
        while index < bytes.len() {
            let byte = bytes[index];
            let plain = byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let inner = index > 0 && matches!(byte, b'.' | b'_' | b'-');
            assert!(plain || inner, "an event type's name takes a-z 0-9 . _ - and starts with a letter or digit");
            index += 1;
        }
        Self { name: Cow::Borrowed(name), version }
    }

    /// The name without the version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> u16 {
        self.version
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl FromStr for EventType {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let rule = "it reads `name@version`, the name 1 to 64 of a-z 0-9 . _ -, the version up to 65535";
        let parsed = text.split_once('@').filter(|(name, _)| is_name(name, EVENT_TYPE_BYTES_MAX));
        match parsed.map(|(name, version)| (name, version.parse())) {
            Some((name, Ok(version))) => Ok(Self { name: name.to_owned().into(), version }),
            _ => Err(InvalidId::new("event type", text, rule)),
        }
    }
}

impl TryFrom<String> for EventType {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.to_string()
    }
}

/// One fact to be written: an event type and its payload, at most 256 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it says.
    pub event_type: EventType,
    /// The details, in a form that the type's version fixes.
    pub payload: Bytes,
}

impl Event {
    /// An event of this type.
    pub fn new(event_type: EventType, payload: impl Into<Bytes>) -> Self {
        Self { event_type, payload: payload.into() }
    }
}

/// One event read in place: who wrote it, when, and what it says.
#[derive(Debug, Clone, Copy)]
pub struct EventRef<'a> {
    /// The bundle it belongs to.
    pub dot: Dot,
    /// Its place in the order of all events.
    pub stamp: Stamp,
    /// The type's name.
    pub name: &'a str,
    /// The type's version.
    pub version: u16,
    /// The details.
    pub payload: &'a [u8],
    /// What was decoded of it already.
    pub(crate) memo: Option<&'a Memo>,
}

/// What was decoded of an event already is no part of it.
impl PartialEq for EventRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        let all = |event: &Self| (event.dot, event.stamp, event.name, event.version, event.payload);
        all(self) == all(other)
    }
}

impl Eq for EventRef<'_> {}

impl<'a> EventRef<'a> {
    /// An event of this type, as one would be read from the bundle `dot`.
    pub fn new(dot: Dot, stamp: Stamp, event_type: &'a EventType, payload: &'a [u8]) -> Self {
        Self { dot, stamp, name: event_type.name(), version: event_type.version, payload, memo: None }
    }

    /// Whether the event has this type, version included. A view says which versions it reads in
    /// [`Projection::reads`](crate::Projection::reads). This method decides only among those.
    pub fn is(&self, event_type: &EventType) -> bool {
        self.version == event_type.version && self.name == event_type.name
    }

    /// The event's type, owned.
    pub fn event_type(&self) -> EventType {
        EventType { name: self.name.to_owned().into(), version: self.version }
    }
}

/// Encodes the events of one bundle as its body.
///
/// # Errors
/// [`DecodeError::TooLarge`] if a payload, the number of events or the whole exceeds its limit;
/// [`DecodeError::Malformed`] if there is no event.
pub fn encode_body(events: &[Event]) -> Result<Vec<u8>, DecodeError> {
    if events.is_empty() {
        return Err(DecodeError::Malformed { what: "bundle", why: "it has no event" });
    }
    check_size("bundle's event count", events.len(), BUNDLE_EVENTS_MAX)?;
    let mut out = Vec::with_capacity(events.iter().map(|event| event.payload.len() + 8).sum());
    let mut previous: Option<&EventType> = None;
    for event in events {
        check_size("event payload", event.payload.len(), PAYLOAD_BYTES_MAX)?;
        if previous == Some(&event.event_type) {
            out.push(0);
        } else {
            put_event_type(&mut out, &event.event_type);
        }
        put_varint(&mut out, event.payload.len() as u64);
        out.extend_from_slice(&event.payload);
        previous = Some(&event.event_type);
    }
    check_size("bundle body", out.len(), BODY_BYTES_MAX)?;
    Ok(out)
}

fn put_event_type(out: &mut Vec<u8>, event_type: &EventType) {
    let known =
        KNOWN_TYPES.iter().position(|(name, version)| event_type.name == *name && event_type.version == *version);
    if let Some(code) = known {
        return out.push(code as u8 + 1);
    }
    put_varint(out, event_type.name.len() as u64 + KNOWN_MAX);
    out.extend_from_slice(event_type.name.as_bytes());
    put_varint(out, u64::from(event_type.version));
}

/// Iterates over the events of a body. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    reader: Reader<'a>,
    dot: Dot,
    time: NTP64,
    event_type: Option<(&'a str, u16)>,
    index: usize,
}

impl<'a> Events<'a> {
    /// Reads `body` as the events of the bundle `dot`, written at `time`.
    pub fn new(body: &'a [u8], dot: Dot, time: NTP64) -> Self {
        Self { reader: Reader::new("bundle body", body), dot, time, event_type: None, index: 0 }
    }

    fn read(&mut self) -> Result<EventRef<'a>, DecodeError> {
        check_size("bundle's event count", self.index + 1, BUNDLE_EVENTS_MAX)?;
        let (name, version) = self.read_kind()?;
        let size = self.reader.length("event payload", PAYLOAD_BYTES_MAX)?;
        let payload = self.reader.take(size)?;
        let index = u16::try_from(self.index).expect("the event count was checked against its limit");
        let stamp = Stamp { time: self.time, origin: self.dot.origin, index };
        self.index += 1;
        Ok(EventRef { dot: self.dot, stamp, name, version, payload, memo: None })
    }

    fn read_kind(&mut self) -> Result<(&'a str, u16), DecodeError> {
        let tag = self.reader.varint()?;
        let event_type = match tag {
            0 => self.event_type.ok_or_else(|| self.reader.malformed("the first event repeats an event type"))?,
            1..=KNOWN_MAX => {
                let code = tag as usize - 1;
                *KNOWN_TYPES.get(code).ok_or_else(|| self.reader.malformed("an event type code is not assigned"))?
            }
            _ => {
                let size = usize::try_from(tag - KNOWN_MAX).unwrap_or(usize::MAX);
                check_size("event type", size, EVENT_TYPE_BYTES_MAX)?;
                let name = std::str::from_utf8(self.reader.take(size)?)
                    .ok()
                    .filter(|name| is_name(name, EVENT_TYPE_BYTES_MAX));
                let name = name.ok_or_else(|| self.reader.malformed("an event type's name breaks its rule"))?;
                let version = u16::try_from(self.reader.varint()?);
                (name, version.map_err(|_| self.reader.malformed("an event type's version exceeds 65535"))?)
            }
        };
        self.event_type = Some(event_type);
        Ok(event_type)
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<EventRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let event = self.read();
        if event.is_err() {
            self.reader = Reader::new("bundle body", &[]);
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ReplicaId, Seq};
    use proptest::prelude::*;

    const DOT: fn() -> Dot = || Dot { origin: ReplicaId::from_bytes([7; 16]).unwrap(), seq: Seq::new(1) };

    fn read_all(body: &[u8]) -> Result<Vec<Event>, DecodeError> {
        let events = Events::new(body, DOT(), NTP64(9));
        events.map(|event| event.map(|event| Event::new(event.event_type(), event.payload.to_vec()))).collect()
    }

    fn event() -> impl Strategy<Value = Event> {
        let event_type = prop_oneof![
            Just(EventType::new("attribute", 1)),
            Just(EventType::new("attribute", 2)),
            ("[a-z][a-z0-9._-]{0,63}", any::<u16>())
                .prop_map(|(name, version)| format!("{name}@{version}").parse().unwrap()),
        ];
        (event_type, prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(event_type, payload)| Event::new(event_type, payload))
    }

    proptest! {
        #[test]
        fn a_body_reads_back(events in prop::collection::vec(event(), 1..20)) {
            prop_assert_eq!(read_all(&encode_body(&events).unwrap()).unwrap(), events);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_all(&body);
        }
    }

    #[test]
    fn a_known_kind_takes_one_byte_and_a_repeated_one_too() {
        let set = || Event::new(EventType::new("attribute", 1), &b"xy"[..]);
        assert_eq!(encode_body(&[set(), set()]).unwrap(), b"\x01\x02xy\x00\x02xy");
        let own = Event::new(EventType::new("todo.done", 3), &b"z"[..]);
        assert_eq!(encode_body(&[own]).unwrap(), b"\x18todo.done\x03\x01z");
    }

    #[test]
    fn a_bundle_without_events_or_with_too_much_is_refused() {
        assert!(encode_body(&[]).is_err());
        let large = Event::new(EventType::new("a", 1), vec![0; PAYLOAD_BYTES_MAX + 1]);
        assert!(
            matches!(encode_body(&[large]), Err(DecodeError::TooLarge { size, .. }) if size == PAYLOAD_BYTES_MAX + 1)
        );
        let edge = Event::new(EventType::new("a", 1), vec![0; PAYLOAD_BYTES_MAX]);
        assert!(encode_body(&vec![edge.clone(); 3]).is_ok());
        assert!(matches!(encode_body(&vec![edge; 4]), Err(DecodeError::TooLarge { what: "bundle body", .. })));
    }

    #[test]
    fn a_length_that_lies_is_refused_before_it_is_believed() {
        assert!(matches!(read_all(b"\x01\xff\xff\xff\xff\x0f"), Err(DecodeError::TooLarge { .. })));
        assert!(matches!(read_all(b"\x01\x05abc"), Err(DecodeError::Truncated { missing: 2, .. })));
        assert!(matches!(read_all(b"\x00\x01a"), Err(DecodeError::Malformed { .. })));
    }
}
