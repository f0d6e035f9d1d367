//! An honest client that pushes small bundles at a steady pace, and remembers what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use syncline::protocol::{Push, Reply, Request};
use syncline::{ReplicaId, SpaceId, Transport};
use syncline_conformance::Author;
use syncline_http::HttpTransport;
use tokio::task::JoinHandle;

use crate::Failure;
use crate::ground::{Game, HOME};

/// Between two pushes.
const PACE: Duration = Duration::from_millis(20);
/// How many pushes make a baseline.
const BASELINE: usize = 200;

/// An honest client at work.
pub(crate) struct Honest {
    way: Arc<HttpTransport>,
    author: Author,
    acknowledged: u64,
}

/// What an honest client noticed.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    latencies: Vec<Duration>,
    pub(crate) failed: u64,
    pub(crate) last_error: Option<String>,
}

impl Noticed {
    /// What 99 of 100 took at most.
    pub(crate) fn p99(&mut self) -> Duration {
        percentile(&mut self.latencies, 99)
    }
}

/// What so many of 100 took at most.
pub(crate) fn percentile(latencies: &mut [Duration], percent: usize) -> Duration {
    latencies.sort_unstable();
    let at = (latencies.len() * percent).div_ceil(100).max(1) - 1;
    latencies.get(at).copied().unwrap_or_default()
}

impl Honest {
    pub(crate) fn new(game: &Game) -> Result<Self, Failure> {
        let origin = ReplicaId::from_bytes([0xbe; 16]).ok_or("an id is not all zero")?;
        let way = Arc::new(game.transport(&game.tokens.honest)?);
        Ok(Self { way, author: Author::with_origin(origin), acknowledged: 0 })
    }

    /// The same client, of a server that has another address by now.
    pub(crate) fn anew(mut self, game: &Game) -> Result<Self, Failure> {
        self.way = Arc::new(game.transport(&game.tokens.honest)?);
        Ok(self)
    }

    async fn push(&mut self, noticed: &mut Noticed) {
        let before = self.author.clone();
        let push = Push { runs: vec![self.author.write(1).run().clone()] };
        let asked = Instant::now();
        match self.way.call(Request::Push(home(), Some(self.author.origin()), push)).await {
            Ok(_) => {
                self.acknowledged = self.author.head().seq.get();
                noticed.latencies.push(asked.elapsed());
            }
            Err(error) => {
                // The same bundle again: whether it was stored does not matter.
                self.author = before;
                noticed.failed += 1;
                noticed.last_error = Some(error.to_string());
            }
        }
    }

    /// How fast the server is while nobody attacks it.
    pub(crate) async fn baseline(&mut self) -> Noticed {
        let mut noticed = Noticed::default();
        for _ in 0..BASELINE {
            self.push(&mut noticed).await;
            tokio::time::sleep(PACE).await;
        }
        noticed
    }

    /// Continues pushing in the background.
    pub(crate) fn go_on(mut self) -> AtWork {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut noticed = Noticed::default();
            while !stopped.load(Ordering::Relaxed) {
                self.push(&mut noticed).await;
                tokio::time::sleep(PACE).await;
            }
            (self, noticed)
        });
        AtWork { stop, task }
    }

    /// How many acknowledged bundles the server does not have.
    pub(crate) async fn lost(&self) -> Result<u64, Failure> {
        let answer = self.way.call(Request::Heads(home())).await?;
        let Reply::Heads(heads) = answer.reply else { return Err("heads were asked for".into()) };
        Ok(self.acknowledged.saturating_sub(heads.heads.get(self.author.origin()).seq.get()))
    }
}

fn home() -> SpaceId {
    SpaceId::new(HOME).expect("it is a plain name")
}

/// An honest client in the background.
pub(crate) struct AtWork {
    stop: Arc<AtomicBool>,
    task: JoinHandle<(Honest, Noticed)>,
}

impl AtWork {
    pub(crate) async fn stop(self) -> Result<(Honest, Noticed), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}
