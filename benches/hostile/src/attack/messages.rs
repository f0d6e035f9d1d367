//! Large messages: bodies that do not end, answers that nobody reads, bodies that unpack to many times their size.

use std::time::{Duration, Instant};

use syncline::format::codec;
use syncline::protocol::{Have, Pull, Push, Reply, Request};
use syncline::store::Limit;
use syncline::{Cursor, Event, EventType, ReplicaId, SpaceId, Transport};
use syncline_conformance::Author;
use tokio::time::sleep;

use super::Found;
use crate::ground::{ATTIC, Game, Ground};
use crate::{Failure, crowd, raw};

/// Bytes of a body that is nearly as large as a message may be.
const BODY_BYTES: usize = 9 << 20;
/// Until a body that stands still, or an answer that nobody reads, is given up.
const GIVEN_UP_MAX: Duration = Duration::from_secs(50);

/// Bodies whose last byte does not come.
pub(crate) async fn withheld(_: &Ground, game: &Game, scale: f64) -> Result<Found, Failure> {
    let (address, count, begun) = (game.address(), crowd::part(300, scale), Instant::now());
    let head = raw::post(&game.tokens.hostile, &format!("{ATTIC}/push"), BODY_BYTES);
    let answers = crowd::all(count, |_| {
        let head = head.clone();
        async move {
            let Some(mut socket) = raw::connect(address).await else { return "not connected".to_owned() };
            raw::say(&mut socket, head.as_bytes()).await;
            let piece = vec![7; 64 * 1024];
            let mut left = BODY_BYTES - 1;
            while left > 0 && raw::say(&mut socket, &piece[..left.min(piece.len())]).await {
                left = left.saturating_sub(piece.len());
            }
            let first = raw::closed(&mut socket).await;
            first.map_or_else(|| "not closed".to_owned(), |line| status_of(&line))
        }
    });
    let answers = answers.await;
    let took = begun.elapsed();
    let holds = took < GIVEN_UP_MAX && !answers.iter().any(|answer| answer == "not closed");
    Ok(Found { text: format!("{} in {:.0} s", crowd::tally(answers), took.as_secs_f64()), holds })
}

/// The status of an answer's first line, or that the connection was cut before there was one.
fn status_of(line: &str) -> String {
    line.split(' ').nth(1).unwrap_or("cut").to_owned()
}

/// Pulls whose answers nobody reads.
pub(crate) async fn unread(_: &Ground, game: &Game, scale: f64) -> Result<Found, Failure> {
    let pull = codec::encode(&fill(game).await?);
    let (address, count, begun) = (game.address(), crowd::part(400, scale), Instant::now());
    let ask = [raw::post(&game.tokens.hostile, &format!("{ATTIC}/pull"), pull.len()).as_bytes(), &pull].concat();
    let held = crowd::all(count, |_| {
        let ask = ask.clone();
        async move {
            let mut socket = raw::connect_deaf(address).await?;
            raw::say(&mut socket, &ask).await;
            Some(socket)
        }
    });
    let held: Vec<_> = held.await.into_iter().flatten().collect();
    sleep(Duration::from_secs(40)).await;
    let healthy = raw::get(address, "/healthz").await == Some(200);
    let text = format!("{} asked and did not read for {:.0} s", held.len(), begun.elapsed().as_secs_f64());
    Ok(Found { text, holds: held.len() == count && healthy })
}

/// Writes as much into the hostile user's space as one answer holds, and says how to ask for it.
async fn fill(game: &Game) -> Result<Pull, Failure> {
    let way = game.transport(&game.tokens.hostile)?;
    let mut author = Author::with_origin(ReplicaId::from_bytes([0xaa; 16]).ok_or("an id is not all zero")?);
    let space = SpaceId::new(ATTIC)?;
    let mut log = None;
    for _ in 0..10 {
        let events = (0..4).map(|number| Event::new(EventType::new("noise", 1), vec![number; 200_000]));
        let run = author.write_events(&[events.collect::<Vec<_>>()]).run().clone();
        let answer = way.call(Request::Push(space.clone(), Some(author.origin()), Push { runs: vec![run] })).await?;
        if let Reply::Push(pushed) = answer.reply {
            log = Some(pushed.log);
        }
    }
    let log = log.ok_or("the space could not be filled")?;
    Ok(Pull { have: Have::Cursor(Cursor::start(log)), without: None, limit: Limit::bytes(8 << 20) })
}

/// Bodies that are small and unpack to millions of bytes, one after the other on some connections.
pub(crate) async fn bombs(_: &Ground, game: &Game, scale: f64) -> Result<Found, Failure> {
    let address = game.address();
    let bomb = zstd::bulk::compress(&vec![0; BODY_BYTES], 19)?;
    let head = raw::post(&game.tokens.hostile, &format!("{ATTIC}/push"), bomb.len());
    let head = head.replace("content-length", "content-encoding: zstd\r\ncontent-length");
    let ask = [head.as_bytes(), &bomb].concat();
    let until = Instant::now() + Duration::from_secs_f64(10.0 * scale);
    let answers = crowd::all(8, |_| {
        let ask = ask.clone();
        async move {
            let (mut socket, mut answers) = (None, Vec::new());
            while Instant::now() < until {
                let mut open = match socket.take() {
                    Some(open) => open,
                    None => match raw::connect(address).await {
                        Some(open) => open,
                        None => break,
                    },
                };
                raw::say(&mut open, &ask).await;
                if let Some(status) = raw::status(&mut open).await {
                    answers.push(status);
                    socket = Some(open);
                }
            }
            answers
        }
    });
    let answers: Vec<u16> = answers.await.into_iter().flatten().collect();
    let unpacked = answers.iter().filter(|status| **status == 400).count();
    // What is unpacked at once, and each second: 64 MiB and 32 MiB.
    let bound = 8.0 + 10.0 * scale * 4.0;
    Ok(Found { text: crowd::tally(answers), holds: (unpacked as f64) < bound })
}
