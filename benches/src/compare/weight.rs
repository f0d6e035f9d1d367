//! What a log takes on the disk, and a process in memory.

use syncline::Cursor;
use syncline::store::Limit;

use crate::bare::ByHand;
use crate::compare::Bench;
use crate::compare::bench::Sides;
use crate::compare::crash::Errand;
use crate::compare::measure::Side;
use crate::compare::work::{BATCH, FEW};
use crate::memory::{peak_of_this_process, say};
use crate::place::Backend;
use crate::workload::Workload;
use crate::{Failure, ours};

/// Single events on the disk.
const ON_DISK: usize = 3_000;
/// Events that the process writes and reads whose memory is looked at.
const IN_MEMORY: usize = 50_000;

/// Bytes per single event, once the store is closed.
pub(super) async fn disk(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let (place, place_by_hand) = (bench.place()?, bench.place()?);
    // Not so few in a quick run that all there is are the empty tables.
    let count = bench.effort.events(5 * ON_DISK).min(ON_DISK);
    let (changes, events) = Workload::new(FEW, 1).take_both(count)?;
    let replica = ours::open(&place, bench.durability, false).await?;
    ours::append(&replica, &events, 1).await?;
    drop(replica);
    let mut bare = ByHand::new(&place_by_hand, bench.durability).await?;
    for change in changes.chunks(1) {
        bare.write(change, false).await?;
    }
    drop(bare);
    let per_event = |bytes: u64| Side { values: vec![bytes as f64 / events.len() as f64], took: Vec::new() };
    let sides = (per_event(place.bytes().await?), Some(per_event(place_by_hand.bytes().await?)));
    place.delete().await?;
    place_by_hand.delete().await?;
    Ok(sides)
}

/// The peak of a process of its own, ours and by hand.
pub(super) async fn memory(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let ours = peak(bench, false).await?;
    let by_hand = if bench.backend == Backend::Memory { None } else { Some(peak(bench, true).await?) };
    Ok((ours, by_hand))
}

async fn peak(bench: &Bench<'_>, by_hand: bool) -> Result<Side, Failure> {
    let (place, durability) = (bench.place()?, bench.durability);
    let errand = Errand { place, durability, by_hand, events: bench.effort.events(IN_MEMORY), weigh: true };
    let (process, mut said) = errand.start(bench)?;
    let bytes: u64 = said.next().ok_or("the process ended without telling its peak")??.parse()?;
    drop(process);
    errand.place.delete().await?;
    Ok(Side { values: vec![bytes as f64 / 1e6], took: Vec::new() })
}

/// Writes a log with rows in bundles of 100, reads it all in pages, and says the largest resident set so far, in bytes.
///
/// # Errors
/// [`Failure`] of the store. Always fails on other systems than Linux, because only Linux has the measure.
pub(super) async fn weigh_this_process(errand: &Errand) -> Result<(), Failure> {
    let mut workload = Workload::new(FEW, 1);
    if errand.by_hand {
        let mut bare = ByHand::new(&errand.place, errand.durability).await?;
        for _ in 0..errand.events.div_ceil(BATCH) {
            bare.write(&workload.take_changes(BATCH), true).await?;
        }
        for after in (0..bare.head()).step_by(BATCH) {
            bare.read(after, BATCH).await?;
        }
    } else {
        let replica = ours::open(&errand.place, errand.durability, true).await?;
        for _ in 0..errand.events.div_ceil(BATCH) {
            replica.write(&workload.take_events(BATCH)?).await?;
        }
        let mut cursor = Cursor::start(replica.store().status().await?.log);
        loop {
            let page = replica.store().read(cursor, Limit::PAGE).await?;
            if page.is_last() {
                break;
            }
            cursor = page.next;
        }
    }
    Ok(say(&peak_of_this_process()?.to_string())?)
}
