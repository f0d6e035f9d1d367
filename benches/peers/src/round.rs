//! One round of one system: replicas write, a hub has all of it, and a replica that has nothing yet fetches it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::Failure;
use crate::plan::{Change, Plan, WRITERS};

/// What each key holds.
pub(crate) type State = BTreeMap<String, String>;

/// One replica of a system.
pub(crate) trait Replica: Sized {
    /// A replica without data. `number` is its own; files go into `folder`.
    fn create(folder: &Path, number: u64) -> Result<Self, Failure>;

    /// Writes the changes as one bundle: in the log and in the rows when it returns.
    fn write(&mut self, bundle: &[Change]) -> Result<(), Failure>;

    /// Takes everything that another one has. Not measured.
    fn merge(&mut self, other: &mut Self) -> Result<(), Failure>;

    /// Fetches everything that a hub has, the hub's part of the work included.
    fn fetch(&mut self, hub: &mut Self) -> Result<(), Failure>;

    /// What the replica holds.
    fn state(&mut self) -> Result<State, Failure>;
}

/// The CPU time of one round, of all threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) writes: Duration,
    pub(crate) fresh: Duration,
}

/// Measures one round.
pub(crate) fn measure<R: Replica>(plan: &Plan) -> Result<Round, Failure> {
    let folder = tempfile::Builder::new().prefix("syncline-peers-").tempdir_in(&plan.folder)?;
    let mut writers = Vec::new();
    let mut writes = Duration::ZERO;
    for number in 1..=WRITERS {
        let bundles = plan.bundles(number);
        let mut writer = R::create(folder.path(), number)?;
        let before = cpu();
        bundles.iter().try_for_each(|bundle| writer.write(bundle))?;
        writes += cpu() - before;
        writers.push(writer);
    }
    let mut hub = R::create(folder.path(), WRITERS + 1)?;
    writers.iter_mut().try_for_each(|writer| hub.merge(writer))?;
    let mut replica = R::create(folder.path(), WRITERS + 2)?;
    let before = cpu();
    replica.fetch(&mut hub)?;
    let fresh = cpu() - before;
    check(plan, &replica.state()?)?;
    Ok(Round { writes, fresh })
}

/// Checks that each key holds something that was written to it, and that none is missing.
fn check(plan: &Plan, state: &State) -> Result<(), Failure> {
    let mut written: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for change in (1..=WRITERS).flat_map(|number| plan.bundles(number)).flatten() {
        written.entry(change.key()).or_default().push(change.value);
    }
    if state.len() != written.len() {
        return Err(format!("{} keys have arrived of {}", state.len(), written.len()).into());
    }
    match state.iter().find(|(key, value)| !written.get(*key).is_some_and(|values| values.contains(value))) {
        Some((key, value)) => Err(format!("{key} holds {value:?}, which nobody has written to it").into()),
        None => Ok(()),
    }
}

/// The CPU time that this process has taken so far, with all threads.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below a second"))
}
