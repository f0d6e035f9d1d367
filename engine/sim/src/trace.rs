//! What happened: as one number for comparisons, and on request as a story.

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
        match self.at as f64 / 1e6 {
            millis if millis < 10_000.0 => write!(f, "{millis:>12.3} ms  {}", self.text),
            millis => write!(f, "{:>12.3} s   {}", millis / 1e3, self.text),
        }
    }
}

/// How a sync that exchanged nothing is told.
pub(crate) const NOTHING_NEW: &str = "nothing new";

/// A story without the syncs at the end that exchanged nothing.
pub(crate) fn terse(mut story: Vec<Line>) -> Vec<Line> {
    let healing = story.iter().position(|line| line.text == FAULTS_STOP).unwrap_or(story.len());
    let mut number = 0;
    story.retain(|line| {
        number += 1;
        number <= healing || !line.text.ends_with(NOTHING_NEW)
    });
    story
}

/// How the end of all trouble is told.
pub(crate) const FAULTS_STOP: &str = "the faults stop";

/// Folds everything that happens into one number, and keeps the story if it is wanted.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    story: Option<Vec<Line>>,
    /// What happens now is not told.
    mute: bool,
}

impl Trace {
    pub(crate) fn new(with_story: bool) -> Self {
        Self { hash: 0, story: with_story.then(Vec::new), mute: false }
    }

    /// Takes note of a number that is equal in every run of the seed.
    pub(crate) fn note(&mut self, word: u64) {
        self.hash = mix(self.hash.rotate_left(5) ^ word);
    }

    /// Tells a happening, if anybody listens.
    pub(crate) fn tell(&mut self, at: Moment, text: impl FnOnce() -> String) {
        if let Some(story) = self.story.as_mut().filter(|_| !self.mute) {
            story.push(Line { at: at.0, text: text() });
        }
    }

    /// From now on nothing is recorded, or everything.
    pub(crate) fn mute(&mut self, mute: bool) {
        self.mute = mute;
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn take_story(&mut self) -> Vec<Line> {
        self.story.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
