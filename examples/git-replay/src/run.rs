//! The whole replay, from the first skip the history to the verdict.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use syncline_http::Traffic;

use crate::cli::Cli;
use crate::digest::Expected;
use crate::member::{Failure, Member};
use crate::replay::{Replay, finish};
use crate::report::{Outcome, Phase, disk};
use crate::schedule::{Assignment, Schedule};
use crate::server::Running;
use crate::source::Source;
use crate::stores::Stores;

/// Runs the replay and prints what it finds. Returns whether every digest is right.
pub(crate) fn run(cli: &Cli) -> Result<bool, Failure> {
    let source = Source::open(cli.path.as_deref())?;
    let expected = Expected::of(source.commits()?)?;
    let folder = Folder::new(cli.keep.as_deref())?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{source}: {} commits, {} changes, {} authors",
        expected.commits,
        expected.changes,
        expected.commits_per_author.len()
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(replay(cli, &source, &expected, folder.path(), &mut out))
}

async fn replay(
    cli: &Cli,
    source: &Source,
    expected: &Expected,
    folder: &Path,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let server = Running::start(&cli.server_store, folder, cli.durability()).await?;
    let stores = Stores::open(&cli.store, folder, cli.durability()).await?;
    let mut members = Vec::new();
    for index in 0..cli.replicas.get() {
        let access = server.admit(format!("replica-{index}")).await?;
        members.push(Member::open(&stores, &access, cli.clock).await?);
    }
    let (schedule, durability) = (cli.schedule(), members[0].durability);
    writeln!(out, "{} replicas on {}, the server on {}", cli.replicas, cli.store, cli.server_store)?;
    writeln!(out, "{}, {} clock, durability {durability}\n", mode(schedule), clock(cli))?;
    let assignment = Assignment::balanced(&expected.commits_per_author, cli.replicas);
    let bar = ProgressBar::new(expected.commits).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} commits {per_sec} {eta}")
            .expect("the template is well formed"),
    );
    let mut clock = Stopwatch::start(&members);
    Replay { source, members: &members, assignment: &assignment, schedule, bar: &bar }.run().await?;
    bar.finish_and_clear();
    writeln!(out, "{}", clock.phase("write and sync", expected.changes, &members))?;
    finish(&members).await?;
    writeln!(out, "{}", clock.phase("last syncs", 0, &members))?;

    let access = server.admit("fresh".to_owned()).await?;
    let fresh = Member::open(&stores, &access, cli.clock).await?;
    let mut clock = Stopwatch::start(std::slice::from_ref(&fresh));
    fresh.sync().await?;
    writeln!(out, "{}", clock.phase("fresh replica", expected.changes, std::slice::from_ref(&fresh)))?;

    members.push(fresh);
    let mut outcomes = Vec::new();
    for member in &members {
        let digest = member.digest().await?;
        outcomes.push(Outcome { name: member.name.clone(), digest, disk: disk(member.path.as_deref()) });
    }
    writeln!(out, "\nserver: {}", disk(server.path.as_deref()))?;
    server.stop().await?;
    verdict(schedule, expected, &outcomes, out)
}

/// Prints every digest, and whether they are what they must be.
fn verdict(
    schedule: Schedule,
    expected: &Expected,
    outcomes: &[Outcome],
    out: &mut impl Write,
) -> Result<bool, Failure> {
    for outcome in outcomes {
        writeln!(out, "{}  {:<12} {:>18}", outcome.digest, outcome.name, outcome.disk)?;
    }
    writeln!(out, "{}  applied in order, without the engine", expected.digest)?;
    let equal = outcomes.iter().all(|outcome| outcome.digest == outcomes[0].digest);
    let right = schedule != Schedule::Causal || outcomes[0].digest == expected.digest;
    writeln!(out)?;
    match (equal, right) {
        (false, _) => writeln!(out, "WRONG: the replicas differ")?,
        (true, false) => {
            writeln!(out, "WRONG: the replicas agree on another state than applying the history in order gives")?
        }
        (true, true) if schedule == Schedule::Causal => {
            writeln!(out, "right: all replicas agree, and with the history in order")?
        }
        (true, true) => writeln!(out, "right: all replicas agree")?,
    }
    Ok(equal && right)
}

fn mode(schedule: Schedule) -> String {
    match schedule {
        Schedule::Causal => "causal: sync before and after each commit".to_owned(),
        Schedule::Offline { every } => format!("offline: sync every {every} commits"),
    }
}

fn clock(cli: &Cli) -> &'static str {
    match cli.clock {
        crate::cli::Clock::Wall => "wall",
        crate::cli::Clock::History => "history",
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error: &&dyn Error| (*error).source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

/// Time and traffic since the last phase.
struct Stopwatch {
    since: Instant,
    before: Traffic,
}

impl Stopwatch {
    fn start(members: &[Member]) -> Self {
        Self { since: Instant::now(), before: total(members) }
    }

    fn phase(&mut self, name: &'static str, events: u64, members: &[Member]) -> Phase {
        let (now, traffic) = (Instant::now(), total(members));
        let took = now - std::mem::replace(&mut self.since, now);
        let before = std::mem::replace(&mut self.before, traffic);
        let traffic = Traffic {
            sent: traffic.sent - before.sent,
            received: traffic.received - before.received,
            requests: traffic.requests - before.requests,
        };
        Phase { name, events, took, traffic }
    }
}

fn total(members: &[Member]) -> Traffic {
    members.iter().map(Member::traffic).fold(Traffic::default(), |sum, one| Traffic {
        sent: sum.sent + one.sent,
        received: sum.received + one.received,
        requests: sum.requests + one.requests,
    })
}

/// Where the files go: a folder that is kept, or one that is removed in the end.
enum Folder {
    Kept(PathBuf),
    Passing(tempfile::TempDir),
}

impl Folder {
    fn new(keep: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = keep else { return Ok(Self::Passing(tempfile::tempdir()?)) };
        fs::create_dir_all(path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        if fs::read_dir(path)?.next().is_some() {
            return Err(format!("{} is not empty; name a new folder for --keep", path.display()).into());
        }
        Ok(Self::Kept(path.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Passing(folder) => folder.path(),
        }
    }
}
