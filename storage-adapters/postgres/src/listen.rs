//! Hearing of other processes' commits: one connection that listens, and a look at all watched spaces now and then. Behind a pooler,
//! if a connection has no session to listen in, there are only the looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use syncline::id::Revision;
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::announce;
use crate::connector::{Connector, Way};
use crate::error::Result;
use crate::pool::Pool;
use crate::space::{Space, Spaces};
use crate::work::Work;

/// How often to look, unless the user has told.
pub(crate) fn poll_interval(way: Way) -> Duration {
    match way {
        Way::Straight => Duration::from_secs(2),
        Way::Pooled => Duration::from_millis(250),
    }
}

/// Starts to listen when somebody waits for the first time, and stops when it is dropped.
pub(crate) struct Listener {
    ear: Ear,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Clone)]
struct Ear {
    connector: Arc<Connector>,
    channel: String,
    poll_interval: Duration,
    spaces: Arc<Spaces>,
}

impl Listener {
    pub(crate) fn new(
        connector: Arc<Connector>,
        channel: String,
        poll_interval: Duration,
        spaces: Arc<Spaces>,
    ) -> Self {
        Self { ear: Ear { connector, channel, poll_interval, spaces }, task: Mutex::new(None) }
    }

    /// Listens from now on. What was committed before it began to is found by a look.
    pub(crate) fn start(&self, runtime: &tokio::runtime::Handle) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(AbortHandle::is_finished) {
            *task = Some(runtime.spawn(self.ear.clone().stay()).abort_handle());
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        task.iter().for_each(AbortHandle::abort);
    }
}

impl Ear {
    /// Listens for ever, connecting again if it has to.
    async fn stay(self) {
        let looks = Pool::new(self.connector.clone(), 1, self.patience());
        let mut ticks = interval(self.poll_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The driver's listener wants a pool.
        let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).acquire_timeout(self.patience());
        let pool = pool.connect_lazy_with(self.connector.target().plain().clone());
        loop {
            ticks.tick().await;
            let listener = match self.connector.way() {
                Way::Straight => self.tune_in(&pool).await.ok(),
                Way::Pooled => None,
            };
            self.look(&looks).await;
            if let Some(listener) = listener {
                self.listen(listener, &looks, &mut ticks).await;
            }
        }
    }

    /// Listens until the connection is lost.
    async fn listen(&self, mut listener: PgListener, looks: &Pool, ticks: &mut Interval) {
        let mut hears = true;
        loop {
            tokio::select! {
                heard = listener.try_recv() => match heard {
                    Ok(Some(notification)) => self.hear(notification.payload()),
                    Ok(None) | Err(_) => return,
                },
                _ = ticks.tick() => {
                    // News, and nothing was heard for so long: the connection may be dead without saying so.
                    if self.look(looks).await && !hears {
                        return;
                    }
                    hears = false;
                    continue;
                }
            }
            hears = true;
        }
    }

    async fn tune_in(&self, pool: &PgPool) -> sqlx::Result<PgListener> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        Ok(listener)
    }

    fn hear(&self, announcement: &str) {
        let Some((space, revision)) = announce::read(announcement) else { return };
        if let Some(space) = self.spaces.get(space) {
            space.hear(revision);
        }
    }

    /// Asks for the revisions of all spaces that somebody watches, and tells whether there was news. What cannot be asked now is
    /// asked at the next look.
    async fn look(&self, pool: &Pool) -> bool {
        let watched = self.spaces.watched();
        if watched.is_empty() {
            return false;
        }
        let asking = revisions(pool, &watched);
        let Ok(Ok(found)) = timeout(self.patience(), asking).await else { return false };
        let mut news = false;
        for (name, revision) in found {
            let revision = Revision::new(u64::try_from(revision).unwrap_or_default());
            for space in watched.iter().filter(|space| space.name.as_str() == name) {
                news |= revision > space.heard();
                space.hear(revision);
            }
        }
        news
    }

    /// Longer than this no look takes, so that a server that does not answer is asked again.
    fn patience(&self) -> Duration {
        self.poll_interval.max(Duration::from_secs(5))
    }
}

/// The revisions of these spaces.
async fn revisions(pool: &Pool, spaces: &[Arc<Space>]) -> Result<Vec<(String, i64)>> {
    let names: Vec<&str> = spaces.iter().map(|space| space.name.as_str()).collect();
    let select = "SELECT name, revision FROM spaces WHERE name = ANY($1)";
    let mut lease = pool.lease().await?;
    lease.start(Work::Statements).await?;
    let found = sqlx::query_as(select).bind(names).fetch_all(&mut *lease).await?;
    lease.end().await?;
    lease.give_back();
    Ok(found)
}
