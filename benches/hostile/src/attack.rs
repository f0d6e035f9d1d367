//! The scenarios, and how each is played.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::Failure;
use crate::ground::{Game, Ground, log_file};
use crate::honest::Honest;
use crate::table::Row;

mod log;
mod messages;
mod origins;
mod slow;
mod store;
mod watchers;

/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(50);

/// One kind of attack, or of trouble with the machine.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Where the server logs to.
    err: fn(&Path) -> Result<Stdio, Failure>,
    act: for<'a> fn(&'a Ground, &'a Game, f64) -> BoxFuture<'a, Result<Found, Failure>>,
}

/// What a scenario found besides memory and latency.
pub(crate) struct Found {
    pub(crate) text: String,
    /// Whether it is as it should be.
    pub(crate) holds: bool,
}

macro_rules! scenario {
    ($name:literal, $err:expr, $act:path) => {
        Scenario { name: $name, err: $err, act: |ground, game, scale| Box::pin($act(ground, game, scale)) }
    };
}

/// All of them.
pub(crate) const ALL: &[Scenario] = &[
    scenario!("1,000 half-open requests", log_file, slow::half_open),
    scenario!("1,000 trickling bodies", log_file, slow::trickling),
    scenario!("300 bodies without their last byte", log_file, messages::withheld),
    scenario!("400 answers that nobody reads", log_file, messages::unread),
    scenario!("bodies of 307 bytes that unpack to 9 MiB", log_file, messages::bombs),
    scenario!("4,200 idle connections", log_file, slow::idle),
    scenario!("1,000 watchers of 1,000 pushes", log_file, watchers::watch),
    scenario!("200,000 origins", log_file, origins::flood),
    scenario!("log disk full", full_disk, log::lines),
    scenario!("reader of the log gone", nobody, log::lines),
    scenario!("store away", log_file, store::away),
];

/// A disk without room.
fn full_disk(_: &Path) -> Result<Stdio, Failure> {
    Ok(OpenOptions::new().write(true).open("/dev/full")?.into())
}

/// A pipe whose other end is closed.
fn nobody(_: &Path) -> Result<Stdio, Failure> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    Ok(writer.into())
}

impl Scenario {
    /// Plays it against a fresh server, next to an honest client.
    pub(crate) async fn play(&self, ground: &Ground, scale: f64) -> Result<Row, Failure> {
        let mut game = ground.start(self.err)?;
        let mut honest = Honest::new(&game)?;
        let mut before = honest.baseline().await;
        let (memory, at_work) = (game.memory(), honest.go_on());
        let mut peak = memory;
        let look = async {
            loop {
                peak = peak.max(game.memory());
                sleep(LOOK).await;
            }
        };
        let found = tokio::select! {
            found = (self.act)(ground, &game, scale) => found?,
            () = look => return Err("looking never ends".into()),
        };
        let (honest, mut noticed) = at_work.stop().await?;
        let (lost, again) = match honest.lost().await {
            Ok(lost) => (lost, ""),
            // A file that was away is not trusted any more before the server is started again.
            Err(_) => {
                game.restart()?;
                (honest.anew(&game)?.lost().await?, "; served again after a restart")
            }
        };
        let stopped = game.stop()?;
        let error = noticed.last_error.as_ref().map_or_else(String::new, |error| format!("; failed last: {error}"));
        let late = if stopped.is_none() { "; it does not stop when told to" } else { "" };
        Ok(Row {
            store: ground.store,
            scenario: self.name,
            growth_bytes: peak.saturating_sub(memory),
            baseline: before.p99(),
            attacked: noticed.p99(),
            lost,
            failed: noticed.failed,
            found: format!("{}{again}{late}{error}", found.text),
            as_it_should_be: found.holds && stopped.is_some(),
        })
    }
}
