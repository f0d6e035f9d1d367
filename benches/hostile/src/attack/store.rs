//! A store that goes away under the running server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Found;
use crate::ground::{Game, Ground};
use crate::{Failure, raw};

/// How long the store is away.
const AWAY: Duration = Duration::from_secs(5);
/// Until the server is back after its store is.
const BACK_MAX: Duration = Duration::from_secs(15);

/// Stops the database and starts it again: the server then serves again by itself. A file is moved away and back: nothing may be
/// acknowledged into a file that nobody finds, and the server does not trust the file again before it is restarted, because another
/// program may have written to it elsewhere.
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
    let told = |status: Option<u16>| status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    let text = format!("while it is away /healthz {}, /readyz {}", told(health), told(ready));
    let honest = health == Some(200) && ready == Some(503);
    let (after, as_expected) = match ground.database() {
        Some(database) => {
            tokio::task::block_in_place(|| database.restart());
            let back = until_ready(address).await;
            (format!("ready {:.1} s after it is back", back.as_secs_f64()), back < BACK_MAX)
        }
        None => {
            std::fs::rename(&moved, &file)?;
            let after = raw::get(address, "/readyz").await;
            (format!("{} when it is back", told(after)), after == Some(503))
        }
    };
    Ok(Found { text: format!("{text}; {after}"), holds: honest && as_expected })
}

/// How long it takes until the server is ready, and two seconds more, so that honest pushes are among what is measured.
async fn until_ready(address: SocketAddr) -> Duration {
    let back = Instant::now();
    while raw::get(address, "/readyz").await != Some(200) && back.elapsed() < BACK_MAX {
        sleep(Duration::from_millis(100)).await;
    }
    let took = back.elapsed();
    sleep(Duration::from_secs(2)).await;
    took
}
