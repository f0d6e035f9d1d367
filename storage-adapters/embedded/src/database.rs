//! An open database: its threads, and the ways to them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};

use futures_channel::oneshot;
use syncline::store::draft::Outcome;
use syncline::store::{Committed, EventStore, LogStatus, Retry, RowFold, StoreError, WriteBatch};
use syncline::{LogId, SpaceId};

use crate::backend::{Backend, Found, Place, Session};
use crate::error::guarded;
use crate::poison::Poison;
use crate::queue::Queue;
use crate::space::{OpenSpaces, Space};
use crate::store::EmbeddedStore;
use crate::writer::{Commit, Counters, Job, Writer};

/// Bytes of commits that may wait for the writer before others wait for room.
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Reads that may wait before others wait for room.
const QUEUED_READS_MAX: usize = 1024;

/// One read, with its answer.
type Request<B> = Box<dyn FnOnce(&B, &mut <B as Backend>::Reader) + Send>;

/// An open database. The threads end and the backend closes when this is dropped.
pub struct Database<B: Backend> {
    what: String,
    poison: Arc<Poison>,
    spaces: Arc<OpenSpaces<B::Key>>,
    counters: Arc<Counters>,
    jobs: Arc<Queue<Job<B>>>,
    requests: Arc<Queue<Request<B>>>,
    readers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
    // Last, so that it closes behind the threads.
    backend: Arc<B>,
}

/// What the writer has done since the database was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStats {
    /// Commits that were answered.
    pub commits: u64,
    /// Transactions, each one wait for the disk, that these commits shared.
    pub transactions: u64,
}

impl<B: Backend> fmt::Debug for Database<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("what", &self.what).field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl<B: Backend> Database<B> {
    /// Starts the threads of a backend that is open and ready. There is one that reads for each of `readers`. `what` names the
    /// database in errors: its path.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if a thread cannot be started.
    pub fn start(
        backend: B,
        what: String,
        writer: B::Writer,
        readers: impl IntoIterator<Item = B::Reader>,
    ) -> Result<Self, StoreError> {
        let mut database = Self {
            what,
            poison: Arc::new(Poison::new(B::BOUNDS.backend)),
            spaces: Arc::default(),
            counters: Arc::default(),
            jobs: Arc::new(Queue::new(QUEUED_BYTES_MAX)),
            requests: Arc::new(Queue::new(QUEUED_READS_MAX)),
            readers: Vec::new(),
            writer: None,
            backend: Arc::new(backend),
        };
        for mut reader in readers {
            let (backend, requests) = (database.backend.clone(), database.requests.clone());
            let work = move || {
                while let Some(request) = requests.pop() {
                    request(&backend, &mut reader);
                }
            };
            database.readers.push(spawn::<B>("reader", work)?);
        }
        let writer = Writer {
            backend: database.backend.clone(),
            own: writer,
            poison: database.poison.clone(),
            spaces: database.spaces.clone(),
            counters: database.counters.clone(),
            jobs: database.jobs.clone(),
            expected: 0,
        };
        database.writer = Some(spawn::<B>("writer", move || writer.run())?);
        Ok(database)
    }

    /// What was opened.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// What the writer has done so far.
    pub fn stats(&self) -> WriterStats {
        let Counters { commits, transactions } = &*self.counters;
        WriterStats { commits: commits.load(Ordering::Relaxed), transactions: transactions.load(Ordering::Relaxed) }
    }

    /// Whether the handle can be used.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn check(&self) -> Result<(), StoreError> {
        self.poison.check()
    }

    /// Whether the database can be read, and commits would be kept.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`]; [`StoreError::Backend`] if its files are not where they were opened.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.read(|_| Ok(())).await?;
        self.backend.in_place()
    }

    /// The spaces that exist, in the order of their names.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`], those of the backend, and damage.
    pub async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        self.read(|session| session.spaces()).await
    }

    /// Reads from one moment, on one of the reading threads.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`], those of `ask` and of the backend. A panic is [`StoreError::Corrupt`].
    pub async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&B::Session<'_>) -> Result<T, B::Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.request(move |backend, reader| backend.read(reader, ask).map_err(|fault| backend.tell(fault))).await
    }

    /// Changes something apart from commits, on the writing thread and in a transaction of its own. Happens even if the future
    /// is dropped, once it was polled.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`], those of `change` and of the backend.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&B::Session<'_>, &mut B::Changes) -> Result<T, B::Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.alone(move |writer| writer.transaction(change)).await
    }

    /// Opens a space, and creates it if it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`], those of the backend, and damage.
    pub async fn open(self: &Arc<Self>, name: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        let space = self.space(name).await?;
        Ok(Arc::new(EmbeddedStore::new(self.clone(), space)))
    }

    async fn space(&self, name: &SpaceId) -> Result<Arc<Space<B::Key>>, StoreError> {
        self.check()?;
        if let Some(space) = self.spaces.get(name) {
            return Ok(space);
        }
        let (name, fresh) = (name.clone(), new_log_id::<B>()?);
        let open = move |writer: &mut Writer<B>| {
            if let Some(space) = writer.spaces.get(&name) {
                return Ok(space);
            }
            let found = writer.transaction(|session, changes| match B::find(session, &name)? {
                Some(found) => Ok(found),
                None => Ok(Found { key: B::create(session, changes, &name, fresh)?, status: LogStatus::fresh(fresh) }),
            });
            let Found { key, status } = found?;
            let space = Arc::new(Space::new(Place { key, name }, status));
            writer.spaces.insert(&space);
            Ok(space)
        };
        self.alone(open).await
    }

    /// Reads from one moment of a space, on one of the reading threads. What a status shows that was seen before, this shows too,
    /// and the other way round.
    pub(crate) async fn read_space<T: Send + 'static>(
        &self,
        space: &Arc<Space<B::Key>>,
        ask: impl FnOnce(&B::Session<'_>, &Place<B::Key>) -> Result<T, B::Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (space, poison) = (space.clone(), self.poison.clone());
        let read = move |backend: &B, reader: &mut B::Reader| {
            let read = backend.read(reader, |session| {
                let answer = ask(session, &space.place)?;
                Ok((answer, session.at(&space.place)?.revision))
            });
            let (answer, seen) = read.map_err(|fault| backend.tell(fault))?;
            // Only now, as the writer may be waiting for readers to end before it makes known what they see.
            space.await_published(seen, &poison)?;
            Ok(answer)
        };
        self.request(read).await
    }

    /// Commits, sharing a transaction with others that wait. Happens even if the future is dropped, once it was polled.
    pub(crate) async fn commit(&self, space: &Arc<Space<B::Key>>, batch: WriteBatch) -> Outcome {
        let committed = self.queue(space, batch, None).await?;
        Ok(committed.expect("only a fold declines a commit"))
    }

    /// Commits a batch with rows that are folded from stored rows, on the writing thread. See
    /// [`commit_folded`](EventStore::commit_folded).
    pub(crate) async fn commit_folded(
        &self,
        space: &Arc<Space<B::Key>>,
        batch: WriteBatch,
        fold: RowFold,
    ) -> Result<Option<Committed>, StoreError> {
        self.queue(space, batch, Some(fold)).await
    }

    async fn queue(
        &self,
        space: &Arc<Space<B::Key>>,
        batch: WriteBatch,
        fold: Option<RowFold>,
    ) -> Result<Option<Committed>, StoreError> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        let weight = batch.bytes() + fold.as_ref().map_or(0, RowFold::bytes);
        let job = Job::Commit(Box::new(Commit { space: space.clone(), batch, fold, answer }));
        self.jobs.push(job, weight).await.map_err(|_| self.ended())?;
        answered.await.map_err(|_| self.ended())?.into_outcome()
    }

    async fn request<T: Send + 'static>(
        &self,
        read: impl FnOnce(&B, &mut B::Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        let what = self.what.clone();
        let request = move |backend: &B, reader: &mut B::Reader| {
            if !answer.is_canceled() {
                let _ = answer.send(guarded(B::BOUNDS.backend, &what, || read(backend, reader)));
            }
        };
        self.requests.push(Box::new(request), 1).await.map_err(|_| self.ended())?;
        answered.await.map_err(|_| self.ended())?
    }

    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer<B>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        let job = Job::Alone(Box::new(move |writer| _ = answer.send(work(writer))));
        self.jobs.push(job, 1).await.map_err(|_| self.ended())?;
        answered.await.map_err(|_| self.ended())?
    }

    fn ended(&self) -> StoreError {
        self.poison.error("a thread has ended early")
    }
}

fn new_log_id<B: Backend>() -> Result<LogId, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| failed::<B>(format!("no random numbers: {error}")))?;
    LogId::from_bytes(bytes).ok_or_else(|| failed::<B>("the system's random numbers are all zero".into()))
}

fn spawn<B: Backend>(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let name = format!("syncline-{}-{name}", B::BOUNDS.backend);
    let thread = Builder::new().name(name).spawn(work);
    thread.map_err(|error| failed::<B>(format!("no thread can be started: {error}")))
}

fn failed<B: Backend>(why: String) -> StoreError {
    StoreError::Backend { backend: B::BOUNDS.backend, retry: Retry::Later, source: why.into() }
}

impl<B: Backend> Drop for Database<B> {
    fn drop(&mut self) {
        // The writer ends last, so that it can put the files in order when nobody reads them any more.
        self.requests.close();
        self.readers.drain(..).for_each(join);
        self.jobs.close();
        self.writer.take().into_iter().for_each(join);
    }
}

/// Waits for a thread to end, unless the last handle was dropped on that very thread, which then ends by itself.
fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != std::thread::current().id() {
        // A thread that panicked has told its callers.
        let _ = thread.join();
    }
}
