//! A thousand watchers of one space, and a thousand pushes to it. Every watcher must hear of every push, and soon.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use syncline::format::codec;
use syncline::protocol::{Notice, Push, Reply, Request};
use syncline::{ReplicaId, SpaceId, Transport};
use syncline_conformance::Author;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::time::{sleep, timeout};

use super::Found;
use crate::ground::{ATTIC, Game, Ground};
use crate::honest::percentile;
use crate::{Failure, Store, crowd, raw};

/// Between two pushes.
const PACE: Duration = Duration::from_millis(40);
/// How long a notice may take before it counts as missed.
const PATIENCE: Duration = Duration::from_secs(10);

/// When each push was acknowledged, in nanoseconds since the beginning; zero if it was not yet.
type Acknowledged = Arc<Vec<AtomicU64>>;

/// What one watcher has heard.
#[derive(Debug, Default)]
struct Heard {
    delays: Vec<Duration>,
    missed: usize,
}

/// Watches and pushes.
pub(crate) async fn watch(ground: &Ground, game: &Game, scale: f64) -> Result<Found, Failure> {
    let (watchers, pushes) = (crowd::part(1_000, scale), crowd::part(1_000, scale));
    let (way, space) = (game.transport(&game.tokens.hostile)?, SpaceId::new(ATTIC)?);
    let Reply::Heads(heads) = way.call(Request::Heads(space.clone())).await?.reply else {
        return Err("heads were asked for".into());
    };
    let acknowledged: Acknowledged = Arc::new((0..pushes).map(|_| AtomicU64::new(0)).collect());
    let (begun, ready) = (Instant::now(), Arc::new(Barrier::new(watchers + 1)));
    let ask = format!(
        "GET /v1/spaces/{ATTIC}/watch?log={}&position=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         accept: application/vnd.syncline.stream.v1\r\n\r\n",
        heads.head.log, game.tokens.hostile
    );
    let address = game.address();
    let watching = tokio::spawn(crowd::all(watchers, {
        let (acknowledged, ready) = (acknowledged.clone(), ready.clone());
        move |_| follow(address, ask.clone(), ready.clone(), acknowledged.clone(), begun)
    }));
    ready.wait().await;
    let mut author = Author::with_origin(ReplicaId::from_bytes([0xdd; 16]).ok_or("an id is not all zero")?);
    for time in acknowledged.iter() {
        let push = Push { runs: vec![author.write(1).run().clone()] };
        way.call(Request::Push(space.clone(), Some(author.origin()), push)).await?;
        time.store(since(begun), Ordering::SeqCst);
        sleep(PACE).await;
    }
    let heard = watching.await?;
    let missed: usize = heard.iter().map(|heard| heard.missed).sum();
    let mut delays: Vec<_> = heard.into_iter().flat_map(|heard| heard.delays).collect();
    let (median, p99) = (percentile(&mut delays, 50), percentile(&mut delays, 99));
    let bound = if ground.store == Store::Sqlite { 100 } else { 250 };
    let millis = |span: Duration| span.as_secs_f64() * 1e3;
    let text = format!(
        "{} of {} notices missed; told in {:.1} ms (median), {:.1} ms (p99)",
        missed,
        watchers * pushes,
        millis(median),
        millis(p99)
    );
    Ok(Found { text, holds: missed == 0 && p99 <= Duration::from_millis(bound) })
}

fn since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// Follows the log to its last push, and notes how long after each acknowledgement it heard of it.
async fn follow(
    address: SocketAddr,
    ask: String,
    ready: Arc<Barrier>,
    acknowledged: Acknowledged,
    begun: Instant,
) -> Heard {
    let mut heard = Heard::default();
    let mut stream = Stream::open(address, &ask).await;
    // The first notice tells where the log stands, which is at its start.
    if let Some(stream) = &mut stream {
        let _ = timeout(PATIENCE, stream.next()).await;
    }
    ready.wait().await;
    let (mut known, all) = (0, acknowledged.len());
    while let (true, Some(stream)) = (known < all, &mut stream) {
        let Ok(Some(head)) = timeout(PATIENCE, stream.next()).await else { break };
        let now = since(begun);
        for time in &acknowledged[known..head.min(all)] {
            // A notice may overtake the acknowledgement.
            let acknowledged = time.load(Ordering::SeqCst);
            let delay = if acknowledged == 0 { 0 } else { now.saturating_sub(acknowledged) };
            heard.delays.push(Duration::from_nanos(delay));
        }
        known = known.max(head.min(all));
    }
    heard.missed = all - known;
    heard
}

/// A watch stream: chunks of HTTP/1.1, in which frames lie.
struct Stream {
    socket: TcpStream,
    /// What was read and not yet taken apart; the head of the answer first.
    raw: Vec<u8>,
    frames: Vec<u8>,
    has_begun: bool,
}

impl Stream {
    async fn open(address: SocketAddr, ask: &str) -> Option<Self> {
        let mut socket = raw::connect(address).await?;
        raw::say(&mut socket, ask.as_bytes()).await;
        Some(Self { socket, raw: Vec::new(), frames: Vec::new(), has_begun: false })
    }

    /// The position that the next notice tells; `None` once the stream has ended.
    async fn next(&mut self) -> Option<usize> {
        loop {
            self.unpack();
            while self.frames.len() >= 5 {
                let length = u32::from_be_bytes(self.frames[1..5].try_into().ok()?) as usize;
                if self.frames.len() < 5 + length {
                    break;
                }
                let frame: Vec<u8> = self.frames.drain(..5 + length).collect();
                match frame[0] {
                    0 => {}
                    1 => {
                        let notice = codec::decode::<Notice>("notice", &frame[5..]).ok()?;
                        return usize::try_from(notice.head.position.get()).ok();
                    }
                    _ => return None,
                }
            }
            let mut part = [0; 1_024];
            let read = self.socket.read(&mut part).await.ok().filter(|read| *read > 0)?;
            self.raw.extend_from_slice(&part[..read]);
        }
    }

    /// Takes whole chunks out of what was read.
    fn unpack(&mut self) {
        let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
        if !self.has_begun {
            let Some(end) = find(&self.raw, b"\r\n\r\n") else { return };
            self.raw.drain(..end + 4);
            self.has_begun = true;
        }
        while let Some(line) = find(&self.raw, b"\r\n") {
            let text = String::from_utf8_lossy(&self.raw[..line]).into_owned();
            let Ok(length) = usize::from_str_radix(text.trim(), 16) else { return };
            if self.raw.len() < line + 2 + length + 2 {
                return;
            }
            self.frames.extend_from_slice(&self.raw[line + 2..line + 2 + length]);
            self.raw.drain(..line + 2 + length + 2);
        }
    }
}
