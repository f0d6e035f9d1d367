//! The row keys of one event.

use super::aside::Cause;
use crate::limits::{EVENT_KEYS_MAX, KEY_BYTES_MAX};

/// After so many calls to push, the engine assumes that the projection loops for ever.
const PUSHES_MAX: usize = 64 * EVENT_KEYS_MAX;

/// Collects the row keys of one event.
#[derive(Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    pushes: usize,
    refused: Option<Cause>,
}

impl Keys {
    /// Adds a key of at most 1 KiB. If an event has a longer key, or more than 1,024 keys, it is put aside. Keys over the limit take no
    /// memory.
    ///
    /// # Panics
    /// After 65,536 calls for one event. This ends a `keys` that pushes for ever. The engine catches the panic and puts the event aside.
    pub fn push(&mut self, key: &[u8]) {
        self.push_parts(&[key]);
    }

    /// Adds the concatenation of `parts` as one key.
    ///
    /// # Panics
    /// As [`push`](Self::push).
    pub fn push_parts(&mut self, parts: &[&[u8]]) {
        self.pushes += 1;
        assert!(
            self.pushes <= PUSHES_MAX || cfg!(panic = "abort"),
            "keys were added {PUSHES_MAX} times for one event, the limit is {EVENT_KEYS_MAX}: does `keys` loop for ever?"
        );
        let size = parts.iter().map(|part| part.len()).sum::<usize>();
        if size > KEY_BYTES_MAX {
            self.refuse_because(Cause::too_large("bytes of a row key", size, KEY_BYTES_MAX));
        } else if self.ends.len() == EVENT_KEYS_MAX {
            self.refuse_because(Cause::too_large("row keys of one event", self.pushes, EVENT_KEYS_MAX));
        } else {
            parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
            self.ends.push(self.bytes.len());
        }
    }

    /// Puts the event aside as unreadable, if even its keys cannot be found.
    pub fn refuse(&mut self, reason: impl Into<String>) {
        self.refuse_because(Cause::Unreadable(reason.into()));
    }

    /// Whether a push has ended a projection that would have gone on for ever.
    pub(crate) fn was_stopped(&self) -> bool {
        self.pushes > PUSHES_MAX
    }

    /// Puts the event aside for this cause.
    pub(crate) fn refuse_because(&mut self, cause: Cause) {
        self.refused = Some(cause);
    }

    /// The keys, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// Why the event is put aside, if it is.
    pub fn refused(&self) -> Option<&Cause> {
        self.refused.as_ref()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.pushes = 0;
        self.refused = None;
    }
}
