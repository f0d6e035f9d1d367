//! What is under test: projections, stores, ways and what devices write. By default the lab's own.

use std::fmt;
use std::sync::Arc;

use syncline::projection::{Fold, RowState};
use syncline::replica::Compose;
use syncline::{Projection, Transport, ViewId};

use crate::rng::Rng;
use crate::rows::Rows;
use crate::shared::Shared;
use crate::stores::Stores;
use crate::tell::{TellEvent, TellRow, shown};
use crate::workload::{Cells, Writes, writes};

/// One projection under test.
#[derive(Clone)]
pub(crate) struct ViewUnderTest {
    pub(crate) id: ViewId,
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) compose: Arc<dyn Fn(Compose) -> Compose + Send + Sync>,
    /// Tells a row to people.
    pub(crate) tell: TellRow,
    /// Only upgraded devices have it.
    pub(crate) newer: bool,
}

/// Makes the stores of one history.
pub(crate) type MakeStores = Arc<dyn Fn() -> Arc<dyn Stores> + Send + Sync>;
/// Puts something between a replica and its way to a peer.
pub(crate) type Detour = Arc<dyn Fn(Arc<dyn Transport>) -> Arc<dyn Transport> + Send + Sync>;

/// A bad way of using the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// Replicas and servers believe any time.
    NoBound,
    /// Nobody does anything about a fork.
    LeavesForks,
    /// A forked device continues in a fresh store, and what was pending is forgotten.
    ForgetsPending,
    /// A forked device continues in a fresh store, and writes again what others have.
    WritesAllAgain,
    /// Two servers have two policies.
    TwoPolicies,
    /// Nobody is told that a clock was corrected.
    HidesCorrections,
    /// What a live sync leaves out is not tried again by itself.
    ForgetsLeftOut,
    /// A live sync relies on its watch.
    NeverPolls,
    /// Accounts mix up the owners of origins.
    MixesOwners,
    /// An archive acknowledges segments and keeps none.
    ArchivesNothing,
    /// An archive keeps the first half of each segment.
    ArchivesHalf,
    /// After a restart of its process a server trims without its archive.
    TrimsUnarchived,
}

/// The composition under test.
#[derive(Clone)]
pub(crate) struct Stack {
    pub(crate) writes: Writes,
    /// How the user tells events to people.
    pub(crate) tell: Option<TellEvent>,
    pub(crate) views: Vec<ViewUnderTest>,
    /// Whether the lab knows what its rows must be.
    pub(crate) own_views: bool,
    pub(crate) stores: Option<MakeStores>,
    pub(crate) detour: Option<Detour>,
    /// How the application uses the engine badly if it does.
    pub(crate) misuse: Option<Misuse>,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let views: Vec<_> = self.views.iter().map(|view| &view.id).collect();
        f.debug_struct("Stack")
            .field("views", &views)
            .field("own_stores", &self.stores.is_some())
            .finish_non_exhaustive()
    }
}

impl ViewUnderTest {
    pub(crate) fn new<P: Projection<State: fmt::Debug>>(projection: P, newer: bool) -> Self {
        let tell = |row: &[u8]| P::State::decode(row).map_or_else(|_| shown(row), |state| format!("{state:?}"));
        let shared = Shared::new(projection);
        let (id, fold) = (Projection::view(&shared), Arc::new(shared.clone()));
        let compose = move |compose: Compose| compose.projection(shared.clone());
        Self { id, fold, compose: Arc::new(compose), tell: Arc::new(tell), newer }
    }

    /// The name of the view, without its version.
    fn name(&self) -> &str {
        self.id.as_str().split('@').next().unwrap_or_default()
    }
}

impl Stack {
    /// The lab's own events and views, in memory.
    pub(crate) fn own() -> Self {
        let views = vec![ViewUnderTest::new(Cells::of_set(), false), ViewUnderTest::new(Cells::of_tag(), true)];
        let writes = Arc::new(|rng: &mut Rng, _: &Rows| writes(rng));
        Self { writes, tell: None, views, own_views: true, stores: None, detour: None, misuse: None }
    }

    /// The views of a device of the old or of the new version. A newer view replaces the older one of its name.
    pub(crate) fn views_of(&self, upgraded: bool) -> impl Iterator<Item = &ViewUnderTest> {
        let replaced = |view: &ViewUnderTest| self.views.iter().any(|other| other.newer && other.name() == view.name());
        self.views.iter().filter(move |view| if view.newer { upgraded } else { !upgraded || !replaced(view) })
    }

    /// Whether the user has brought a newer version of the program.
    pub(crate) fn has_own_upgrade(&self) -> bool {
        !self.own_views && self.views.iter().any(|view| view.newer)
    }

    /// Whether nothing of the user's is in it.
    pub(crate) fn is_own(&self) -> bool {
        self.own_views && self.stores.is_none() && self.detour.is_none() && self.misuse.is_none()
    }

    /// Whether a fork is left to the application: its replicas are given no new identities.
    pub(crate) fn forks_are_left(&self) -> bool {
        matches!(self.misuse, Some(Misuse::LeavesForks | Misuse::ForgetsPending | Misuse::WritesAllAgain))
    }
}
