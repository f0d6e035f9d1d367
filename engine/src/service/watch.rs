//! Following a log: a notice at once, then one whenever the head has moved or the log was replaced.
//!
//! One commit wakes everybody who watches the space. The answer needs the end of the log and the role of each watcher. Both are
//! queried once for all of them. Otherwise a thousand watchers would send two thousand queries to a database for each push.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join};
use futures_util::stream::{BoxStream, StreamExt, try_unfold};

use super::{Service, ServiceError, gone};
use crate::authority::{Principal, Role};
use crate::caught::caught_in;
use crate::id::{Cursor, Revision, SpaceId};
use crate::protocol::Notice;
use crate::store::EventStore;

impl Service {
    /// Follows a space's log: a notice at once, then one whenever the head has moved or the log was replaced. Ends with an error when
    /// the principal's role is taken away.
    ///
    /// # Errors
    /// As [`answer`](Self::answer), at once or as the stream's last item.
    ///
    /// # Cancel
    /// Dropping the stream ends it. A stream that is not read for a while blocks nobody.
    pub async fn watch(
        self: &Arc<Self>,
        principal: &Principal,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, ServiceError>>, ServiceError> {
        let store = self.permitted_store(principal, space, Role::Reader).await?;
        let status = store.status().await?;
        crate::store::check::check_cursor(after, &status).map_err(gone)?;
        let news =
            self.watched.lock().unwrap_or_else(PoisonError::into_inner).entry(space.clone()).or_default().clone();
        let (service, principal, space) = (self.clone(), principal.clone(), space.clone());
        let watcher = Watcher { service, principal, space, store, news, told: None };
        Ok(try_unfold(watcher, |mut watcher| async move { Ok(Some((watcher.next().await?, watcher))) }).boxed())
    }
}

/// One watch stream.
struct Watcher {
    service: Arc<Service>,
    principal: Principal,
    space: SpaceId,
    store: Arc<dyn EventStore>,
    news: Arc<News>,
    /// What the last notice told.
    told: Option<End>,
}

/// What nobody shares any more is forgotten with the last watcher of a space.
impl Drop for Watcher {
    fn drop(&mut self) {
        let mut watched = self.service.watched.lock().unwrap_or_else(PoisonError::into_inner);
        // One is the map's, one is this watcher's. Others are made under the lock.
        if Arc::strong_count(&self.news) <= 2 {
            watched.remove(&self.space);
        }
    }
}

impl Watcher {
    async fn next(&mut self) -> Result<Notice, ServiceError> {
        loop {
            let end = match self.told {
                None => self.look().await?,
                Some(told) => self.hear(self.store.changed(told.revision).await?).await?,
            };
            let before = self.told.replace(end);
            if before.is_none_or(|before| end.head.log != before.head.log || end.head.position > before.head.position) {
                return Ok(Notice { head: end.head });
            }
        }
    }

    /// The end of the log at this revision or a later one, asked together with all who watch it.
    async fn hear(&self, revision: Revision) -> Result<End, ServiceError> {
        let (end, role) = self.news.since(revision, self);
        match join(end, role).await {
            (Some(end), true) => Ok(end),
            // What has failed for all is asked once more by each, who thereby learns why.
            _ => self.look().await,
        }
    }

    /// Looks for oneself.
    async fn look(&self) -> Result<End, ServiceError> {
        let role = caught_in(self.service.permitted_store(&self.principal, &self.space, Role::Reader)).await;
        role.map_err(ServiceError::Panicked)??;
        End::of(&*self.store).await
    }
}

/// The end of a log at one revision.
#[derive(Debug, Clone, Copy)]
struct End {
    revision: Revision,
    head: Cursor,
}

impl End {
    async fn of(store: &dyn EventStore) -> Result<Self, ServiceError> {
        let status = store.status().await?;
        Ok(Self { revision: status.revision, head: Cursor { log: status.log, position: status.head } })
    }
}

type Asked<T> = Shared<BoxFuture<'static, T>>;

/// What those who watch a space have asked for since its last commit that they know of.
#[derive(Debug, Default)]
pub(super) struct News(Mutex<Round>);

/// What is asked about one revision, or is known by now.
#[derive(Debug, Default)]
struct Round {
    revision: Revision,
    /// `None` if it cannot be read.
    end: Option<Asked<Option<End>>>,
    /// Whether each may read; not if that cannot be found out.
    roles: BTreeMap<Principal, Asked<bool>>,
}

impl News {
    /// The end of the log, and whether the watcher may learn of it, both asked after this revision was committed.
    fn since(&self, revision: Revision, watcher: &Watcher) -> (Asked<Option<End>>, Asked<bool>) {
        let mut round = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if round.end.is_none() || round.revision < revision {
            *round = Round { revision, ..Round::default() };
        }
        let end = round.end.get_or_insert_with(|| {
            let store = watcher.store.clone();
            let asking = async move { caught_in(End::of(&*store)).await.ok().and_then(Result::ok) };
            asking.boxed().shared()
        });
        let end = end.clone();
        let role = round.roles.entry(watcher.principal.clone()).or_insert_with(|| {
            let (principal, space) = (watcher.principal.clone(), watcher.space.clone());
            // Not the whole service: it keeps what is asked here, and would never be dropped.
            let authority = watcher.service.authority.clone();
            let asking = async move {
                let role = caught_in(authority.role(&principal, &space)).await;
                role.is_ok_and(|role| role.is_ok_and(|role| role >= Some(Role::Reader)))
            };
            asking.boxed().shared()
        });
        (end, role.clone())
    }
}
