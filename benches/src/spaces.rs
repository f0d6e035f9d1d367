//! The memory of a server that has served many spaces once each and then has nothing to do, in a process of its own.

use std::io::{self, BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use syncline::format::ChainHash;
use syncline::format::event::encode_body;
use syncline::format::heads::Heads;
use syncline::format::run::{Body, RunBuilder};
use syncline::protocol::{Have, Pull, Push, Reply, Request};
use syncline::store::Limit;
use syncline::{Seq, SpaceId, Transport};
use syncline_sqlite::SqliteOptions;

use crate::fresh::{OurServer, transport};
use crate::memory::{Ended, say};
use crate::workload::{Keys, Workload};
use crate::{Failure, ours};

/// The argument with which a program that calls [`serve`] is started. The file follows.
pub const SERVE: &str = "serve-spaces";
/// What follows the file if the database's caches are to be small.
pub const SMALL: &str = "small";
/// Spaces that are opened at once.
const AT_ONCE: usize = 32;
/// How long the server has nothing to do before it is weighed.
const IDLE: Duration = Duration::from_secs(3);

/// What a server took, in bytes of memory.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Before the spaces were opened; one was, so that all code had run.
    pub before: u64,
    /// When it had been idle for a while.
    pub after: u64,
}

/// The server's side: serves a file, and says how much memory it takes for each line that it reads.
///
/// # Errors
/// [`Failure`] of the store or the server. Always fails on other systems than Linux, because only Linux has the measure.
pub async fn serve(file: &Path, is_small: bool) -> Result<(), Failure> {
    let storage = if is_small { ours::open_small(file)? } else { SqliteOptions::new(file).open()? };
    let server = OurServer::start(storage).await?;
    say(server.url())?;
    let lines =
        move || io::stdin().lock().lines().try_for_each(|line| line.and_then(|_| say(&resident()?.to_string())));
    tokio::task::spawn_blocking(lines).await??;
    server.stop().await
}

/// Opens so many spaces of a new server with a push and a pull each. `program` calls [`serve`].
///
/// # Errors
/// [`Failure`] of the program, the store or the engine.
pub async fn measure(program: &Path, file: &Path, spaces: usize, is_small: bool) -> Result<Taken, Failure> {
    let mut server = Command::new(program);
    server.arg(SERVE).arg(file).args(is_small.then_some(SMALL));
    let mut server = Ended(server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let out = server.0.stdout.take().ok_or("the server has no output")?;
    let mut ways = (server.0.stdin.take().ok_or("the server has no input")?, BufReader::new(out).lines());
    let peer = transport(&line(&mut ways.1)?)?;
    open(&peer, "first").await?;
    let before = weigh(&mut ways).await?;
    let opened = stream::iter(0..spaces).map(|space| {
        let peer = &peer;
        async move { open(peer, &format!("space-{space}")).await }
    });
    opened.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(Taken { before, after: weigh(&mut ways).await? })
}

/// Writes a bundle into a space, and reads it.
async fn open(peer: &dyn Transport, name: &str) -> Result<(), Failure> {
    let space = SpaceId::new(name)?;
    let mut run = RunBuilder::new(syncline_os::replica_id(), Seq::new(1), ChainHash::GENESIS);
    run.push(syncline_os::wall_clock(), Body::Full(&encode_body(&Workload::new(Keys::Distinct, 1).take_events(1)?)?));
    let runs = vec![run.finish().ok_or("a run without bundles")?.run().clone()];
    peer.call(Request::Push(space.clone(), None, Push { runs })).await?;
    let pull = Pull { have: Have::Heads(Heads::new()), without: None, limit: Limit::PAGE };
    match peer.call(Request::Pull(space, pull)).await?.reply {
        Reply::Pull(page) if page.runs.len() == 1 => Ok(()),
        other => Err(format!("the server does not hold what was pushed: {other:?}").into()),
    }
}

async fn weigh((ask, told): &mut (ChildStdin, Lines<BufReader<ChildStdout>>)) -> Result<u64, Failure> {
    use io::Write as _;
    tokio::time::sleep(IDLE).await;
    writeln!(ask)?;
    Ok(line(told)?.parse()?)
}

fn line(told: &mut Lines<BufReader<ChildStdout>>) -> Result<String, Failure> {
    Ok(told.next().ok_or("the server ended early")??)
}

/// The resident set of this process, in bytes.
fn resident() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.trim().parse().ok());
    kibibytes.map(|kibibytes: u64| kibibytes * 1024).ok_or_else(|| io::Error::other("the system does not tell"))
}
