//! Connections that say next to nothing.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Found;
use crate::ground::{ATTIC, Game, Ground};
use crate::{Failure, crowd, raw};

/// Until half a request is given up, at the latest.
const HALF_OPEN_MAX: Duration = Duration::from_secs(12);
/// Until a trickling body is given up: its patience, and what it earns.
const TRICKLE_MAX: Duration = Duration::from_secs(40);

/// Requests whose headers do not end.
pub(crate) async fn half_open(_: &Ground, game: &Game, scale: f64) -> Result<Found, Failure> {
    let (address, count, begun) = (game.address(), crowd::part(1_000, scale), Instant::now());
    let closed = crowd::all(count, |_| async move {
        let Some(mut socket) = raw::connect(address).await else { return false };
        raw::say(&mut socket, b"GET /v1 HTTP/1.1\r\nhost: x\r\nx-half").await;
        raw::closed(&mut socket).await.is_some()
    });
    let closed = closed.await.into_iter().filter(|closed| *closed).count();
    let took = begun.elapsed();
    let text = format!("{closed} closed in {:.1} s", took.as_secs_f64());
    Ok(Found { text, holds: closed == count && took < HALF_OPEN_MAX })
}

/// Bodies of which a byte comes every second.
pub(crate) async fn trickling(_: &Ground, game: &Game, scale: f64) -> Result<Found, Failure> {
    let (address, count, begun) = (game.address(), crowd::part(1_000, scale), Instant::now());
    let head = raw::post(&game.tokens.hostile, &format!("{ATTIC}/push"), 10_000);
    let closed = crowd::all(count, |_| {
        let head = head.clone();
        async move {
            let mut socket = raw::connect(address).await?;
            raw::say(&mut socket, head.as_bytes()).await;
            while begun.elapsed() < 2 * TRICKLE_MAX && raw::say(&mut socket, b"x").await {
                sleep(Duration::from_secs(1)).await;
            }
            Some(begun.elapsed())
        }
    });
    let closed: Vec<Duration> = closed.await.into_iter().flatten().collect();
    let last = closed.iter().max().copied().unwrap_or_default();
    let text = format!("{} closed in {:.1} s", closed.len(), last.as_secs_f64());
    Ok(Found { text, holds: closed.len() == count && last < TRICKLE_MAX })
}

/// More connections than there are places, of which each has asked once and then says nothing. Others are to find a place at once.
pub(crate) async fn idle(_: &Ground, game: &Game, scale: f64) -> Result<Found, Failure> {
    let (address, count) = (game.address(), crowd::part(4_200, scale));
    let held = crowd::all(count, |_| async move {
        let mut socket = raw::connect(address).await?;
        raw::say(&mut socket, b"GET /v1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
        raw::status(&mut socket).await?;
        Some(socket)
    });
    let held: Vec<_> = held.await.into_iter().flatten().collect();
    let (mut slowest, mut answered) = (Duration::ZERO, 0);
    for _ in 0..50 {
        let asked = Instant::now();
        answered += usize::from(raw::get(address, "/healthz").await == Some(200));
        slowest = slowest.max(asked.elapsed());
    }
    // The honest client continues next to them for a while.
    sleep(Duration::from_secs(5)).await;
    let text = format!(
        "{} held; 50 newcomers asked for health, {answered} were answered, in {:.0} ms at most",
        held.len(),
        slowest.as_secs_f64() * 1e3
    );
    Ok(Found { text, holds: answered == 50 && slowest < Duration::from_secs(1) })
}
