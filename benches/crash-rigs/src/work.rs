//! The process that is crashed: opens the store, looks into it, then writes until it dies.

mod import;
mod pipe;
mod write;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use syncline::store::{EventStore, Storage};
use syncline::{ReplicaError, StoreError};
use thiserror::Error;
use tokio::task::JoinSet;

use crate::chance::part;
use crate::check::check;
use crate::ledger::Ledger;
use crate::message::Message;
use crate::open::open;
use crate::script::{PEER, REPLACED, SPACES, Script, WRITERS};
use crate::setting::{Backend, Setting};
pub use import::ImportError;
use import::Importer;
use pipe::Pipe;
use write::Writer;

/// How long a server may take to recover before the store counts as one that cannot be opened.
const OPEN_PATIENCE: Duration = Duration::from_secs(30);
const OPEN_PAUSE: Duration = Duration::from_millis(2);

/// What to do: handed to the process over its input, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// Which store.
    pub setting: Setting,
    /// Where it lies.
    pub folder: PathBuf,
    /// Where its server listens, if it has one.
    pub url: Option<String>,
    /// The seed of what is written.
    pub script: u64,
    /// The seed of sizes and turns.
    pub chance: u64,
    /// What was acknowledged before.
    pub ledger: Ledger,
    /// Whether to write after looking; otherwise one more snapshot is taken, and the store is closed as it should be.
    pub writes: bool,
}

/// Why the work ended.
#[derive(Debug, Error)]
pub enum WorkError {
    /// The task does not read, or the watching process is gone.
    #[error("the pipe to the watching process is broken: {0}")]
    Pipe(#[from] std::io::Error),
    /// The task does not read.
    #[error("the task cannot be read: {0}")]
    Task(#[from] serde_json::Error),
    /// The store does not open, or cannot be read back.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The replica of the space whose log is replaced does not open.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// It opens, and has no peer.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Does the task read from `input`, tells its progress on the standard output, and ends only if nothing is to be written or
/// the store fails.
///
/// # Errors
/// [`WorkError`].
pub async fn work(mut input: impl Read) -> Result<(), WorkError> {
    let mut text = String::new();
    input.read_to_string(&mut text)?;
    let task: Task = serde_json::from_str(&text)?;
    let script = Script::new(task.script);
    let pipe = Pipe::new();
    pipe.say(&Message::Opening)?;
    let start = Instant::now();
    let (storage, stores) = open_all(&task, script).await?;
    pipe.say(&Message::Opened(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)))?;
    let report = check(&*storage, script, &task.ledger).await?;
    let chance = part(task.chance, u64::from(REPLACED) << 8 | u64::from(PEER));
    let replaced = stores[usize::from(REPLACED)].clone();
    let mut importer = Importer::open(script, replaced, chance, pipe.clone()).await?;
    pipe.say(&Message::Checked(Box::new(report)))?;
    if task.writes {
        write_all(&task, script, stores, importer, &pipe).await;
    }
    // Whatever has happened to it, it takes a snapshot to the end. The next process looks what that has left.
    // It has told if that has failed.
    let _ = importer.import().await;
    Ok(())
}

type Opened = (Arc<dyn Storage>, Vec<Arc<dyn EventStore>>);

/// Opens the store and all its spaces. A server that is still recovering is asked again.
async fn open_all(task: &Task, script: Script) -> Result<Opened, StoreError> {
    let start = Instant::now();
    loop {
        match try_open(task, script).await {
            Err(StoreError::Backend { .. })
                if task.setting.backend == Backend::Postgres && start.elapsed() < OPEN_PATIENCE =>
            {
                tokio::time::sleep(OPEN_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

async fn try_open(task: &Task, script: Script) -> Result<Opened, StoreError> {
    let storage = open(task.setting, &task.folder, task.url.as_deref()).await?;
    let mut stores = Vec::new();
    for space in 0..SPACES {
        let store = storage.open(&script.space(space)).await?;
        store.status().await?;
        stores.push(store);
    }
    Ok((storage, stores))
}

/// Writes from all writers at once until every one of them has failed.
async fn write_all(
    task: &Task,
    script: Script,
    stores: Vec<Arc<dyn EventStore>>,
    mut importer: Importer,
    pipe: &Pipe,
) -> ! {
    let mut writers = JoinSet::new();
    for (space, store) in (0..SPACES).zip(stores) {
        let gate = if space == REPLACED { importer.gate() } else { Arc::default() };
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        for number in 0..WRITERS {
            let chance = part(task.chance, u64::from(space) << 8 | u64::from(number));
            let (store, turn, gate, pipe) = (store.clone(), turn.clone(), gate.clone(), pipe.clone());
            let mut writer = Writer { script, space, number, store, turn, gate, chance, pipe };
            writers.spawn(async move { writer.run().await });
        }
    }
    writers.spawn(async move { importer.run().await });
    while writers.join_next().await.is_some() {}
    // A crash is to come; anyone who makes it waits for this process.
    std::future::pending().await
}
