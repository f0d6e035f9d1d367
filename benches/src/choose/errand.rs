//! What one store does, in a process of its own: so its memory is its own, and the next process opens what it has left.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use syncline::Replica;
use syncline::attributes::Attributes;
use syncline::store::{Durability, Storage};

use super::candidate::{Candidate, Source};
use super::pattern::Pattern;
use crate::compare::measure::Latency;
use crate::memory::{peak_of_this_process, say};
use crate::place::Place;
use crate::{Failure, ours};

/// The argument with which a program that calls [`run_errand`] is started. The errand as JSON follows.
pub const ERRAND: &str = "choose-errand";

/// Where a store lies.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Site {
    Shipped(Place),
    Own(PathBuf),
}

/// What a process is to do with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    /// Follow the pattern, say what it took, and wait to be killed.
    Work,
    /// Open what is there, read its status, and say how long that took.
    Reopen,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Errand {
    pub(super) store: String,
    pub(super) durability: Durability,
    pub(super) site: Site,
    pub(super) pattern: Pattern,
    pub(super) part: Part,
}

/// What the work took.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Worked {
    pub(super) events: u64,
    pub(super) seconds: f64,
    pub(super) write: Latency,
    pub(super) read: Option<Latency>,
    /// The largest resident set of the process if the system tells it.
    pub(super) peak_bytes: Option<u64>,
}

/// Runs an errand, as it was handed to this process.
///
/// # Errors
/// If the text is no errand, names no candidate, or the store fails.
pub async fn run_errand(text: &str, candidates: &[Candidate]) -> Result<(), Failure> {
    let errand: Errand = serde_json::from_str(text)?;
    let named = |known: &&Candidate| known.name == errand.store && known.durability == errand.durability;
    let candidate = candidates.iter().find(named).ok_or_else(|| format!("there is no store {}", errand.store))?;
    let start = Instant::now();
    let storage: Arc<dyn Storage> = match (&candidate.source, &errand.site) {
        (Source::Shipped(_), Site::Shipped(place)) => Arc::new(place.open(errand.durability).await?),
        (Source::Own(open), Site::Own(folder)) => open(folder)?,
        _ => return Err("a shipped store has the name of one of your own; choose another name".into()),
    };
    if errand.part == Part::Reopen {
        let status = storage.open(&ours::space()).await?.status().await?;
        let took = start.elapsed().as_secs_f64() * 1e3;
        (status.head.get() > 0).then_some(()).ok_or("nothing is left of the log")?;
        return Ok(say(&took.to_string())?);
    }
    if storage.durability() != errand.durability {
        let (found, said) = (storage.durability(), errand.durability);
        return Err(format!("{} says that its commits are {found}, and you say {said}", errand.store).into());
    }
    let worked = work(&*storage, &errand.pattern).await?;
    say(&serde_json::to_string(&worked)?)?;
    std::future::pending().await
}

async fn work(storage: &dyn Storage, pattern: &Pattern) -> Result<Worked, Failure> {
    let stack = Replica::compose(ours::space(), storage.open(&ours::space()).await?).clock(syncline_os::wall_clock);
    let stack = if pattern.rows { stack.projection(Attributes) } else { stack };
    let replica = stack.open(syncline_os::replica_id()).await?;
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(pattern.seconds);
    let writers = (0..pattern.writers as u64).map(|writer| {
        let (replica, pattern) = (replica.clone(), pattern.clone());
        tokio::spawn(async move { write_until(&replica, &pattern, writer, end).await })
    });
    let took = try_join_all(writers).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let seconds = start.elapsed().as_secs_f64();
    let (writes, reads): (Vec<_>, Vec<_>) = took.into_iter().unzip();
    let (writes, reads) = (writes.concat(), reads.concat());
    let events = (writes.len() * pattern.events_per_write) as u64;
    let write = Latency::of(writes).ok_or("nothing was written in the time given")?;
    Ok(Worked { events, seconds, write, read: Latency::of(reads), peak_bytes: peak_of_this_process().ok() })
}

/// One writer: how long each of its writes and reads took.
async fn write_until(
    replica: &Replica,
    pattern: &Pattern,
    writer: u64,
    end: Instant,
) -> Result<(Vec<Duration>, Vec<Duration>), Failure> {
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    // Writers take every so manieth number, so that no two write the same.
    for round in 0.. {
        let number = round * pattern.writers as u64 + writer;
        let events = pattern.events(number);
        let start = Instant::now();
        replica.write(&events).await?;
        writes.push(start.elapsed());
        for read in 0..pattern.reads_per_write as u64 {
            let attribute = pattern.attribute(number + read * 7_919);
            let start = Instant::now();
            replica.attributes()?.read(&attribute).await?;
            reads.push(start.elapsed());
        }
        if Instant::now() >= end {
            break;
        }
    }
    Ok((writes, reads))
}
