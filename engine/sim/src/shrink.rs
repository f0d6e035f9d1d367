//! Making a failing history smaller while it breaks the same law: fewer steps, fewer devices, fewer faults.

use crate::case::{Case, Trait};
use crate::finding::Law;
use crate::history;
use crate::plan::Plan;
use crate::stack::Stack;

/// How many histories a search for a smaller one may run.
const TRIES_MAX: u32 = 1_500;

/// A search for the smallest history that breaks a law.
struct Search<'a> {
    stack: &'a Stack,
    law: Law,
    best: Case,
    tries: u32,
}

/// The smallest history found that breaks the same law.
pub(crate) fn shrink(case: Case, law: Law, stack: &Stack) -> Case {
    let mut search = Search { stack, law, best: case, tries: 0 };
    search.cut_the_end();
    loop {
        let before = search.best.clone();
        search.leave_out_steps();
        search.leave_out_traits();
        search.leave_out_devices();
        if search.best == before || search.tries >= TRIES_MAX {
            return search.best;
        }
    }
}

impl Search<'_> {
    /// Takes a smaller history if it breaks the law, too.
    fn take(&mut self, smaller: Case) -> bool {
        if self.tries >= TRIES_MAX {
            return false;
        }
        self.tries += 1;
        let outcome = history::run(&smaller.plan(), self.stack, false);
        let same = outcome.finding.is_some_and(|finding| finding.law == self.law);
        if same {
            self.best = smaller;
        }
        same
    }

    fn steps(&self) -> Vec<usize> {
        self.best.keep.clone().unwrap_or_else(|| (0..self.best.steps).collect())
    }

    /// Steps behind the one that broke the law are not needed if it broke before healing.
    fn cut_the_end(&mut self) {
        let (steps, taken) = (self.steps(), history::run(&self.best.plan(), self.stack, false).steps as usize);
        if taken < steps.len() {
            let keep = Some(steps[..taken].to_vec());
            self.take(Case { keep, ..self.best.clone() });
        }
    }

    fn leave_out_traits(&mut self) {
        for left_out in Trait::ALL {
            let mut smaller = self.best.clone();
            let inserted = smaller.without.insert(*left_out);
            // What is called otherwise and is the same is not smaller.
            if inserted && smaller.plan() != (Plan { case: smaller.clone(), ..self.best.plan() }) {
                self.take(smaller);
            }
        }
    }

    fn leave_out_devices(&mut self) {
        while self.best.plan().devices > 1 {
            let devices = Some(self.best.plan().devices - 1);
            if !self.take(Case { devices, ..self.best.clone() }) {
                return;
            }
        }
    }

    /// Leaves out ever smaller stretches of steps, the latest first.
    fn leave_out_steps(&mut self) {
        let mut size = self.steps().len().div_ceil(2);
        while size > 0 {
            let mut end = self.steps().len();
            while end > 0 {
                let (mut keep, start) = (self.steps(), end.saturating_sub(size));
                keep.drain(start..end.min(keep.len()));
                self.take(Case { keep: Some(keep), ..self.best.clone() });
                end = start.min(self.steps().len());
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}
