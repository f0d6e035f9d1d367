//! One writer who invents origins by the ten thousand.

use std::time::{Duration, Instant};

use syncline::format::{Head, Heads};
use syncline::limits::{HEADS_MAX, PUSH_ORIGINS_MAX};
use syncline::protocol::{Code, Have, Pull, Push, Reply, Request};
use syncline::store::Limit;
use syncline::{ReplicaId, SpaceId, Transport, TransportError};
use syncline_conformance::Author;

use super::Found;
use crate::Failure;
use crate::crowd::{self, tally};
use crate::ground::{ATTIC, Game, Ground};

/// Origins that are tried in all.
const ORIGINS: usize = 200_000;
/// What a pull by heads may take, whatever it lacks.
const PULL_MAX: Duration = Duration::from_secs(1);

fn author(number: usize) -> Author {
    let mut bytes = [0xcc; 16];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Author::with_origin(ReplicaId::from_bytes(bytes).expect("it is not all zero"))
}

/// Pushes origins until there are 200,000, or none are taken any more; then reads what is there.
pub(crate) async fn flood(_: &Ground, game: &Game, scale: f64) -> Result<Found, Failure> {
    let (way, space) = (game.transport(&game.tokens.hostile)?, SpaceId::new(ATTIC)?);
    let (mut taken, mut refusals) = (0, Vec::new());
    let numbers: Vec<usize> = (0..crowd::part(ORIGINS, scale)).collect();
    for numbers in numbers.chunks(PUSH_ORIGINS_MAX) {
        let runs = numbers.iter().map(|number| author(*number).write(1).run().clone()).collect();
        match way.call(Request::Push(space.clone(), None, Push { runs })).await {
            Ok(_) => taken += numbers.len(),
            Err(TransportError::Refused(problem)) => refusals.push(match problem.code {
                Code::TooManyOrigins { max } => format!("too many origins (at most {max})"),
                other => format!("{other:?}"),
            }),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    let Reply::Heads(heads) = way.call(Request::Heads(space.clone())).await?.reply else {
        return Err("heads were asked for".into());
    };
    let slowest = slowest_pull(&way, &space, &heads.heads).await?;
    let readable = heads.heads.len() == taken && taken <= HEADS_MAX;
    let text = format!(
        "{taken} taken, of the pushes {}; pulls by heads in {:.0} ms",
        tally(refusals),
        slowest.as_secs_f64() * 1e3
    );
    Ok(Found { text, holds: readable && slowest < PULL_MAX })
}

/// The slowest of some pulls that lack nearly all, half, or nearly nothing.
async fn slowest_pull(way: &impl Transport, space: &SpaceId, heads: &Heads) -> Result<Duration, Failure> {
    let mut slowest = Duration::ZERO;
    let nonsense = Heads::from_iter([(author(usize::MAX).origin(), Head::NONE)]);
    let known = [nonsense, heads.iter().take(heads.len() / 2).collect(), heads.iter().skip(100).collect()];
    for have in known.map(Have::Heads) {
        let asked = Instant::now();
        way.call(Request::Pull(space.clone(), Pull { have, without: None, limit: Limit::bytes(64 * 1024) })).await?;
        slowest = slowest.max(asked.elapsed());
    }
    Ok(slowest)
}
