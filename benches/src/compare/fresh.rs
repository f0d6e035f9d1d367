//! A replica that has nothing yet, from a server on the same backend.

use std::time::Instant;

use crate::compare::Bench;
use crate::compare::bench::Sides;
use crate::compare::measure::Side;
use crate::fresh::{OurServer, Plan, write_log, write_pipeline};
use crate::pipeline::{self, PipelineServer, PipelineStore};
use crate::place::Backend;
use crate::rounds::rate;
use crate::workload::Keys;
use crate::{Failure, ours};

/// Events in the log.
const EVENTS: usize = 50_000;

/// From opening the replica to the end of the sync.
pub(super) async fn fresh(bench: &Bench<'_>, keys: Keys) -> Result<Sides, Failure> {
    let plan = Plan { keys, events: bench.effort.events(EVENTS), per_bundle: 10 };
    let (place, place_by_hand) = (bench.place()?, bench.place()?);
    let server = OurServer::start(place.open(bench.durability).await?).await?;
    write_log(&plan, &server.transport()?).await?;
    let server_by_hand = match bench.backend {
        Backend::Sqlite => {
            let mut store = PipelineStore::create(place_by_hand.path(), bench.durability)?;
            write_pipeline(&plan, &mut store)?;
            Some(PipelineServer::start(store).await?)
        }
        _ => None,
    };
    let (mut ours, mut by_hand) = (Side::default(), None);
    for _ in 0..bench.effort.few_rounds() {
        let place = bench.place()?;
        let transport = server.transport()?;
        let start = Instant::now();
        let replica = ours::open(&place, bench.durability, true).await?;
        replica.sync(&transport).await?;
        ours.values.push(rate(plan.events, start.elapsed()));
        drop(replica);
        place.delete().await?;

        if let Some(server) = &server_by_hand {
            let place = bench.place()?;
            let start = Instant::now();
            let store = pipeline::pull(server, place.path(), bench.durability).await?;
            by_hand.get_or_insert_with(Side::default).values.push(rate(plan.events, start.elapsed()));
            drop(store);
            place.delete().await?;
        }
    }
    server.stop().await?;
    drop(server_by_hand);
    place.delete().await?;
    place_by_hand.delete().await?;
    Ok((ours, by_hand))
}
