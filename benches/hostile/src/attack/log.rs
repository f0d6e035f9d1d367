//! A log that cannot be written, or that nobody reads.

use std::time::Duration;

use tokio::time::sleep;

use super::Found;
use crate::ground::{Game, Ground};
use crate::{Failure, crowd, raw};

/// Asks for much that is logged. Whether the server then stops when it is told to is looked at after every scenario.
pub(crate) async fn lines(_: &Ground, game: &Game, scale: f64) -> Result<Found, Failure> {
    let address = game.address();
    let answered = crowd::all(8, |_| async move {
        let mut answered = 0;
        for _ in 0..crowd::part(500, scale) {
            answered += usize::from(raw::get(address, "/healthz").await == Some(200));
        }
        answered
    });
    let (answered, asked): (usize, _) = (answered.await.into_iter().sum(), 8 * crowd::part(500, scale));
    sleep(Duration::from_secs(2)).await;
    Ok(Found { text: format!("{answered} of {asked} requests answered"), holds: answered == asked })
}
