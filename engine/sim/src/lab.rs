//! The lab from outside: what is under test, which histories, and what came of them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use syncline::{Event, Projection, Transport, ViewId};

use crate::case::Case;
use crate::failure::Failure;
use crate::finding::{Finding, Law};
use crate::history::{self, Outcome};
use crate::names::Names;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::rng::Rng;
use crate::shrink::shrink;
use crate::stack::{Stack, ViewUnderTest};
use crate::stores::Stores;
use crate::summary::Summary;
use crate::trace::terse;

/// Steps of a history unless told otherwise.
const STEPS: usize = 200;

/// The environment variable that names the one history to run: what a failing run prints.
const REPLAY: &str = "SYNCLINE_LAB";

/// A lab that runs the histories of these seeds.
///
/// ```
/// use syncline::projection::{Keys, Reads};
/// use syncline::{Event, EventRef, Kind, Projection, Stamp, Unreadable, ViewId};
/// use syncline_sim::{Profile, lab};
///
/// const RENAMED: Kind = Kind::new("todo.renamed", 1);
///
/// /// The title of a to-do: the last one given.
/// struct Titles;
///
/// impl Projection for Titles {
///     type State = Option<(Stamp, String)>;
///
///     fn view(&self) -> ViewId {
///         ViewId::new("titles@1").expect("the name is well formed")
///     }
///
///     fn reads(&self) -> Reads {
///         Reads::kinds([RENAMED])
///     }
///
///     fn keys(&self, _: &EventRef<'_>, keys: &mut Keys) {
///         keys.push(b"the only one");
///     }
///
///     fn apply(&self, _: &[u8], row: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
///         let title = String::from_utf8_lossy(event.payload).into_owned();
///         if row.as_ref().is_none_or(|(last, _)| event.stamp > *last) {
///             *row = Some((event.stamp, title));
///         }
///         Ok(())
///     }
/// }
///
/// let lab = lab(0..20).profile(Profile::Flaky).steps(60).projection(Titles);
/// lab.writes(|rng| vec![Event::new(RENAMED, format!("title {}", rng.below(100)))]).run().unwrap();
/// ```
pub fn lab(seeds: Range<u64>) -> Lab {
    Lab { seeds, profile: Profile::Mixed, steps: STEPS, stack: Stack::own() }
}

/// What is under test, and in which histories. See [`lab`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Lab {
    seeds: Range<u64>,
    profile: Profile,
    steps: usize,
    pub(crate) stack: Stack,
}

impl Lab {
    /// Which faults come. [`Profile::Mixed`] unless told otherwise.
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// How many steps a history has before the faults stop: 200 unless told otherwise.
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// Tests this projection on every replica, in place of the lab's own. Say what devices write with [`writes`](Self::writes).
    pub fn projection(self, projection: impl Projection) -> Self {
        self.add(ViewUnderTest::new(projection, false))
    }

    /// Tests this projection, too, as part of a new version that devices are upgraded to in the middle of their histories.
    pub fn newer_projection(self, projection: impl Projection) -> Self {
        self.add(ViewUnderTest::new(projection, true))
    }

    fn add(mut self, view: ViewUnderTest) -> Self {
        if std::mem::take(&mut self.stack.own_views) {
            self.stack.views.clear();
        }
        self.stack.views.push(view);
        self
    }

    /// What a device writes next: the events of one bundle, by chance from the history's seed.
    pub fn writes(mut self, writes: impl Fn(&mut Rng) -> Vec<Event> + Send + Sync + 'static) -> Self {
        self.stack.writes = Arc::new(writes);
        self
    }

    /// Tests these stores: `make` is called once for every history.
    pub fn stores<S: Stores + 'static>(mut self, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        self.stack.stores = Some(Arc::new(move || Arc::new(make()) as Arc<dyn Stores>));
        self
    }

    /// Puts something of your own between replicas and their ways to their peers.
    pub fn ways(mut self, detour: impl Fn(Arc<dyn Transport>) -> Arc<dyn Transport> + Send + Sync + 'static) -> Self {
        self.stack.detour = Some(Arc::new(detour));
        self
    }

    /// Runs all histories, up to the first that breaks a law: that one is shrunk and told. Where the environment variable
    /// `SYNCLINE_LAB` names a history, runs that one only.
    ///
    /// # Errors
    /// [`Failure`]: the law, the smallest history found that breaks it, and how to run it again.
    pub fn run(&self) -> Result<Summary, Box<Failure>> {
        let named = std::env::var(REPLAY).ok().map(|text| text.parse::<Case>());
        let cases: Vec<Case> = match named {
            Some(Ok(case)) => vec![case],
            Some(Err(why)) => panic!("{REPLAY}: {why}"),
            None => self.seeds.clone().map(|seed| Case::new(self.profile, seed, self.steps)).collect(),
        };
        let (mut summary, mut touched) = (Summary::default(), BTreeSet::new());
        for case in cases {
            let outcome = self.outcome(&case, false);
            touched.extend(outcome.touched.iter().cloned());
            summary.add(&outcome);
            if let Some(finding) = outcome.finding {
                return Err(Box::new(self.explain(case, &finding)));
            }
        }
        match self.untouched(&touched) {
            Some(view) if summary.histories > 0 => Err(Box::new(self.idle(&view))),
            _ => Ok(summary),
        }
    }

    /// Runs one history. With `story` it tells what happens.
    pub fn outcome(&self, case: &Case, story: bool) -> Outcome {
        self.outcome_of(&case.plan(), story)
    }

    /// Runs a plan, as [`histories`](crate::histories) draws them for property tests.
    pub fn outcome_of(&self, plan: &Plan, story: bool) -> Outcome {
        history::run(plan, &self.stack, story)
    }

    /// Shrinks a history that breaks a law, and tells what happens in it.
    pub fn explain(&self, case: Case, finding: &Finding) -> Failure {
        let smallest = shrink(case.clone(), finding.law, &self.stack);
        let outcome = self.outcome(&smallest, true);
        let finding = outcome.finding.unwrap_or_else(|| finding.clone());
        let mut names = Names::default();
        let story = names.story(terse(outcome.story));
        let finding = Finding { detail: names.shorten(&finding.detail), ..finding };
        Failure { whole: case, case: smallest, finding, story, own: self.stack.is_own() }
    }

    fn untouched(&self, touched: &BTreeSet<ViewId>) -> Option<ViewId> {
        let mut views = self.stack.views.iter().map(|view| &view.id).filter(|_| !self.stack.own_views);
        views.find(|view| !touched.contains(view)).cloned()
    }

    /// No event has touched a view: nothing was tested.
    fn idle(&self, view: &ViewId) -> Failure {
        let detail =
            format!("{view} has no row in any history: no event that was written touches one; see `Lab::writes`");
        let case = Case::new(self.profile, self.seeds.start, self.steps);
        let finding = Finding { law: Law::SomethingIsTested, detail };
        Failure { whole: case.clone(), case, finding, story: Vec::new(), own: false }
    }
}
