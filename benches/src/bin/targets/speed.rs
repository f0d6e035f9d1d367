//! Events per second.

use std::time::{Duration, Instant};

use syncline::store::Durability;
use syncline_benches::bare::ByHand;
use syncline_benches::fresh::{self, Plan, Sites};
use syncline_benches::place::{Backend, Place};
use syncline_benches::report::{Line, Target};
use syncline_benches::rounds::{Rounds, rate};
use syncline_benches::workload::{Keys, Workload};
use syncline_benches::{Failure, ours};

use crate::{Effort, announce};

const DURABLE: Durability = Durability::Synced;
const WRITERS: usize = 16;
/// Commits before the other side has its turn: so few that a disk which changes its mind does it to both.
const SLICE: usize = 20;

/// One event, and 100 events, per commit, against the same inserts by hand.
pub(crate) async fn append(effort: &Effort) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let kinds = [("append, one event per commit", 1, 1_000, 0.8), ("append, 100 events per commit", 100, 40_000, 0.7)];
    for (what, per_commit, events, least) in kinds {
        if !effort.wants(what) {
            continue;
        }
        announce(what);
        let folder = effort.folder()?;
        let replica = ours::open_sqlite(&folder.path().join("ours.sqlite"), DURABLE).await?;
        let by_hand = Place::of_path(Backend::Sqlite, &folder.path().join("by-hand.sqlite"));
        let mut bare = ByHand::new(&by_hand, DURABLE).await?;
        let (mut workload, mut rounds) = (Workload::new(Keys::TEN_THOUSAND, 1), Rounds::default());
        let events = effort.events(events);
        // The first round fills caches and tables, and does not count.
        for round in 0..=effort.rounds {
            let (changes, prepared) = workload.take_both(events)?;
            let slices = prepared.chunks(per_commit * SLICE).zip(changes.chunks(per_commit * SLICE));
            let (mut took, mut by_hand) = (Duration::ZERO, Duration::ZERO);
            for (events, changes) in slices {
                let start = Instant::now();
                ours::append(&replica, events, per_commit).await?;
                took += start.elapsed();
                let start = Instant::now();
                for changes in changes.chunks(per_commit) {
                    bare.write(changes, true).await?;
                }
                by_hand += start.elapsed();
            }
            if round > 0 {
                rounds.note(events, took, by_hand);
            }
        }
        lines.push(Line::of_rounds(what, DURABLE, &rounds, Target::AtLeast(least)));
    }
    Ok(lines)
}

/// Sixteen writers at once, against one.
pub(crate) async fn concurrent(effort: &Effort) -> Result<Vec<Line>, Failure> {
    let what = "append, 16 writers at once, compared with one writer";
    if !effort.wants(what) {
        return Ok(Vec::new());
    }
    announce(what);
    let folder = effort.folder()?;
    let replica = ours::open_sqlite(&folder.path().join("ours.sqlite"), DURABLE).await?;
    let (mut workload, mut rounds) = (Workload::new(Keys::TEN_THOUSAND, 1), Rounds::default());
    let each = effort.events(400);
    for round in 0..=effort.rounds {
        let (one, many) = (workload.take_events(each)?, workload.take_events(each * WRITERS)?);
        let (mut many_took, mut one_took) = (Duration::ZERO, Duration::ZERO);
        for (one, many) in one.chunks(SLICE).zip(many.chunks(SLICE * WRITERS)) {
            let start = Instant::now();
            ours::append_concurrently(&replica, many, 1, WRITERS).await?;
            many_took += start.elapsed();
            let start = Instant::now();
            ours::append_concurrently(&replica, one, 1, 1).await?;
            one_took += start.elapsed();
        }
        if round > 0 {
            rounds.note_values(rate(many.len(), many_took), rate(one.len(), one_took));
        }
    }
    Ok(vec![Line::of_rounds(what, DURABLE, &rounds, Target::AtLeast(8.0))])
}

/// A fresh replica over HTTP, against the pipeline by hand; and what goes over the wire for it.
pub(crate) async fn fresh(effort: &Effort) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for keys in [Keys::TEN_THOUSAND, Keys::Distinct] {
        let what = format!("fresh replica over HTTP, bundles of 10, {keys}");
        if !effort.wants(&what) {
            continue;
        }
        announce(&what);
        let plan = Plan { keys, events: effort.events(200_000), per_bundle: 10 };
        let folder = effort.folder()?;
        let sites = Sites::start(&plan, folder.path()).await?;
        let mut rounds = Rounds::default();
        for round in 0..=effort.rounds {
            let folder = effort.folder()?;
            let (replica, ours) = fresh::sync_ours(&sites, folder.path(), DURABLE).await?;
            drop(replica);
            let (store, by_hand) = fresh::sync_by_hand(&sites, folder.path(), DURABLE).await?;
            drop(store);
            if round > 0 {
                rounds.note(plan.events, ours.took, by_hand.took);
            }
        }
        lines.push(Line::of_rounds(what, DURABLE, &rounds, Target::AtLeast(1.5)));
    }
    Ok(lines)
}
