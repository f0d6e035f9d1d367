//! Receiving what others wrote, in the order of its times and out of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use syncline::authority::AllowAll;
use syncline::{MemoryStorage, Service};
use syncline_memory::MemoryTransport;

use crate::bare::{Arrival, ByHand};
use crate::compare::Bench;
use crate::compare::bench::Sides;
use crate::compare::measure::Side;
use crate::compare::work::FEW;
use crate::fresh::{AUTHORS, Piece, Plan, write_pieces};
use crate::rounds::rate;
use crate::workload::scatter;
use crate::{Failure, ours};

/// Events that arrive.
const EVENTS: usize = 30_000;

/// A peer in this process has them all; a replica that has nothing takes them.
pub(super) async fn arrival(bench: &Bench<'_>, late: bool) -> Result<Sides, Failure> {
    let plan = Plan { keys: FEW, events: bench.effort.events(EVENTS), per_bundle: 10 };
    let pieces = || if late { shuffled(&plan) } else { plan.pieces().collect() };
    let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
    let service = Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock));
    let peer = MemoryTransport::new(Arc::new(service), "token").await?;
    write_pieces(pieces().into_iter(), &peer).await?;
    let arrivals: Vec<_> = pieces().into_iter().flat_map(arrivals).collect();

    let (mut ours, mut by_hand) = (Side::default(), None);
    for _ in 0..bench.effort.few_rounds() {
        let place = bench.place()?;
        let replica = ours::open(&place, bench.durability, true).await?;
        let start = Instant::now();
        replica.sync(&peer).await?;
        ours.values.push(rate(plan.events, start.elapsed()));
        drop(replica);
        place.delete().await?;

        let place = bench.place()?;
        if let Some(mut bare) = ByHand::create(&place, bench.durability).await? {
            let start = Instant::now();
            bare.receive(&arrivals, true).await?;
            by_hand.get_or_insert_with(Side::default).values.push(rate(plan.events, start.elapsed()));
        }
        place.delete().await?;
    }
    Ok((ours, by_hand))
}

/// The pieces as they arrive where turns are shuffled and the last author was offline. Those of one author stay in order: that
/// is how logs travel.
fn shuffled(plan: &Plan) -> Vec<Piece> {
    let mut waiting: [VecDeque<Piece>; AUTHORS] = Default::default();
    plan.pieces().for_each(|piece| waiting[piece.author].push_back(piece));
    let offline = std::mem::take(&mut waiting[AUTHORS - 1]);
    let mut order = Vec::new();
    for chance in 0.. {
        let open: Vec<_> = waiting.iter_mut().filter(|pieces| !pieces.is_empty()).collect();
        let Some(turn) = (scatter(chance) as usize).checked_rem(open.len()) else { break };
        order.extend(open.into_iter().nth(turn).and_then(VecDeque::pop_front));
    }
    order.extend(offline);
    order
}

fn arrivals(piece: Piece) -> impl Iterator<Item = Arrival> {
    let author = piece.author as u8 + 1;
    piece.bundles.into_iter().map(move |(time, changes)| Arrival { author, time, changes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_late_is_all_there_and_each_authors_in_order() {
        let plan = Plan { keys: FEW, events: 20_000, per_bundle: 10 };
        let times = |pieces: &[Piece]| -> Vec<_> {
            pieces.iter().flat_map(|piece| piece.bundles.iter().map(|(time, _)| *time)).collect()
        };
        let late = shuffled(&plan);
        for author in 0..AUTHORS {
            let own: Vec<_> =
                late.iter().filter(|piece| piece.author == author).map(|piece| piece.bundles[0].0).collect();
            assert!(own.len() == 10 && own.is_sorted());
        }
        assert_eq!(times(&late).len(), 2_000);
        assert!(!times(&late).is_sorted());
    }
}
