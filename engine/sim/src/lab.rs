//! The lab from outside: what is under test, which histories, and what came of them.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use syncline::{Event, EventRef, Projection, Transport};

use crate::case::Case;
use crate::failure::Failure;
use crate::finding::{Finding, Law};
use crate::history::{self, Outcome};
use crate::names::Names;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::rng::Rng;
use crate::rows::Rows;
use crate::shrink::shrink;
use crate::stack::{Stack, ViewUnderTest};
use crate::stores::Stores;
use crate::summary::Summary;
use crate::trace::terse;

/// Steps of a history by default.
const STEPS: usize = 200;

/// How often a history is run, at most, to tell what was found in it.
const TELLINGS_MAX: usize = 8;

/// The environment variable that names the one history to run: what a failing run prints.
const REPLAY: &str = "SYNCLINE_LAB";
/// The environment variable that says how many histories to run, in place of as many as the program asks for.
const HISTORIES: &str = "SYNCLINE_LAB_HISTORIES";

/// A lab that runs the histories of these seeds.
///
/// ```
/// use syncline::projection::{Keys, Reads};
/// use syncline::format::Stamp;
/// use syncline::{Event, EventRef, EventType, Projection, Unreadable, ViewId};
/// use syncline_sim::{Profile, lab};
///
/// const RENAMED: EventType = EventType::new("todo.renamed", 1);
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
///         Reads::types([RENAMED])
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
    /// The kind of faults. [`Profile::Mixed`] by default.
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// How many steps a history has before the faults stop: 200 by default.
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// Tests this projection on every replica, in place of the lab's own. Say what devices write with [`writes`](Self::writes).
    /// Its states are told by their `Debug`.
    pub fn projection<P: Projection<State: fmt::Debug>>(self, projection: P) -> Self {
        self.add(ViewUnderTest::new(projection, false))
    }

    /// Tests this projection, too, as part of a new version of the program: some devices start with the old version and are upgraded in
    /// the middle of their histories, or at the end.
    ///
    /// If its view has the name of another view under test, as `titles@2` has that of `titles@1`, it replaces that view: upgraded
    /// devices have only the newer one. So the old version may put events aside that only the new one reads. After the upgrade
    /// everything must be read, and every device must say that it is in sync.
    pub fn newer_projection<P: Projection<State: fmt::Debug>>(self, projection: P) -> Self {
        self.add(ViewUnderTest::new(projection, true))
    }

    fn add(mut self, view: ViewUnderTest) -> Self {
        if std::mem::take(&mut self.stack.own_views) {
            self.stack.views.clear();
        }
        self.stack.views.push(view);
        self
    }

    /// What a device writes next: the events of one bundle, drawn from the history's seed. Draw keys from a few values, so that
    /// devices meet in the same rows: if they never do, the run fails, because no order of arrival was tested.
    pub fn writes(mut self, writes: impl Fn(&mut Rng) -> Vec<Event> + Send + Sync + 'static) -> Self {
        self.stack.writes = Arc::new(move |rng, _| writes(rng));
        self
    }

    /// What a device writes next, if that depends on what it has: events with a context of what their writer has seen, such as a
    /// remove from an [`AddWinsSet`](syncline::crdt::AddWinsSet), or a change to something that exists.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use syncline::crdt::{AddWinsSet, Context};
    /// use syncline::projection::{Keys, Moved, Reads};
    /// use syncline::format::codec;
    /// use syncline::{Event, EventRef, EventType, Projection, Unreadable, ViewId};
    /// use syncline_sim::{Profile, Rng, Rows, lab};
    ///
    /// const TAGGED: EventType = EventType::new("tag.changed", 1);
    ///
    /// #[derive(Debug, Serialize, Deserialize)]
    /// enum Change {
    ///     Add(u8),
    ///     Remove(u8, Context),
    /// }
    ///
    /// struct Tags;
    ///
    /// impl Projection for Tags {
    ///     type State = AddWinsSet<u8>;
    ///
    ///     fn view(&self) -> ViewId {
    ///         ViewId::new("tags@1").expect("the name is well formed")
    ///     }
    ///
    ///     fn reads(&self) -> Reads {
    ///         Reads::types([TAGGED])
    ///     }
    ///
    ///     fn keys(&self, _: &EventRef<'_>, keys: &mut Keys) {
    ///         keys.push(b"the only one");
    ///     }
    ///
    ///     fn apply(&self, _: &[u8], tags: &mut AddWinsSet<u8>, event: &EventRef<'_>) -> Result<(), Unreadable> {
    ///         match codec::decode("change", event.payload).map_err(|error| Unreadable::new(error.to_string()))? {
    ///             Change::Add(tag) => tags.insert(event.stamp, tag),
    ///             Change::Remove(tag, seen) => tags.remove(event.stamp, &tag, &seen),
    ///         }
    ///         Ok(())
    ///     }
    ///
    ///     fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Event> {
    ///         match codec::decode("change", event.payload).ok()? {
    ///             Change::Remove(tag, seen) => {
    ///                 Some(Event::new(TAGGED, codec::encode(&Change::Remove(tag, seen.moved(stamps)))))
    ///             }
    ///             _ => None,
    ///         }
    ///     }
    /// }
    ///
    /// fn change(rng: &mut Rng, rows: &Rows) -> Vec<Event> {
    ///     let tags = rows.get(&Tags, b"the only one").unwrap_or_default();
    ///     let change = match tags.iter().next() {
    ///         Some(tag) if rng.chance(400) => Change::Remove(*tag, tags.context(tag)),
    ///         _ => Change::Add(rng.below(4) as u8),
    ///     };
    ///     vec![Event::new(TAGGED, codec::encode(&change))]
    /// }
    ///
    /// lab(0..10).profile(Profile::Clock).steps(60).projection(Tags).writes_with_rows(change).run().unwrap();
    /// ```
    pub fn writes_with_rows(mut self, writes: impl Fn(&mut Rng, &Rows) -> Vec<Event> + Send + Sync + 'static) -> Self {
        self.stack.writes = Arc::new(writes);
        self
    }

    /// Tells events in stories, in place of their kinds and payloads. Rows are told by the `Debug` of their states.
    ///
    /// ```
    /// # use syncline::{Event, EventRef, EventType};
    /// # let lab = syncline_sim::lab(0..1);
    /// let lab = lab.tell(|event| match event.name {
    ///     "poll.voted" => format!("{} votes {}", event.payload[0], event.payload[1]),
    ///     _ => format!("{event:?}"),
    /// });
    /// ```
    ///
    /// An event that is about to be written has no bundle and no time yet: its `dot` and its `stamp` mean nothing.
    pub fn tell(mut self, tell: impl Fn(&EventRef<'_>) -> String + Send + Sync + 'static) -> Self {
        self.stack.tell = Some(Arc::new(tell));
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

    /// Runs all histories, up to the first that breaks a law: that one is shrunk and told.
    ///
    /// If the environment variable `SYNCLINE_LAB` names a history, only that one is run. If `SYNCLINE_LAB_HISTORIES` holds a number,
    /// so many histories are run, from the first seed on.
    ///
    /// Histories that test nothing are a failure, too ([`Law::SomethingIsTested`]): if a view under test has no row in any of them, or
    /// if devices wrote a thousand pairs of events that could have met in a row, and none did. (Rows that are named by bundle, origin
    /// or time need no meeting, because nobody else can touch them.)
    ///
    /// # Errors
    /// [`Failure`]: the law, the smallest history found that breaks it, and how to run it again.
    ///
    /// # Panics
    /// If one of the environment variables cannot be read.
    pub fn run(&self) -> Result<Summary, Box<Failure>> {
        let named = named();
        // A history that is run again need not be enough of a test.
        let replayed = named.is_some();
        let cases = named.map_or_else(|| self.cases(), |case| vec![case]);
        let mut summary = Summary::default();
        for case in cases {
            let outcome = self.outcome(&case, false);
            summary.add(&outcome);
            if let Some(finding) = outcome.finding {
                return Err(Box::new(self.explain(case, &finding)));
            }
        }
        match self.untested(&summary) {
            Some(finding) if !replayed => Err(Box::new(self.idle(finding))),
            _ => Ok(summary),
        }
    }

    fn cases(&self) -> Vec<Case> {
        let Range { start, end } = self.seeds;
        let asked = end.saturating_sub(start);
        let count = from_environment::<u64>(HISTORIES).filter(|_| asked > 0).unwrap_or(asked);
        (start..start.saturating_add(count)).map(|seed| Case::new(self.profile, seed, self.steps)).collect()
    }

    /// Runs one history. With `story` it tells what happens.
    pub fn outcome(&self, case: &Case, story: bool) -> Outcome {
        self.outcome_of(&case.plan(), story)
    }

    /// Runs a plan, as [`histories`](crate::histories) draws them for property tests.
    pub fn outcome_of(&self, plan: &Plan, story: bool) -> Outcome {
        history::run(plan, &self.stack, story)
    }

    /// Runs a plan as [`histories`](crate::histories) draws them, and tells what happens in it if it breaks a law.
    ///
    /// # Errors
    /// [`Failure`]: the law, and the story. The plan is not shrunk: proptest does that.
    pub fn check(&self, plan: &Plan) -> Result<Outcome, Box<Failure>> {
        let outcome = self.outcome_of(plan, false);
        match &outcome.finding {
            Some(finding) => Err(Box::new(self.told((plan.case.clone(), plan.case.clone()), finding))),
            None => Ok(outcome),
        }
    }

    /// Shrinks a history that breaks a law, and tells what happens in it.
    pub fn explain(&self, case: Case, finding: &Finding) -> Failure {
        if finding.law == Law::SomethingIsTested {
            return self.idle(finding.clone());
        }
        let smallest = shrink(case.clone(), finding.law, &self.stack);
        self.told((case, smallest), finding)
    }

    /// Tells a history that breaks a law, and of which history it is a part.
    fn told(&self, (whole, case): (Case, Case), finding: &Finding) -> Failure {
        let mut outcome = self.outcome(&case, true);
        // What is not pure shows itself otherwise each time: tell a run that shows what was found.
        for _ in 1..TELLINGS_MAX {
            if outcome.finding.as_ref().is_some_and(|found| found.law == finding.law) {
                break;
            }
            outcome = self.outcome(&case, true);
        }
        let finding = outcome.finding.unwrap_or_else(|| finding.clone());
        let mut names = Names::default();
        let story = names.story(terse(outcome.story));
        let finding = Finding { detail: names.shorten(&finding.detail), ..finding };
        Failure { whole, case, finding, story, own: self.stack.is_own() }
    }

    /// Why these histories have tested nothing of a view, if that is so.
    pub(crate) fn untested(&self, summary: &Summary) -> Option<Finding> {
        let views = self.stack.views_of(true).map(|view| &view.id);
        let mut views = views.filter(|_| !self.stack.own_views && summary.histories > 0);
        views.find_map(|view| {
            let why = summary.touched.get(view).copied().unwrap_or_default().untested()?;
            Some(Finding { law: Law::SomethingIsTested, detail: format!("{view} {why}") })
        })
    }

    fn idle(&self, finding: Finding) -> Failure {
        let case = Case::new(self.profile, self.seeds.start, self.steps);
        Failure { whole: case.clone(), case, finding, story: Vec::new(), own: false }
    }
}

/// The history that the environment names, if it names one.
///
/// # Panics
/// If it names none that there is.
pub(crate) fn named() -> Option<Case> {
    from_environment(REPLAY)
}

/// What an environment variable holds, if it is set.
fn from_environment<T: FromStr<Err: fmt::Display>>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|why| panic!("{variable}={text}: {why}")))
}
