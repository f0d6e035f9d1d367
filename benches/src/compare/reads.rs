//! Reading the end of a log, and folding all of it again.

use std::time::{Duration, Instant};

use syncline::attributes::Attributes;
use syncline::store::Limit;
use syncline::{Cursor, Position, Projection as _};

use crate::bare::ByHand;
use crate::compare::Bench;
use crate::compare::bench::Sides;
use crate::compare::measure::Side;
use crate::compare::work::{FEW, WRITERS};
use crate::rounds::rate;
use crate::workload::Workload;
use crate::{Failure, ours};

/// Bundles in the log whose end is read, and how many of them are.
const LOG: usize = 2_000;
const TAIL: usize = 100;
/// Reads before the other side has its turn, and reads of one round at most.
const SLICE: usize = 20;
const READS_MAX: usize = 20_000;
/// Events in the log that is folded.
const FOLDED: usize = 30_000;
const PER_BUNDLE: usize = 10;

/// Reads of the last bundles.
pub(super) async fn tail(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let (place, place_by_hand) = (bench.place()?, bench.place()?);
    let replica = ours::open(&place, bench.durability, false).await?;
    let mut bare = ByHand::create(&place_by_hand, bench.durability).await?;
    let (changes, events) = Workload::new(FEW, 1).take_both(bench.effort.events(LOG).max(2 * TAIL))?;
    ours::append_concurrently(&replica, &events, 1, WRITERS).await?;
    if let Some(bare) = &mut bare {
        bare.fill(&changes, 1, false).await?;
    }
    let status = replica.store().status().await?;
    let after = Position::new(status.head.get() - TAIL as u64);
    let cursor = Cursor { log: status.log, position: after };
    let (mut ours, mut by_hand) = (Side::default(), Side::default());
    for round in 0..=bench.effort.rounds {
        let (mut ours_took, mut bare_took) = (Vec::new(), Vec::new());
        while ours_took.iter().chain(&bare_took).sum::<Duration>() < bench.effort.round && ours_took.len() < READS_MAX {
            for _ in 0..SLICE {
                let start = Instant::now();
                let page = replica.store().read(cursor, Limit::items(TAIL as u32)).await?;
                ours_took.push(start.elapsed());
                page.is_last().then_some(()).ok_or("the tail does not reach the head")?;
            }
            let Some(bare) = &mut bare else { continue };
            for _ in 0..SLICE {
                let start = Instant::now();
                let runs = bare.read(after.get(), TAIL).await?;
                bare_took.push(start.elapsed());
                (runs.len() == TAIL).then_some(()).ok_or("the tail by hand is not whole")?;
            }
        }
        if round > 0 {
            ours.values.push(rate(ours_took.len(), ours_took.iter().sum()));
            by_hand.values.push(rate(bare_took.len(), bare_took.iter().sum()));
            ours.took.extend(ours_took);
            by_hand.took.extend(bare_took);
        }
    }
    let by_hand = bare.is_some().then_some(by_hand);
    drop((replica, bare));
    place.delete().await?;
    place_by_hand.delete().await?;
    Ok((ours, by_hand))
}

/// All rows thrown away and folded again.
pub(super) async fn rebuild(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let (place, place_by_hand) = (bench.place()?, bench.place()?);
    let replica = ours::open(&place, bench.durability, true).await?;
    let mut bare = ByHand::create(&place_by_hand, bench.durability).await?;
    let count = bench.effort.events(FOLDED);
    let (changes, events) = Workload::new(FEW, 1).take_both(count)?;
    ours::append_concurrently(&replica, &events, PER_BUNDLE, WRITERS).await?;
    if let Some(bare) = &mut bare {
        bare.fill(&changes, PER_BUNDLE, true).await?;
    }
    let view = Attributes.view();
    let (mut ours, mut by_hand) = (Side::default(), None);
    for _ in 0..bench.effort.few_rounds() {
        let start = Instant::now();
        replica.rebuild(&view).await?;
        ours.values.push(rate(count, start.elapsed()));
        if let Some(bare) = &mut bare {
            let start = Instant::now();
            bare.rebuild().await?;
            by_hand.get_or_insert_with(Side::default).values.push(rate(count, start.elapsed()));
        }
    }
    drop((replica, bare));
    place.delete().await?;
    place_by_hand.delete().await?;
    Ok((ours, by_hand))
}
