//! Beginning with a snapshot, against folding the log: from a SQLite file that a process of its own serves over loopback HTTP, into a
//! new SQLite file. Both are synced.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{try_join, try_join_all};
use syncline::attributes::Attributes;
use syncline::authority::AllowAll;
use syncline::format::{ChainHash, Head};
use syncline::projection::Projection as _;
use syncline::replica::Compose;
use syncline::store::{
    Durability, Limit, Replacement, Row, RowKey, RowRange, RowWrite, Storage as _, WriteBatch, whole,
};
use syncline::{EventStore, MemoryStore, NTP64, Position, Replica, Seq, Service};
use syncline_memory::MemoryTransport;
use syncline_sqlite::{SqliteOptions, SqliteStorage};

use crate::bare::connect;
use crate::cost::{Begun, Cost};
use crate::fresh::{OurServer, transport};
use crate::memory::{Ended, say};
use crate::workload::{Keys, Workload};
use crate::{Failure, ours};

/// The argument with which a program that calls [`serve`] is started.
pub const SERVE: &str = "serve-snapshots";
/// Rows that are written in one commit while a server is set up, or by hand.
const ROWS_PER_COMMIT: u32 = 50_000;
/// Events of one bundle.
const EVENTS_PER_COMMIT: usize = 100;
/// How long pushes are measured while nothing else happens.
const QUIET: Duration = Duration::from_secs(3);
/// Writers that push while a snapshot is made.
const WRITERS: usize = 16;

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// How many rows there are.
    pub rows: usize,
    /// How many events the log has for each of them.
    pub events_per_row: usize,
    /// Making the snapshot.
    pub making: Cost,
    /// Bytes of its chunks.
    pub bytes: u64,
    /// The new device, from its opening to its rows being durable.
    pub bootstrap: Cost,
    /// A new device that folds the log of all events.
    pub replay: Cost,
    /// The same rows written into a table by hand, and nothing else.
    pub by_hand: Cost,
    /// How long a push took at the 99th percentile, before the snapshot was made and while it was.
    pub p99: [Duration; 2],
}

/// The server's side: serves a file until the standard input ends.
///
/// # Errors
/// [`Failure`] of the store or the server.
pub async fn serve(file: &Path) -> Result<(), Failure> {
    let server = OurServer::start(storage(file)?).await?;
    say(server.url())?;
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    server.stop().await
}

/// Measures with so many rows, each written so often. `program` calls [`serve`].
///
/// # Errors
/// [`Failure`] of the program, the stores or the engine.
pub async fn measure(program: &Path, folder: &Path, rows: usize, events_per_row: usize) -> Result<Measured, Failure> {
    let [with_rows, with_log, written] = ["rows", "log", "written"].map(|name| folder.join(format!("{name}.sqlite")));
    let (making, bytes) = set_up(&with_rows, &with_log, rows, events_per_row).await?;
    let bootstrap = new_device(program, &with_rows, &folder.join("new.sqlite"), rows, true).await?;
    let replay = new_device(program, &with_log, &folder.join("folded.sqlite"), rows, false).await?;
    let by_hand = write_by_hand(&with_rows, &folder.join("by-hand.sqlite")).await?;
    std::fs::copy(&with_rows, &written)?;
    let p99 = push_meanwhile(&written).await?;
    Ok(Measured { rows, events_per_row, making, bytes, bootstrap, replay, by_hand, p99 })
}

fn storage(file: &Path) -> Result<SqliteStorage, Failure> {
    Ok(SqliteOptions::new(file).open()?)
}

fn compose(store: Arc<dyn EventStore>) -> Compose {
    Replica::compose(ours::space(), store).clock(syncline_os::wall_clock).projection(Attributes)
}

/// A log in which each row is written so often in one file, its rows and a snapshot of them in the other, as if they were of a long
/// history.
async fn set_up(with_rows: &Path, with_log: &Path, rows: usize, events_per_row: usize) -> Result<(Cost, u64), Failure> {
    let quick = SqliteOptions::new(with_log).durability(Durability::Process).open()?;
    let log = quick.open(&ours::space()).await?;
    let writer = compose(log.clone()).checkpoint_every(0).open(syncline_os::replica_id()).await?;
    for _ in 0..events_per_row {
        let mut workload = Workload::new(Keys::Distinct, 1);
        for start in (0..rows).step_by(EVENTS_PER_COMMIT) {
            let events = workload.take_events(EVENTS_PER_COMMIT.min(rows - start))?;
            ours::append(&writer, &events, EVENTS_PER_COMMIT).await?;
        }
    }
    let store = storage(with_rows)?.open(&ours::space()).await?;
    let head = Head { seq: Seq::new(20 * rows as u64), chain: ChainHash::GENESIS, time: NTP64(1) };
    let heads = [(syncline_os::replica_id(), head)].into_iter().collect();
    let replace = Some(Replacement { log: syncline_os::log_id(), heads });
    store.commit(WriteBatch { replace, ..WriteBatch::default() }).await?;
    let (view, mut range) = (Attributes.view(), RowRange::all());
    loop {
        let page = whole::scan(&*log, &view, range.clone(), Limit::items(ROWS_PER_COMMIT)).await?;
        let Some(last) = page.last() else { break };
        range = range.after(last.key.clone());
        let write = |row: Row| RowWrite { key: RowKey::new(view.clone(), row.key), value: Some(row.value) };
        let rows = page.into_iter().map(write).collect();
        store.commit(WriteBatch { rows, ..WriteBatch::default() }).await?;
    }
    let views = vec![(view, Position::new(head.seq.get()))];
    store.commit(WriteBatch { views, ..WriteBatch::default() }).await?;
    let keeper = compose(store).shared_with_service().open(syncline_os::replica_id()).await?;
    let begun = Begun::now()?;
    let made = keeper.make_snapshot().await?;
    Ok((begun.cost()?, made.bytes))
}

/// Syncs a new device with a server that is a process of its own. Gives what this process took.
async fn new_device(
    program: &Path,
    serves: &Path,
    file: &Path,
    rows: usize,
    by_snapshot: bool,
) -> Result<Cost, Failure> {
    let mut server = Command::new(program);
    server.arg(SERVE).arg(serves);
    let mut server = Ended(server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().ok_or("the server has no output")?).read_line(&mut url)?;
    let peer = transport(url.trim())?;
    let begun = Begun::now()?;
    let replica = compose(storage(file)?.open(&ours::space()).await?).checkpoint_every(0);
    let replica = if by_snapshot { replica } else { replica.whole_log() };
    let replica = replica.open(syncline_os::replica_id()).await?;
    let report = replica.sync(&peer).await?;
    let cost = begun.cost()?;
    if report.bootstrapped.is_some() != by_snapshot {
        return Err(format!("the device did not begin as it should: {report:?}").into());
    }
    let found = count(&replica).await?;
    if found == rows { Ok(cost) } else { Err(format!("{found} rows of {rows}").into()) }
}

/// Reads the rows of a file, and writes them into a table of a new one, in the order of their keys: with one prepared statement, a row at
/// a time.
async fn write_by_hand(with_rows: &Path, file: &Path) -> Result<Cost, Failure> {
    let (store, mut range) = (storage(with_rows)?.open(&ours::space()).await?, RowRange::all());
    let mut rows = Vec::new();
    loop {
        let page = whole::scan(&*store, &Attributes.view(), range.clone(), Limit::items(ROWS_PER_COMMIT)).await?;
        let Some(last) = page.last() else { break };
        range = range.after(last.key.clone());
        rows.extend(page);
    }
    let begun = Begun::now()?;
    let mut db = connect(file, Durability::Synced)?;
    db.execute_batch("CREATE TABLE rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID")?;
    for rows in rows.chunks(ROWS_PER_COMMIT as usize) {
        let transaction = db.transaction()?;
        let mut put = transaction.prepare_cached("INSERT INTO rows (key, value) VALUES (?1, ?2)")?;
        for Row { key, value } in rows {
            put.execute([&key[..], &value[..]])?;
        }
        drop(put);
        transaction.commit()?;
    }
    begun.cost()
}

async fn count(replica: &Replica) -> Result<usize, Failure> {
    let (mut range, mut count) = (RowRange::all(), 0);
    loop {
        let page = replica.store().scan(&Attributes.view(), range.clone(), Limit::PAGE).await?;
        let Some(last) = page.last() else { return Ok(count) };
        range = range.after(last.key.clone());
        count += page.len();
    }
}

/// How long pushes take while nothing else happens, and while a snapshot is made.
async fn push_meanwhile(file: &Path) -> Result<[Duration; 2], Failure> {
    let store = storage(file)?;
    let service =
        Arc::new(Service::new(Arc::new(store.clone()), Arc::new(AllowAll), Arc::new(syncline_os::wall_clock)));
    let keeper = compose(store.open(&ours::space()).await?).shared_with_service();
    let keeper = keeper.open(syncline_os::replica_id()).await?;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let replica = Replica::compose(ours::space(), Arc::new(MemoryStore::new(syncline_os::log_id())));
        let replica = replica.clock(syncline_os::wall_clock).open(syncline_os::replica_id()).await?;
        writers.push((replica, MemoryTransport::new(service.clone(), "token").await?));
    }
    // The first push of each finds out what the peer has.
    push_until(&writers, &AtomicBool::new(true)).await?;
    let stop = AtomicBool::new(false);
    let quiet = async {
        tokio::time::sleep(QUIET).await;
        stop.store(true, Ordering::Relaxed);
        Ok::<_, Failure>(())
    };
    let (before, ()) = try_join(push_until(&writers, &stop), quiet).await?;
    stop.store(false, Ordering::Relaxed);
    let make = async {
        keeper.make_snapshot().await?;
        stop.store(true, Ordering::Relaxed);
        Ok::<_, Failure>(())
    };
    let (during, ()) = try_join(push_until(&writers, &stop), make).await?;
    Ok([before, during].map(p99))
}

/// Lets all writers push one bundle after the other, at least one. Gives how long each push took.
async fn push_until(writers: &[(Replica, MemoryTransport)], stop: &AtomicBool) -> Result<Vec<Duration>, Failure> {
    let push = async |(replica, peer): &(Replica, MemoryTransport)| {
        let (mut times, event) = (Vec::new(), Workload::new(Keys::Few(1_000), 7).take_events(1)?);
        loop {
            replica.write(&event).await?;
            let begun = Instant::now();
            replica.sync(peer).await?;
            times.push(begun.elapsed());
            if stop.load(Ordering::Relaxed) {
                return Ok::<_, Failure>(times);
            }
        }
    };
    Ok(try_join_all(writers.iter().map(push)).await?.concat())
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}
