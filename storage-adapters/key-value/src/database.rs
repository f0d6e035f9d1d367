//! An open database: its threads, and the ways to them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};

use futures_channel::oneshot;
use syncline::store::{Committed, Retry, StoreError, WriteBatch};
use syncline::{LogId, SpaceId};

use crate::backend::KeyValue;
use crate::error::{Result, guarded};
use crate::poison::Poison;
use crate::queue::Queue;
use crate::record::Status;
use crate::schema;
use crate::space::{OpenSpaces, Space};
use crate::writer::{Commit, Counters, Job, Open, Writer};

/// Threads that read.
const READERS: usize = 2;
/// Bytes of commits that may wait for the writer, which takes them all at once, before others wait for room.
const QUEUED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Reads that may wait before others wait for room.
const QUEUED_READS_MAX: usize = 1024;

/// One read, with its answer.
type Request<K> = Box<dyn FnOnce(&K) + Send>;

/// An open database. The threads end and the backend closes when this is dropped.
pub(crate) struct Database<K: KeyValue> {
    what: String,
    poison: Arc<Poison>,
    spaces: Arc<OpenSpaces>,
    counters: Arc<Counters>,
    jobs: Arc<Queue<Job>>,
    requests: Arc<Queue<Request<K>>>,
    threads: Vec<JoinHandle<()>>,
    // Last, so that it closes behind the threads.
    backend: Arc<K>,
}

impl<K: KeyValue> fmt::Debug for Database<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("what", &self.what).field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl<K: KeyValue> Database<K> {
    /// Checks the format, or sets it, and starts the threads.
    pub(crate) fn open(backend: K, what: String) -> Result<Self, StoreError> {
        guarded(K::NAME, &what, || schema::prepare(&backend, &what).map_err(|fault| fault.of(K::NAME)))?;
        let mut database = Self {
            what,
            poison: Arc::new(Poison::new(K::NAME)),
            spaces: Arc::default(),
            counters: Arc::default(),
            jobs: Arc::new(Queue::new(QUEUED_BYTES_MAX)),
            requests: Arc::new(Queue::new(QUEUED_READS_MAX)),
            threads: Vec::new(),
            backend: Arc::new(backend),
        };
        for _ in 0..READERS {
            let (backend, requests) = (database.backend.clone(), database.requests.clone());
            database.spawn("reader", move || {
                while let Some(request) = requests.pop() {
                    request(&backend);
                }
            })?;
        }
        let writer = Writer {
            backend: database.backend.clone(),
            poison: database.poison.clone(),
            spaces: database.spaces.clone(),
            counters: database.counters.clone(),
        };
        let jobs = database.jobs.clone();
        database.spawn("writer", move || writer.run(&jobs))?;
        Ok(database)
    }

    pub(crate) fn backend(&self) -> &K {
        &self.backend
    }

    /// Commits answered, and writes that it took.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.counters.commits.load(Ordering::Relaxed), self.counters.writes.load(Ordering::Relaxed))
    }

    /// # Errors
    /// [`StoreError::Poisoned`].
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.poison.check()
    }

    /// Reads from one moment, on one of the reading threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&K::Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.request(move |backend| ask(&backend.snapshot()?)).await
    }

    /// Reads from one moment of a space, on one of the reading threads. What a status shows that was seen before, this
    /// shows too, and the other way round.
    pub(crate) async fn read_space<T: Send + 'static>(
        &self,
        space: &Arc<Space>,
        ask: impl FnOnce(&K::Snapshot<'_>, &Space, &Status) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (space, poison) = (space.clone(), self.poison.clone());
        let read = move |backend: &K| {
            let snapshot = backend.snapshot()?;
            let status = space.place.status(&snapshot)?;
            let answer = ask(&snapshot, &space, &status)?;
            // The writer may be waiting for this snapshot to end before it makes known what the snapshot shows.
            drop(snapshot);
            space.await_published(status.revision, &poison)?;
            Ok(answer)
        };
        self.request(read).await
    }

    async fn request<T: Send + 'static>(
        &self,
        read: impl FnOnce(&K) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        let what = self.what.clone();
        let request = move |backend: &K| {
            if !answer.is_canceled() {
                let read = || read(backend).map_err(|fault| fault.of(K::NAME));
                let _ = answer.send(guarded(K::NAME, &what, read));
            }
        };
        self.requests.push(Box::new(request), 1).await.map_err(|_| self.ended())?;
        answered.await.map_err(|_| self.ended())?
    }

    /// Commits, sharing a write with others that wait. Happens even if the future is dropped, once it was polled.
    pub(crate) async fn commit(&self, space: &Arc<Space>, batch: WriteBatch) -> Result<Committed, StoreError> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        let weight = Commit::weight(&batch);
        let commit = Commit { space: space.clone(), batch, answer };
        self.jobs.push(Job::Commit(Box::new(commit)), weight).await.map_err(|_| self.ended())?;
        answered.await.map_err(|_| self.ended())?
    }

    /// The space of this name, which is created where it does not exist.
    pub(crate) async fn space(&self, name: &SpaceId) -> Result<Arc<Space>, StoreError> {
        self.check()?;
        if let Some(space) = self.spaces.get(name) {
            return Ok(space);
        }
        let (answer, answered) = oneshot::channel();
        let open = Open { name: name.clone(), fresh: self.new_log_id()?, answer };
        self.jobs.push(Job::Open(open), 1).await.map_err(|_| self.ended())?;
        answered.await.map_err(|_| self.ended())?
    }

    fn new_log_id(&self) -> Result<LogId, StoreError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| failed::<K>(format!("no random numbers: {error}")))?;
        LogId::from_bytes(bytes).ok_or_else(|| failed::<K>("the system's random numbers are all zero".into()))
    }

    fn ended(&self) -> StoreError {
        self.poison.error("a thread has ended early")
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let name = format!("syncline-{}-{name}", K::NAME);
        let thread = Builder::new().name(name).spawn(work);
        self.threads.push(thread.map_err(|error| failed::<K>(format!("no thread can be started: {error}")))?);
        Ok(())
    }
}

fn failed<K: KeyValue>(why: String) -> StoreError {
    StoreError::Backend { backend: K::NAME, retry: Retry::Later, source: why.into() }
}

impl<K: KeyValue> Drop for Database<K> {
    fn drop(&mut self) {
        self.requests.close();
        self.jobs.close();
        for thread in self.threads.drain(..) {
            // The last handle may be dropped on one of the threads, which then ends by itself.
            if thread.thread().id() != std::thread::current().id() {
                // A thread that panicked has told its callers.
                let _ = thread.join();
            }
        }
    }
}
