//! The most memory that a server takes, in a process of its own, while a log is pushed to it and pulled from it.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use syncline::store::Limit;
use syncline::{Cursor, MemoryStore, Replica};

use crate::fresh::{OurServer, Plan, transport, write_log};
use crate::{Failure, ours};

/// The argument with which a program that calls [`serve`] is started.
pub const SERVE: &str = "serve-and-weigh";
/// How often the log is pulled.
const PULLS: usize = 3;

/// What a server took.
#[derive(Debug, Clone, Copy)]
pub struct Peak {
    /// Bytes of memory, at most at one time.
    pub memory_bytes: u64,
    /// Bytes of the log that it served, encoded.
    pub log_bytes: u64,
}

/// The server's side: serves a file until the standard input ends, then says how much memory it took at most.
///
/// # Errors
/// [`Failure`] of the store or the server. Always fails on other systems than Linux, because only Linux has the measure.
pub async fn serve(file: &Path) -> Result<(), Failure> {
    let server = OurServer::start(ours::open_small(file)?).await?;
    say(server.url())?;
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    server.stop().await?;
    Ok(say(&peak_of_this_process()?.to_string())?)
}

/// Starts `program` as such a server on a new file in `folder`, pushes the plan's log to it, and pulls it several times.
///
/// # Errors
/// [`Failure`] of the program that was started, the store or the engine.
pub async fn measure(program: &Path, folder: &Path, plan: &Plan) -> Result<Peak, Failure> {
    let mut server = Command::new(program);
    server.arg(SERVE).arg(folder.join(format!("weighed-{}.sqlite", plan.events)));
    let mut server = Ended(server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut lines = BufReader::new(server.0.stdout.take().ok_or("the server has no output")?).lines();
    let mut line = move || lines.next().ok_or_else(|| Failure::from("the server ended early"));
    let transport = transport(&line()??)?;
    write_log(plan, &transport).await?;
    let mut log_bytes = 0;
    for _ in 0..PULLS {
        let store = MemoryStore::new(syncline_os::log_id());
        let replica = Replica::compose(ours::space(), std::sync::Arc::new(store)).clock(syncline_os::wall_clock);
        let replica = replica.open(syncline_os::replica_id()).await?;
        replica.sync(&transport).await?;
        log_bytes = length(&replica).await?;
    }
    drop(server.0.stdin.take());
    Ok(Peak { memory_bytes: line()??.parse()?, log_bytes })
}

async fn length(replica: &Replica) -> Result<u64, Failure> {
    let log = replica.store().status().await?.log;
    let page = replica.store().read(Cursor::start(log), Limit::bytes(u32::MAX)).await?;
    Ok(page.runs.iter().map(|stored| stored.run.as_bytes().len() as u64).sum())
}

/// The largest resident set so far, in bytes.
pub(crate) fn peak_of_this_process() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kibibytes.ok_or("the system does not tell the peak")?.trim().parse::<u64>()? * 1024)
}

pub(crate) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// A process that does not outlive its owner.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
