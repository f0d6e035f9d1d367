//! Hearing of other processes' commits: one connection that listens, and a look at all watched spaces now and then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use syncline::Revision;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::announce;
use crate::connect::Connector;
use crate::space::Spaces;

/// Starts to listen when somebody waits for the first time, and stops when it is dropped.
pub(crate) struct Listener {
    ear: Ear,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Clone)]
struct Ear {
    connector: Connector,
    channel: String,
    poll_interval: Duration,
    spaces: Arc<Spaces>,
}

impl Listener {
    pub(crate) fn new(connector: Connector, channel: String, poll_interval: Duration, spaces: Arc<Spaces>) -> Self {
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
    /// Listens for ever, connecting anew where it has to.
    async fn stay(self) {
        // The driver's listener wants a pool. This one has a connection to listen on, and one to look with.
        let pool = PgPoolOptions::new().max_connections(2).max_lifetime(None).acquire_timeout(self.patience());
        let connector = self.connector.clone();
        let pool = pool.after_connect(move |connection, _| {
            let connector = connector.clone();
            Box::pin(async move { connector.settle(connection).await })
        });
        let pool = pool.connect_lazy_with(self.connector.options().clone());
        let mut ticks = interval(self.poll_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Ok(mut listener) = self.tune_in(&pool).await else {
                self.look(&pool).await;
                continue;
            };
            self.look(&pool).await;
            let mut hears = true;
            loop {
                tokio::select! {
                    heard = listener.try_recv() => match heard {
                        Ok(Some(notification)) => self.hear(notification.payload()),
                        Ok(None) | Err(_) => break,
                    },
                    _ = ticks.tick() => {
                        // News, and nothing was heard for so long: the connection may be dead without saying so.
                        if self.look(&pool).await && !hears {
                            break;
                        }
                        hears = false;
                        continue;
                    }
                }
                hears = true;
            }
        }
    }

    async fn tune_in(&self, pool: &PgPool) -> Result<PgListener, sqlx::Error> {
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
    async fn look(&self, pool: &PgPool) -> bool {
        let watched = self.spaces.watched();
        if watched.is_empty() {
            return false;
        }
        let names: Vec<&str> = watched.iter().map(|space| space.name.as_str()).collect();
        let select = "SELECT name, revision FROM spaces WHERE name = ANY($1)";
        let asking = sqlx::query_as::<_, (String, i64)>(select).bind(names).fetch_all(pool);
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
