//! Ways to a peer, and peers behind them, that break their word, each in one way.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder};
use syncline::format::{ChainHash, Head, Heads};
use syncline::protocol::{Answer, Code, Have, Notice, PROTOCOL_VERSION, Problem, Pull, Push, Pushed, Reply, Request};
use syncline::{Cursor, Event, LogId, NTP64, ReplicaId, Seq, SpaceId, Transport, TransportError};

use crate::lock::locked;
use crate::workload::SET;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A cursor into another copy of the log is served, and heads are not compared.
    NoDigest,
    /// What is missing is found by the latest time known, not by seqs.
    LatestTimeOnly,
    /// A push that meets another history is answered as stored, and heads are not compared.
    AcceptsForks,
    /// Of a push with several runs the first is dropped, and all are acknowledged.
    DropsTheFirst,
    /// A push that was lost is acknowledged.
    AcknowledgesLost,
    /// A push with a refused bundle is refused as a whole, without a word why.
    RefusesAll,
    /// A clock that is ahead is refused without a word why, and without the peer's time.
    RefusesClocksMute,
    /// The peer does not say how late its last bundles are.
    HidesTimes,
    /// A pull skips the first run of every page that has several.
    SkipsPulled,
    /// Every second notice is lost.
    LosesNotices,
    /// What somebody on the way answers counts as the peer's own word.
    BelievesAnybody,
    /// What does not pass is told as if nobody could be reached.
    HidesSizes,
    /// Some bodies are changed on the way.
    ChangesBodies,
    /// What is brought for others is brought as one's own.
    OwnsSupplied,
    /// The peer hands out a bundle that nobody has written.
    Invents,
}

/// A way with one flaw, to a peer of protocol version 1: what it breaks are heads, which travel in this version.
#[derive(Debug)]
pub(crate) struct BadWay {
    pub(crate) flaw: Flaw,
    pub(crate) inner: Arc<dyn Transport>,
    /// The peer's log, as it said last.
    log: Mutex<Option<LogId>>,
}

impl BadWay {
    pub(crate) fn new(flaw: Flaw, inner: Arc<dyn Transport>) -> Self {
        Self { flaw, inner, log: Mutex::default() }
    }

    /// An answer that claims to have stored a push.
    fn claim(&self, push: &Push) -> Option<Answer> {
        let log = (*locked(&self.log))?;
        let through: Vec<(ReplicaId, Seq)> = push.runs.iter().map(|run| (run.origin(), run.last())).collect();
        let pushed = Pushed { log, through, placed: None, refused: Vec::new() };
        Some(Answer { clock: NTP64(0), reply: Reply::Push(pushed) })
    }

    async fn push(&self, space: SpaceId, own: Option<ReplicaId>, push: Push) -> Result<Answer, TransportError> {
        let mut sent = push.clone();
        if self.flaw == Flaw::DropsTheFirst && sent.runs.len() > 1 {
            sent.runs.remove(0);
        }
        let first = sent.runs.first().map(syncline::format::Run::origin);
        let own = if self.flaw == Flaw::OwnsSupplied { first } else { own };
        let mut result = self.inner.call(Request::Push(space, own, sent)).await;
        match (self.flaw, &mut result) {
            (Flaw::AcceptsForks, Err(TransportError::Refused(Problem { code: Code::Fork { .. }, .. })))
            | (Flaw::AcknowledgesLost, Err(TransportError::Unreachable(_))) => self.claim(&push).map_or(result, Ok),
            (Flaw::DropsTheFirst, Ok(Answer { reply: Reply::Push(pushed), .. })) => {
                pushed.through = push.runs.iter().map(|run| (run.origin(), run.last())).collect();
                result
            }
            (Flaw::RefusesAll, Ok(Answer { reply: Reply::Push(pushed), .. })) if !pushed.refused.is_empty() => {
                Err(mute().into())
            }
            (Flaw::RefusesClocksMute, Err(TransportError::Refused(Problem { code: Code::ClockAhead { .. }, .. }))) => {
                Err(mute().into())
            }
            _ => result,
        }
    }

    async fn pull(&self, space: SpaceId, pull: Pull) -> Result<Answer, TransportError> {
        let known = match &pull.have {
            Have::Heads(heads) => heads.clone(),
            Have::Cursor(_) | Have::Tail(_) => Heads::new(),
        };
        let mut answer = self.inner.call(Request::Pull(space, pull)).await?;
        let Reply::Pull(pulled) = &mut answer.reply else { return Ok(answer) };
        match self.flaw {
            Flaw::NoDigest | Flaw::AcceptsForks => pulled.heads = pulled.heads.take().map(|_| Heads::new()),
            Flaw::LatestTimeOnly => {
                let latest = known.iter().map(|(_, head)| head.time).max().unwrap_or(NTP64(0));
                pulled.runs.retain(|run| run.last_time() > latest);
                pulled.heads = pulled.heads.take().map(|_| Heads::new());
            }
            Flaw::SkipsPulled if pulled.runs.len() > 1 => {
                pulled.runs.remove(0);
                pulled.heads = pulled.heads.take().map(|_| Heads::new());
            }
            _ => {}
        }
        match self.flaw {
            Flaw::ChangesBodies => pulled.runs.iter_mut().for_each(change),
            Flaw::Invents => pulled.runs.extend(pulled.runs.last().and_then(invented)),
            _ => {}
        }
        Ok(answer)
    }
}

/// Turns a bit of the last body, if that leaves a run.
fn change(run: &mut syncline::format::Run) {
    let mut bytes = run.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut().filter(|last| **last % 16 == 7) {
        *last ^= 1;
    }
    if let Ok(changed) = syncline::format::Run::decode(bytes.into()) {
        *run = changed;
    }
}

/// A bundle of an origin that does not exist, of the time of this run.
fn invented(run: &syncline::format::Run) -> Option<syncline::format::Run> {
    let origin = ReplicaId::from_bytes([0xee; 16])?;
    let mut builder = RunBuilder::new(origin, Seq::new(1), ChainHash::GENESIS);
    builder.push(run.last_time(), Body::Full(&encode_body(&[Event::new(SET, "e\0\0\0\0")]).ok()?));
    Some(builder.finish()?.run().clone())
}

/// A refusal that does not say why.
fn mute() -> Problem {
    Problem::new(Code::Forbidden { origins: Vec::new() }, "no")
}

impl BadWay {
    fn told(&self, error: TransportError) -> TransportError {
        match (self.flaw, error) {
            (Flaw::BelievesAnybody, TransportError::Foreign { .. }) => {
                Problem::new(Code::Unauthorized, "log in first").into()
            }
            (Flaw::HidesSizes, TransportError::Foreign { .. } | TransportError::Interrupted(_)) => {
                TransportError::Unreachable("something is wrong".into())
            }
            (_, error) => error,
        }
    }
}

#[async_trait]
impl Transport for BadWay {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let answered = match request {
            Request::Push(space, own, push) => self.push(space, own, push).await,
            Request::Pull(space, pull) => self.pull(space, pull).await,
            Request::Compare(..) | Request::Snapshot(..) | Request::Supply(..) => {
                Err(Problem::new(Code::Unsupported, "version 1 has no such request").into())
            }
            other => self.inner.call(other).await,
        };
        let mut answer = answered.map_err(|error| self.told(error))?;
        if self.flaw == Flaw::RefusesClocksMute {
            answer.clock = NTP64(0);
        }
        if let Reply::Hello(hello) = &mut answer.reply {
            hello.versions = vec![PROTOCOL_VERSION];
        }
        if let Reply::Heads(heads) = &mut answer.reply {
            *locked(&self.log) = Some(heads.head.log);
            if self.flaw == Flaw::HidesTimes {
                let origins: Vec<_> = heads.heads.iter().collect();
                origins.into_iter().for_each(|(origin, head)| heads.heads.set(origin, Head { time: NTP64(0), ..head }));
            }
            if matches!(self.flaw, Flaw::NoDigest | Flaw::AcceptsForks) {
                heads.heads = Heads::new();
            }
        }
        Ok(answer)
    }

    async fn watch(
        &self,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError> {
        let notices = self.inner.watch(space, after).await?;
        if self.flaw != Flaw::LosesNotices {
            return Ok(notices);
        }
        let mut count = 0u32;
        let kept = notices.filter(move |_| {
            count += 1;
            std::future::ready(count % 2 == 1)
        });
        Ok(kept.boxed())
    }
}
