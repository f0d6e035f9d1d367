//! Histories for property tests.

use proptest::prelude::any;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::case::Case;
use crate::lab::named;
use crate::plan::Plan;
use crate::profile::Profile;

/// Plans of a profile, with so many steps, that shrink to fewer steps.
///
/// [`Lab::check`](crate::Lab::check) runs one. If it breaks a law, the error tells the story of the smallest that proptest has found. If
/// the environment variable `SYNCLINE_LAB` names a history, every plan is that one.
///
/// ```
/// use proptest::test_runner::TestRunner;
/// use syncline_sim::{Profile, histories, lab};
///
/// let lab = lab(0..0);
/// let mut runner = TestRunner::new(proptest::test_runner::Config { cases: 20, ..Default::default() });
/// runner
///     .run(&histories(Profile::Crash, 40), |plan| {
///         lab.check(&plan)?;
///         Ok(())
///     })
///     .unwrap();
/// ```
pub fn histories(profile: Profile, steps: usize) -> Histories {
    Histories { profile, steps }
}

/// See [`histories`].
#[derive(Debug, Clone, Copy)]
pub struct Histories {
    profile: Profile,
    steps: usize,
}

impl Strategy for Histories {
    type Tree = HistoryTree;
    type Value = Plan;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = any::<u64>().new_tree(runner)?.current();
        let case = named().unwrap_or_else(|| Case::new(self.profile, seed, self.steps));
        let keep = case.keep.clone().unwrap_or_else(|| (0..case.steps).collect());
        let size = keep.len().div_ceil(2);
        Ok(HistoryTree { case, end: keep.len(), keep, before: None, size })
    }
}

/// A plan and what may be left out of it.
#[derive(Debug, Clone)]
pub struct HistoryTree {
    case: Case,
    keep: Vec<usize>,
    /// What was kept before the last stretch was left out.
    before: Option<Vec<usize>>,
    /// How many steps are left out next, and where that stretch ends.
    size: usize,
    end: usize,
}

impl ValueTree for HistoryTree {
    type Value = Plan;

    fn current(&self) -> Plan {
        Case { keep: Some(self.keep.clone()), ..self.case.clone() }.plan()
    }

    fn simplify(&mut self) -> bool {
        if self.end == 0 {
            self.size = if self.size <= 1 { 0 } else { self.size.div_ceil(2) };
            self.end = self.keep.len();
        }
        if self.size == 0 || self.end == 0 {
            return false;
        }
        let (end, start) = (self.end.min(self.keep.len()), self.end.saturating_sub(self.size));
        self.before = Some(self.keep.clone());
        self.keep.drain(start.min(end)..end);
        self.end = start;
        true
    }

    fn complicate(&mut self) -> bool {
        match self.before.take() {
            Some(before) => {
                self.keep = before;
                true
            }
            None => false,
        }
    }
}
