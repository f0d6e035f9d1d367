//! A store that goes away under the running server.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Found;
use crate::ground::{Game, Ground};
use crate::{Failure, raw};

/// How long the store is away.
const AWAY: Duration = Duration::from_secs(5);
/// Until the server is back after its store is.
const BACK_MAX: Duration = Duration::from_secs(15);

/// Stops the database and starts it again. A file is moved away and back: nothing may be acknowledged into a file that nobody finds.
pub(crate) async fn away(ground: &Ground, game: &Game, _: f64) -> Result<Found, Failure> {
    let address = game.address();
    let moved = game.folder().join("elsewhere.sqlite");
    let file = game.folder().join("hostile.sqlite");
    match ground.database() {
        Some(database) => tokio::task::block_in_place(|| database.stop()),
        None => std::fs::rename(&file, &moved)?,
    }
    sleep(AWAY).await;
    let (health, ready) = (raw::get(address, "/healthz").await, raw::get(address, "/readyz").await);
    match ground.database() {
        Some(database) => tokio::task::block_in_place(|| database.restart()),
        None => std::fs::rename(&moved, &file)?,
    }
    let back = Instant::now();
    while raw::get(address, "/readyz").await != Some(200) && back.elapsed() < BACK_MAX {
        sleep(Duration::from_millis(100)).await;
    }
    let back = back.elapsed();
    sleep(Duration::from_secs(2)).await;
    let told = |status: Option<u16>| status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    let text = format!(
        "while it is away /healthz {}, /readyz {}; ready {:.1} s after it is back",
        told(health),
        told(ready),
        back.as_secs_f64()
    );
    Ok(Found { text, holds: health == Some(200) && ready == Some(503) && back < BACK_MAX })
}
