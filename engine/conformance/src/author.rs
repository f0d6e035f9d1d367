//! An author: chained runs without a replica, a clock or a store.

use bytes::Bytes;
use syncline::format::event::{Event, encode_body};
use syncline::format::heads::Head;
use syncline::format::run::{Body, RunBuilder, VerifiedRun};
use syncline::format::time::NTP64;
use syncline::limits::RUN_BYTES_MAX;
use syncline::{EventType, ReplicaId};

/// The type of the events that [`Author::write`] invents.
pub const NOTE: EventType = EventType::new("conformance.note", 1);

/// How far apart an author's bundles lie in time by default.
const STEP: u64 = 1_000;

/// One origin and how far it has written. Each write gives the run that follows the last one.
///
/// A clone is a cloned device: it continues the same origin, and once both have written, they are a fork.
///
/// ```
/// use syncline_conformance::Author;
///
/// let mut ann = Author::new(1);
/// let first = ann.write(3);
/// let second = ann.write(1);
/// assert_eq!(second.run().first(), first.run().last().plus(1));
/// assert_eq!(second.previous(), first.head().chain);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    origin: ReplicaId,
    head: Head,
}

impl Author {
    /// An author whose id is sixteen times this byte.
    ///
    /// # Panics
    /// If the byte is zero, which no id is.
    pub fn new(byte: u8) -> Self {
        Self::with_origin(ReplicaId::from_bytes([byte; 16]).expect("an id is not all zero"))
    }

    /// An author with this id, who has written nothing.
    pub fn with_origin(origin: ReplicaId) -> Self {
        Self { origin, head: Head::NONE }
    }

    /// The author who has written up to this bundle, and continues behind it.
    pub fn resume(origin: ReplicaId, head: Head) -> Self {
        Self { origin, head }
    }

    /// The author's id.
    pub fn origin(&self) -> ReplicaId {
        self.origin
    }

    /// The author's last bundle.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Writes `count` bundles of one small event each, no two alike.
    ///
    /// # Panics
    /// If `count` is zero, or its bundles do not fit one run.
    pub fn write(&mut self, count: u64) -> VerifiedRun {
        let bodies: Vec<_> = (1..=count).map(|number| self.note(number)).collect();
        self.write_bodies(&bodies)
    }

    /// Writes one bundle for each list of events.
    ///
    /// # Panics
    /// If there is no bundle, a bundle has no event, or one breaks a limit.
    pub fn write_events(&mut self, bundles: &[Vec<Event>]) -> VerifiedRun {
        let encode = |events: &Vec<Event>| encode_body(events).expect("the events make a bundle");
        self.write_bodies(&bundles.iter().map(encode).collect::<Vec<_>>())
    }

    /// Writes one bundle of these events at this time.
    ///
    /// # Panics
    /// If there is no event, or one breaks a limit.
    pub fn write_at(&mut self, time: NTP64, events: &[Event]) -> VerifiedRun {
        self.write_timed([(time, encode_body(events).expect("the events make a bundle"))])
    }

    /// Writes one bundle for each body. A log never looks into them, so they may be any bytes.
    ///
    /// # Panics
    /// If there is none, or they do not fit one run.
    pub fn write_bodies<B: AsRef<[u8]>>(&mut self, bodies: &[B]) -> VerifiedRun {
        let first = self.head.time.0 + STEP;
        self.write_timed((first..).step_by(STEP as usize).map(NTP64).zip(bodies))
    }

    /// Writes one bundle for each time and body; times rise.
    ///
    /// # Panics
    /// If there is none, or they do not fit one run.
    pub fn write_timed<B: AsRef<[u8]>>(&mut self, bundles: impl IntoIterator<Item = (NTP64, B)>) -> VerifiedRun {
        let mut builder = RunBuilder::new(self.origin, self.head.seq.plus(1), self.head.chain);
        for (time, body) in bundles {
            builder.push(time, Body::Full(body.as_ref()));
        }
        let verified = builder.finish().expect("an author writes at least one bundle");
        assert!(verified.run().as_bytes().len() <= RUN_BYTES_MAX, "the bundles exceed one run: write them in several");
        self.head = verified.head();
        verified
    }

    fn note(&self, number: u64) -> Vec<u8> {
        note(format!("{}:{}", self.origin, self.head.seq.plus(number)))
    }
}

/// The body of one small event.
pub(crate) fn note(text: impl Into<Bytes>) -> Vec<u8> {
    encode_body(&[Event::new(NOTE, text)]).expect("a note is small")
}
