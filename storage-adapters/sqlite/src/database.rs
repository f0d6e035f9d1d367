//! An open file: its lock, its threads, and the ways to them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};

use futures_channel::oneshot;
use rusqlite::Connection;
use syncline::store::{Committed, Durability, StoreError, WriteBatch};
use syncline::{LogId, SpaceId};
use syncline_os::InPlace;

use crate::check;
use crate::checkpoint::Checkpoint;
use crate::connection::{fold_log_on_close, open_reader, open_writer};
use crate::error::{Result, displaced, poisoned, refused};
use crate::leftover;
use crate::lock::FileLock;
use crate::options::SqliteOptions;
use crate::poison::Poison;
use crate::queue::Queue;
use crate::readers::{self, Request, at_one_moment};
use crate::schema;
use crate::space::{OpenSpaces, Space};
use crate::writer::{Commit, Counters, Job, Writer};

/// Bytes of commits that may wait for the writer before others wait for room.
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Reads that may wait before others wait for room.
const QUEUED_READS_MAX: usize = 1024;

/// An open file. The threads end, the file is closed and its lock released when this is dropped.
#[derive(Debug)]
pub(crate) struct Database {
    /// With the one name of the file.
    options: SqliteOptions,
    poison: Arc<Poison>,
    in_place: InPlace,
    spaces: Arc<OpenSpaces>,
    counters: Arc<Counters>,
    jobs: Arc<Queue<Job>>,
    requests: Arc<Queue<Request>>,
    writer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

impl Database {
    pub(crate) fn open(options: &SqliteOptions) -> std::result::Result<Self, StoreError> {
        let path = resolve(&options.path)?;
        // The lock comes first: closing a file that this process has open elsewhere would end SQLite's locks on it.
        let lock = FileLock::take(&path)?;
        if let Err(error) = schema::inspect(&path) {
            lock.withdraw();
            return Err(error);
        }
        let options = SqliteOptions { path: path.clone(), ..options.clone() };
        Self::start(options, lock).map_err(|fault| fault.at(&path))
    }

    fn start(options: SqliteOptions, lock: FileLock) -> Result<Self> {
        let alone = leftover::alone(&options.path);
        let mut connection = open_writer(&options.path, &options)?;
        let migrated = schema::migrate(&options.path, &mut connection);
        migrated.map_err(|fault| leftover::blame(&options.path, &alone, fault))?;
        leftover::check(&connection, &options.path, alone)?;
        fold_log_on_close(&connection, true)?;
        // Commits go to the log first, and whoever deletes the lock lets a second writer in.
        let files = [&options.path, &beside(&options.path, "-wal"), lock.path()];
        let in_place = InPlace::now(files).map_err(|error| refused(&options.path, error))?;
        let mut database = Self {
            poison: Arc::default(),
            in_place: in_place.clone(),
            spaces: Arc::default(),
            counters: Arc::default(),
            jobs: Arc::new(Queue::new(QUEUED_BYTES_MAX)),
            requests: Arc::new(Queue::new(QUEUED_READS_MAX)),
            writer: None,
            readers: Vec::new(),
            options,
        };
        for _ in 0..database.options.readers.get() {
            let connection = open_reader(database.path(), &database.options)?;
            let requests = database.requests.clone();
            let thread = spawn(database.path(), "syncline-reader", move || readers::run(&connection, &requests))?;
            database.readers.push(thread);
        }
        let writer = Writer {
            connection,
            path: database.path().to_owned(),
            poison: database.poison.clone(),
            in_place,
            spaces: database.spaces.clone(),
            counters: database.counters.clone(),
            checkpoint: Checkpoint::default(),
            jobs: database.jobs.clone(),
            expected: 0,
            _lock: lock,
        };
        database.writer = Some(spawn(database.path(), "syncline-writer", move || writer.run())?);
        Ok(database)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.options.path
    }

    pub(crate) fn durability(&self) -> Durability {
        self.options.durability
    }

    /// Whether the file can be read, and commits would be kept.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`]; [`StoreError::Backend`] if the file is not where it was opened.
    pub(crate) async fn ready(&self) -> std::result::Result<(), StoreError> {
        self.read(|db| Ok(db.prepare_cached("SELECT 1")?.query_row([], |_| Ok(()))?)).await?;
        self.in_place.check().map_err(displaced)
    }

    /// Has SQLite check the whole file.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with what it found first.
    pub(crate) async fn check_file(&self) -> std::result::Result<(), StoreError> {
        self.check()?;
        check::check(&self.options).await
    }

    /// Commits answered, and transactions that it took.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.counters.commits), load(&self.counters.transactions))
    }

    /// # Errors
    /// [`StoreError::Poisoned`].
    pub(crate) fn check(&self) -> std::result::Result<(), StoreError> {
        self.poison.check()
    }

    /// Reads, on one of the reading threads and from one moment.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        let request = move |db: &Connection| {
            if !answer.is_canceled() {
                let _ = answer.send(at_one_moment(db, ask));
            }
        };
        self.requests.push(Box::new(request), 1).await.map_err(|_| ended("reading"))?;
        answered.await.map_err(|_| ended("reading"))?.map_err(|fault| fault.at(self.path()))
    }

    /// Changes something apart from commits, on the writing thread and in a transaction of its own. Happens even if the
    /// future is dropped.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        self.alone(move |writer| writer.transaction(change)).await
    }

    /// Commits, sharing a transaction with others that wait. Happens even if the future is dropped.
    pub(crate) async fn commit(
        &self,
        space: &Arc<Space>,
        batch: WriteBatch,
    ) -> std::result::Result<Committed, StoreError> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        let weight = Commit::weight(&batch);
        let job = Job::Commit(Box::new(Commit { space: space.clone(), batch, answer }));
        self.jobs.push(job, weight).await.map_err(|_| ended("writing"))?;
        answered.await.map_err(|_| ended("writing"))?
    }

    /// The space of this name, which is created where it does not exist.
    pub(crate) async fn space(&self, name: &SpaceId) -> std::result::Result<Arc<Space>, StoreError> {
        self.check()?;
        if let Some(space) = self.spaces.get(name) {
            return Ok(space);
        }
        let (name, spaces, fresh) = (name.clone(), self.spaces.clone(), new_log_id(self.path())?);
        let open = move |writer: &mut Writer| {
            // On the writing thread nothing commits meanwhile, and nobody else opens it.
            if let Some(space) = spaces.get(&name) {
                return Ok(space);
            }
            let space = Arc::new(writer.transaction(|db| Space::open(db, &name, fresh))?);
            spaces.insert(&space);
            Ok(space)
        };
        self.alone(open).await
    }

    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> std::result::Result<T, StoreError> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        let job = Job::Alone(Box::new(move |writer| _ = answer.send(work(writer))));
        self.jobs.push(job, 1).await.map_err(|_| ended("writing"))?;
        answered.await.map_err(|_| ended("writing"))?
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The writer's connection closes last, so that it can fold the write-ahead log into the file.
        self.requests.close();
        self.readers.drain(..).for_each(join);
        self.jobs.close();
        self.writer.take().into_iter().for_each(join);
    }
}

/// Waits for a thread to end, unless the last handle was dropped on that very thread.
fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != std::thread::current().id() {
        // A thread that panicked has told its callers.
        let _ = thread.join();
    }
}

fn spawn(path: &Path, name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    Ok(Builder::new().name(name.into()).spawn(work).map_err(|error| refused(path, error))?)
}

/// The file beside a database that SQLite or this crate calls so.
pub(crate) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// The one name of a file, so that two ways to it are known to lead to the same.
fn resolve(path: &Path) -> std::result::Result<PathBuf, StoreError> {
    let failed = |error: std::io::Error| refused(path, format!("{error}; its directory must exist"));
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    let absolute = std::path::absolute(path).map_err(failed)?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize().map_err(failed)?.join(name)),
        _ => Err(refused(path, "this names no file")),
    }
}

fn new_log_id(path: &Path) -> std::result::Result<LogId, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| refused(path, error))?;
    LogId::from_bytes(bytes).ok_or_else(|| refused(path, "the system's random numbers are all zero"))
}

fn ended(what: &str) -> StoreError {
    poisoned(format!("the {what} thread has ended early"))
}
