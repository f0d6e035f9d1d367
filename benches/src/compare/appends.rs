//! Appending: one writer or many, with rows and without.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use syncline::{Event, Replica};
use tokio::sync::Mutex;

use crate::bare::ByHand;
use crate::compare::bench::Sides;
use crate::compare::measure::Side;
use crate::compare::work::{BATCH, FEW, WRITERS};
use crate::compare::{Bench, Work};
use crate::rounds::rate;
use crate::workload::{Change, Keys, Workload};
use crate::{Failure, ours};

/// Commits before the other side has its turn: so few that a disk which changes its mind does it to both.
const SLICE: usize = 20;
/// Events of one round, at most: what needs no disk would otherwise fill the memory.
const EVENTS_MAX: usize = 40_000;

/// How many events a commit has, over which keys, and whether their rows are written.
fn shape(work: Work) -> (usize, Keys, bool) {
    match work {
        Work::Batch => (BATCH, FEW, false),
        Work::SingleRow => (1, FEW, true),
        Work::FewKeys => (BATCH, FEW, true),
        Work::ManyKeys => (BATCH, Keys::Distinct, true),
        _ => (1, FEW, false),
    }
}

/// One writer, one commit after the other.
pub(super) async fn one_writer(bench: &Bench<'_>, work: Work) -> Result<Sides, Failure> {
    let (per_commit, keys, rows) = shape(work);
    let (place, place_by_hand) = (bench.place()?, bench.place()?);
    let replica = ours::open(&place, bench.durability, rows).await?;
    let mut bare = ByHand::create(&place_by_hand, bench.durability).await?;
    let (mut ours, mut by_hand) = (Side::default(), Side::default());
    let mut workload = Workload::new(keys, 1);
    for round in 0..=bench.effort.rounds {
        let (mut ours_took, mut bare_took) = (Vec::new(), Vec::new());
        // Both sides make the same number of commits.
        let mut worked = Duration::ZERO;
        while worked < bench.effort.round && ours_took.len() * per_commit < EVENTS_MAX {
            let (changes, events) = workload.take_both(SLICE * per_commit)?;
            let start = Instant::now();
            each_commit(&replica, &events, per_commit, &mut ours_took).await?;
            if let Some(bare) = &mut bare {
                each_transaction(bare, &changes, per_commit, rows, &mut bare_took).await?;
            }
            worked += start.elapsed();
        }
        if round > 0 {
            note(&mut ours, ours_took, per_commit);
            note(&mut by_hand, bare_took, per_commit);
        }
    }
    let by_hand = bare.is_some().then_some(by_hand);
    drop((replica, bare));
    place.delete().await?;
    place_by_hand.delete().await?;
    Ok((ours, by_hand))
}

async fn each_commit(
    replica: &Replica,
    events: &[Event],
    per_commit: usize,
    took: &mut Vec<Duration>,
) -> Result<(), Failure> {
    for events in events.chunks(per_commit) {
        let start = Instant::now();
        replica.write(events).await?;
        took.push(start.elapsed());
    }
    Ok(())
}

async fn each_transaction(
    bare: &mut ByHand,
    changes: &[Change],
    per_commit: usize,
    rows: bool,
    took: &mut Vec<Duration>,
) -> Result<(), Failure> {
    for changes in changes.chunks(per_commit) {
        let start = Instant::now();
        bare.write(changes, rows).await?;
        took.push(start.elapsed());
    }
    Ok(())
}

/// Notes what one side did in one round.
fn note(side: &mut Side, took: Vec<Duration>, per_commit: usize) {
    side.values.push(rate(took.len() * per_commit, took.iter().sum()));
    side.took.extend(took);
}

/// Many writers at once, each of which waits for one commit before it makes the next.
pub(super) async fn writers(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let (place, place_by_hand) = (bench.place()?, bench.place()?);
    let replica = ours::open(&place, bench.durability, false).await?;
    let bare = ByHand::create(&place_by_hand, bench.durability).await?.map(|bare| Arc::new(Mutex::new(bare)));
    let (mut ours, mut by_hand) = (Side::default(), Side::default());
    let mut workload = Workload::new(FEW, 1);
    for round in 0..=bench.effort.rounds {
        let (mut ours_took, mut bare_took) = (Vec::new(), Vec::new());
        let (mut ours_worked, mut bare_worked) = (Duration::ZERO, Duration::ZERO);
        while ours_worked + bare_worked < bench.effort.round && ours_took.len() < EVENTS_MAX {
            let (changes, events) = workload.take_both(SLICE * WRITERS)?;
            let start = Instant::now();
            ours_took.extend(at_once(&replica, &events).await?);
            ours_worked += start.elapsed();
            if let Some(bare) = &bare {
                let start = Instant::now();
                bare_took.extend(in_turns(bare, &changes).await?);
                bare_worked += start.elapsed();
            }
        }
        if round > 0 {
            ours.values.push(rate(ours_took.len(), ours_worked));
            by_hand.values.push(rate(bare_took.len(), bare_worked));
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

/// Many writers at once, and one: each waits for one commit before it makes the next.
pub(super) async fn grouping(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let place = bench.place()?;
    let replica = ours::open(&place, bench.durability, true).await?;
    let (mut many, mut one) = (Side::default(), Side::default());
    let mut workload = Workload::new(FEW, 1);
    for round in 0..=bench.effort.rounds {
        let (mut many_took, mut one_took) = (Vec::new(), Vec::new());
        let mut many_worked = Duration::ZERO;
        while many_worked + one_took.iter().sum() < bench.effort.round && many_took.len() < EVENTS_MAX {
            let (together, alone) = (workload.take_events(SLICE * WRITERS)?, workload.take_events(SLICE)?);
            let start = Instant::now();
            many_took.extend(at_once(&replica, &together).await?);
            many_worked += start.elapsed();
            each_commit(&replica, &alone, 1, &mut one_took).await?;
        }
        if round > 0 {
            many.values.push(rate(many_took.len(), many_worked));
            many.took.extend(many_took);
            note(&mut one, one_took, 1);
        }
    }
    drop(replica);
    place.delete().await?;
    Ok((many, Some(one)))
}

async fn at_once(replica: &Replica, events: &[Event]) -> Result<Vec<Duration>, Failure> {
    let tasks = events.chunks(events.len().div_ceil(WRITERS)).map(|events| {
        let (replica, events) = (replica.clone(), events.to_vec());
        tokio::spawn(async move {
            let mut took = Vec::with_capacity(events.len());
            each_commit(&replica, &events, 1, &mut took).await.map(|()| took)
        })
    });
    Ok(try_join_all(tasks).await?.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

async fn in_turns(bare: &Arc<Mutex<ByHand>>, changes: &[Change]) -> Result<Vec<Duration>, Failure> {
    let tasks = changes.chunks(changes.len().div_ceil(WRITERS)).map(|changes| {
        let (bare, changes) = (bare.clone(), changes.to_vec());
        tokio::spawn(async move {
            let mut took = Vec::with_capacity(changes.len());
            for change in changes.chunks(1) {
                let start = Instant::now();
                bare.lock().await.write(change, false).await?;
                took.push(start.elapsed());
            }
            Ok::<_, Failure>(took)
        })
    });
    Ok(try_join_all(tasks).await?.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}
