//! Streams over a store whose connections are few, as a database's are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::join_all;
use syncline::authority::{Authority, AuthorityError, Claim, Principal, Role};
use syncline::store::{
    Committed, Durability, EventStore, Limit, LogStatus, Page, RowFold, Storage, StoreError, StoredRun, WriteBatch,
    forward,
};
use syncline::{Cursor, MemoryStore, ReplicaId, Seq, Service, SpaceId, Transport};
use syncline_conformance::{Author, new_log_id, space};
use syncline_http::{HttpTransport, RouterOptions, Server, ServerOptions, Shutdown, router};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

use crate::fleet::in_time;
use crate::people::{ANN, People, SPACE};
use crate::site::{NOW, push, pushed};

/// The one connection that everything shares, and how often it was asked for.
#[derive(Debug)]
pub(crate) struct Pool {
    connection: Semaphore,
    pub(crate) asked: AtomicUsize,
}

impl Pool {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { connection: Semaphore::new(1), asked: AtomicUsize::new(0) })
    }

    /// The connection, and a way to go before the answer is here.
    async fn lease(&self) -> SemaphorePermit<'_> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let connection = self.connection.acquire().await.unwrap();
        yield_now().await;
        connection
    }
}

/// Something that takes the connection for each question.
#[derive(Debug)]
struct Pooled<T: ?Sized> {
    pool: Arc<Pool>,
    inner: Arc<T>,
}

#[async_trait]
impl Storage for Pooled<dyn EventStore> {
    async fn open(&self, _: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        Ok(Arc::new(Pooled { pool: self.pool.clone(), inner: self.inner.clone() }))
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        Ok(vec![space(SPACE)])
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Pooled<dyn EventStore> {
    forward!(self.inner: load, scan, changed);

    async fn status(&self) -> Result<LogStatus, StoreError> {
        let _connection = self.pool.lease().await;
        self.inner.status().await
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let _connection = self.pool.lease().await;
        self.inner.read(after, limit).await
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        let _connection = self.pool.lease().await;
        self.inner.read_origin(origin, after, limit).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let _connection = self.pool.lease().await;
        self.inner.commit(batch).await
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        let _connection = self.pool.lease().await;
        self.inner.commit_folded(batch, fold).await
    }
}

#[async_trait]
impl Authority for Pooled<People> {
    async fn authenticate(&self, credential: &str) -> Result<Option<Principal>, AuthorityError> {
        let _connection = self.pool.lease().await;
        self.inner.authenticate(credential).await
    }

    async fn role(&self, principal: &Principal, space: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        let _connection = self.pool.lease().await;
        self.inner.role(principal, space).await
    }

    async fn owners(&self, origins: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        self.inner.owners(origins).await
    }

    async fn claim(&self, principal: &Principal, origin: ReplicaId) -> Result<Claim, AuthorityError> {
        self.inner.claim(principal, origin).await
    }
}

/// Serves an empty log over this pool, and gives the owner's client and where the log begins.
async fn serve(pool: &Arc<Pool>, options: RouterOptions) -> (HttpTransport, Cursor) {
    let log = new_log_id();
    (serve_log(pool, Arc::new(MemoryStore::new(log)), options).await, Cursor::start(log))
}

/// Serves this log over this pool, and gives the owner's client.
pub(crate) async fn serve_log(pool: &Arc<Pool>, log: Arc<dyn EventStore>, options: RouterOptions) -> HttpTransport {
    let storage = Pooled { pool: pool.clone(), inner: log };
    let people = Pooled { pool: pool.clone(), inner: Arc::new(People::default()) };
    let service = Arc::new(Service::new(Arc::new(storage), Arc::new(people), Arc::new(|| NOW)));
    let server = Server::bind("127.0.0.1:0").await.unwrap().with_options(ServerOptions::default());
    let client = HttpTransport::builder(&format!("http://{}", server.address()), ANN).attempts(1).build().unwrap();
    tokio::spawn(server.serve(router(service, options), Shutdown::new()));
    client
}

#[tokio::test]
async fn streams_that_look_at_their_tokens_while_they_wait_for_news_keep_no_connection_from_anybody() {
    let pool = Pool::new();
    let (client, start) = serve(&pool, RouterOptions::default().with_watch_recheck(Duration::from_millis(1))).await;
    in_time(async {
        let mut streams = join_all((0..20).map(async |_| client.watch(&space(SPACE), start).await.unwrap())).await;
        let mut ann = Author::new(1);
        for _ in 0..30 {
            pushed(client.call(push([ann.write(1)])).await);
        }
        for stream in &mut streams {
            while stream.next().await.unwrap().unwrap().head.position.get() < 30 {}
        }
    })
    .await;
}

#[tokio::test]
async fn what_watchers_have_to_know_of_a_commit_is_asked_once_for_all() {
    let pool = Pool::new();
    let hour = Duration::from_secs(3_600);
    let (client, start) = serve(&pool, RouterOptions::default().with_watch_recheck(hour)).await;
    in_time(async {
        let mut streams = join_all((0..50).map(async |_| client.watch(&space(SPACE), start).await.unwrap())).await;
        for stream in &mut streams {
            stream.next().await.unwrap().unwrap();
        }
        let before = pool.asked.load(Ordering::Relaxed);
        pushed(client.call(push([Author::new(1).write(1)])).await);
        let by_the_push = pool.asked.load(Ordering::Relaxed);
        for stream in &mut streams {
            assert_eq!(stream.next().await.unwrap().unwrap().head.position.get(), 1);
        }
        let all = pool.asked.load(Ordering::Relaxed) - before;
        assert!(all <= 10, "{all} questions, {} of them by the push or before it was answered", by_the_push - before);
    })
    .await;
}
