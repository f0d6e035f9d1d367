//! A broken law, told: which, in which smallest history, and how to see it again.

use std::fmt;

use crate::case::Case;
use crate::finding::Finding;
use crate::trace::Line;

/// A history that breaks a law, as small as it was found. Prints as a story, with `{}` and with `{:?}`, so that `unwrap` tells it.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// The history as it was found.
    pub whole: Case,
    /// The smallest history found that breaks the same law.
    pub case: Case,
    /// The law it breaks, and where.
    pub finding: Finding,
    /// What happens in it.
    pub story: Vec<Line>,
    /// Whether the stack was the lab's own, so that the program `sim` can run it again.
    pub(crate) own: bool,
}

impl std::error::Error for Failure {}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "this law is broken: {}", self.finding.law)?;
        // One thing a line.
        let detail = self.finding.detail.replace("; ", ";\n    ").replace(". The projection", ".\n    The projection");
        writeln!(f, "  {detail}")?;
        if self.story.is_empty() {
            return Ok(());
        }
        let steps = self.case.plan().steps.len();
        let smallest = if self.case == self.whole { "" } else { ", the smallest that was found" };
        writeln!(f, "in this history{smallest} ({steps} of {} steps):", self.whole.steps)?;
        for line in &self.story {
            writeln!(f, "{line}")?;
        }
        write!(f, "run it again: SYNCLINE_LAB={} cargo test", self.case)?;
        if self.own {
            write!(f, "\n          or: sim --replay {}", self.case)?;
        }
        Ok(())
    }
}
