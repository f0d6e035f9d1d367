//! What happened, as one number for comparing and, where somebody wants to read it, as a story.

use std::time::Duration;

use crate::rng::mix;

/// A moment of a history, in nanoseconds since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    pub(crate) fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// How many bytes of a value are shown.
const SHOWN: usize = 48;

/// Bytes for people: text where they are text, cut where they are many.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN)];
    let more = if cut.len() < bytes.len() { format!("… ({} bytes)", bytes.len()) } else { String::new() };
    format!("\"{}\"{more}", cut.escape_ascii())
}

/// One happening, told for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, in nanoseconds since the history began.
    pub at: u64,
    /// What happened.
    pub text: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>12.3} ms  {}", self.at as f64 / 1e6, self.text)
    }
}

/// Folds everything that happens into one number, and keeps the story where it is wanted.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    story: Option<Vec<Line>>,
}

impl Trace {
    pub(crate) fn new(with_story: bool) -> Self {
        Self { hash: 0, story: with_story.then(Vec::new) }
    }

    /// Takes note of a number that is equal in every run of the seed.
    pub(crate) fn note(&mut self, word: u64) {
        self.hash = mix(self.hash.rotate_left(5) ^ word);
    }

    /// Tells a happening, if anybody listens.
    pub(crate) fn tell(&mut self, at: Moment, text: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(Line { at: at.0, text: text() });
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn take_story(&mut self) -> Vec<Line> {
        self.story.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
