//! One replica of the replay: its store, its clock, its way to the server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use syncline::attributes::{Attribute, Attributes, Op};
use syncline::replica::SyncReport;
use syncline::store::{Durability, RowRange};
use syncline::{Event, NTP64, Replica};
use syncline_http::{HttpTransport, Traffic};

use crate::cli::Clock;
use crate::digest::Digest;
use crate::entity::entity;
use crate::history::{Change, Commit};
use crate::server::{self, Access};
use crate::stores::{Opened, Stores};

/// The attribute that holds a path's content id.
const CONTENT: &str = "id";
/// Changes written as one bundle. Larger commits become several bundles, written one after the other.
const CHANGES_PER_BUNDLE: usize = 2_000;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One replica.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where its store lies, where that is on this machine.
    pub(crate) path: Option<PathBuf>,
    pub(crate) durability: Durability,
    replica: Replica,
    transport: Arc<HttpTransport>,
    /// The author date that the clock shows; none if it shows the machine's time.
    date: Option<Arc<AtomicU64>>,
}

impl Member {
    /// Opens a replica on a store of its own.
    pub(crate) async fn open(stores: &Stores<'_>, access: &Access, clock: Clock) -> Result<Self, Failure> {
        let Opened { store, durability, path } = stores.of(&access.device).await?;
        let date = (clock == Clock::History).then(|| Arc::new(AtomicU64::new(0)));
        let shown = date.clone();
        let now =
            move || shown.as_ref().map_or_else(syncline_os::wall_clock, |date| NTP64(date.load(Ordering::Relaxed)));
        let replica = Replica::compose(server::space(), store).clock(now).projection(Attributes);
        let replica = replica.on_fork(syncline_os::replica_id);
        let replica = replica.open(syncline_os::replica_id()).await?;
        let transport = Arc::new(HttpTransport::builder(&access.url, &access.token).build()?);
        Ok(Self { name: access.device.clone(), path, durability, replica, transport, date })
    }

    /// Writes one commit.
    pub(crate) async fn write(&self, commit: &Commit) -> Result<(), Failure> {
        if let Some(date) = &self.date {
            // Dates before 1970 show as 1970.
            let since_1970 = Duration::from_secs(u64::try_from(commit.author_time_s).unwrap_or_default());
            date.store(syncline_os::ntp64(since_1970).0, Ordering::Relaxed);
        }
        for changes in commit.changes.chunks(CHANGES_PER_BUNDLE) {
            let events = changes.iter().map(event).collect::<Result<Vec<_>, _>>()?;
            self.replica.write(&events).await?;
        }
        Ok(())
    }

    /// Exchanges logs with the server, and takes nothing less than a complete exchange.
    pub(crate) async fn sync(&self) -> Result<SyncReport, Failure> {
        let report = self.replica.sync(&*self.transport).await?;
        match (&report.stopped, &report.held, report.refused.is_empty()) {
            (None, None, true) => Ok(report),
            (Some(problem), ..) => Err(format!("{}: the server stopped a push: {problem}", self.name).into()),
            (_, Some(held), _) => {
                Err(format!("{}: bundle {} is held back: {}", self.name, held.dot, held.drift).into())
            }
            (_, _, false) => Err(format!("{}: the server refused {} bundles", self.name, report.refused.len()).into()),
        }
    }

    /// The digest of the replica's state.
    pub(crate) async fn digest(&self) -> Result<Digest, Failure> {
        let rows = self.replica.attributes()?.present(RowRange::all()).await?;
        let mut state = Vec::with_capacity(rows.len());
        for (attribute, row) in rows {
            let id = row.text().ok_or_else(|| format!("the content id of {} is no text", attribute.entity()))?;
            state.push((attribute.entity().to_owned(), id));
        }
        Ok(Digest::of(state))
    }

    /// Bytes on the wire so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.transport.traffic()
    }
}

fn event(change: &Change) -> Result<Event, Failure> {
    let attribute = |path: &str| {
        Attribute::new(&entity(path), CONTENT)
            .map_err(|error| Failure::from(format!("the path {path:?} cannot be an entity: {error}")))
    };
    Ok(match change {
        Change::Write { path, id } => Op::set(&attribute(path)?, id.as_str()),
        Change::Delete { path } => Op::delete(&attribute(path)?),
    })
}
