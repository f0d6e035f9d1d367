//! Opening what a killed process has left.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use syncline::Replica;
use syncline::store::{Durability, Storage as _};

use crate::bare::ByHand;
use crate::compare::Bench;
use crate::compare::bench::Sides;
use crate::compare::measure::Side;
use crate::compare::work::FEW;
use crate::memory::{Ended, say};
use crate::place::Place;
use crate::workload::Workload;
use crate::{Failure, ours};

/// The argument with which a program that runs an [`Errand`] is started; the errand as JSON follows.
pub const ERRAND: &str = "errand";
/// Events that the process has written, at least, when it is killed.
const EVENTS: usize = 2_000;
const PER_BUNDLE: usize = 10;

/// What a process of its own is to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Errand {
    pub(super) place: Place,
    pub(super) durability: Durability,
    /// Without the engine.
    pub(super) by_hand: bool,
    /// How many events to write, at least.
    pub(super) events: usize,
    /// Whether to tell its peak of memory afterwards, in place of going on until it is killed.
    pub(super) weigh: bool,
}

impl Errand {
    /// Reads an errand as it is handed to a process.
    ///
    /// # Errors
    /// [`Failure`] if the text is not an errand.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Ok(serde_json::from_str(text)?)
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`Failure`] of the store, or of the pipe to the program that measures.
    pub async fn run(self) -> Result<(), Failure> {
        if self.weigh { super::weight::weigh_this_process(&self).await } else { self.write_until_killed().await }
    }

    /// A process that runs it, and the lines that it says.
    pub(super) fn start(
        &self,
        bench: &Bench<'_>,
    ) -> Result<(Ended, impl Iterator<Item = std::io::Result<String>> + use<>), Failure> {
        let mut process = Command::new(bench.program);
        process.arg(ERRAND).arg(serde_json::to_string(self)?).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = process.spawn()?;
        let output = process.stdout.take().ok_or("the process has no output")?;
        Ok((Ended(process), BufReader::new(output).lines()))
    }

    /// Writes bundles with rows, says so when there are enough, and continues.
    async fn write_until_killed(&self) -> Result<(), Failure> {
        let mut workload = Workload::new(FEW, u64::from(std::process::id()));
        let enough = self.events.div_ceil(PER_BUNDLE);
        let mut writer = match self.by_hand {
            true => Writer::ByHand(Box::new(ByHand::reopen(&self.place, self.durability).await?.0)),
            false => Writer::Ours(ours::open(&self.place, self.durability, true).await?),
        };
        for written in 1_usize.. {
            let (changes, events) = workload.take_both(PER_BUNDLE)?;
            match &mut writer {
                Writer::Ours(replica) => _ = replica.write(&events).await?,
                Writer::ByHand(bare) => bare.write(&changes, true).await?,
            }
            if written == enough {
                say("enough")?;
            }
        }
        Ok(())
    }
}

enum Writer {
    Ours(Replica),
    ByHand(Box<ByHand>),
}

/// Kills a writing process, again and again over the same database.
pub(super) async fn reopen(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let (mut ours, mut by_hand) = (Side::default(), Side::default());
    let errand = |by_hand| -> Result<Errand, Failure> {
        let events = bench.effort.events(EVENTS);
        Ok(Errand { place: bench.place()?, durability: bench.durability, by_hand, events, weigh: false })
    };
    let (with_engine, without) = (errand(false)?, errand(true)?);
    // What is by hand has no tables yet.
    drop(ByHand::new(&without.place, bench.durability).await?);
    for _ in 0..2 * bench.effort.few_rounds() {
        kill(&with_engine, bench)?;
        let start = Instant::now();
        let storage = with_engine.place.open(bench.durability).await?;
        let store = storage.open(&ours::space()).await?;
        let status = store.status().await?;
        ours.took.push(start.elapsed());
        ours.values.push(start.elapsed().as_secs_f64() * 1e3);
        (status.head.get() > 0).then_some(()).ok_or("nothing is left of the log")?;
        drop((store, storage));

        kill(&without, bench)?;
        let start = Instant::now();
        let (bare, head) = ByHand::reopen(&without.place, bench.durability).await?;
        by_hand.took.push(start.elapsed());
        by_hand.values.push(start.elapsed().as_secs_f64() * 1e3);
        (head > 0).then_some(()).ok_or("nothing is left of the log by hand")?;
        drop(bare);
    }
    with_engine.place.delete().await?;
    without.place.delete().await?;
    Ok((ours, Some(by_hand)))
}

/// Lets a process write for a while, and kills it in the middle of that.
fn kill(errand: &Errand, bench: &Bench<'_>) -> Result<(), Failure> {
    let (process, mut said) = errand.start(bench)?;
    said.next().ok_or("the writing process ended by itself")??;
    drop(process); // which kills it and waits for its end
    Ok(())
}
