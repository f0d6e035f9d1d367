//! The way from a device to a peer, through the network of the history.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use futures_util::stream::{BoxStream, StreamExt, unfold};
use syncline::authority::Principal;
use syncline::format::ChainHash;
use syncline::protocol::{Answer, Notice, Pulled, Push, Reply, Request, Tail};
use syncline::service::ServiceError;
use syncline::{Cursor, Dot, LogId, Position, ReplicaId, Seq, Service, SpaceId, Transport, TransportError};

use crate::disk::Disk;
use crate::fault::Fault;
use crate::lock::locked;
use crate::net::{Net, Rates, delay};
use crate::sim::Node;
use crate::witness::{Told, Witness};

/// Where a peer answers: a process, which may be down, before a log.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) name: String,
    pub(crate) node: Node,
    pub(crate) disk: Arc<Disk>,
    service: Mutex<Option<Arc<Service>>>,
}

impl Door {
    pub(crate) fn new(name: String, node: Node, disk: Arc<Disk>) -> Arc<Self> {
        Arc::new(Self { name, node, disk, service: Mutex::default() })
    }

    pub(crate) fn open(&self, service: Arc<Service>) {
        *locked(&self.service) = Some(service);
    }

    pub(crate) fn close(&self) {
        *locked(&self.service) = None;
    }

    pub(crate) fn service(&self) -> Option<Arc<Service>> {
        locked(&self.service).clone()
    }
}

/// One device's way to one door.
#[derive(Clone)]
pub(crate) struct SimTransport {
    pub(crate) witness: Arc<Witness>,
    pub(crate) net: Arc<Net>,
    /// The device's index, and its node.
    pub(crate) device: usize,
    pub(crate) from: Node,
    pub(crate) disk: Arc<Disk>,
    pub(crate) principal: Principal,
    pub(crate) door: Arc<Door>,
    /// Whether it is the device itself that sends, and nobody with its token.
    pub(crate) honest: bool,
}

impl std::fmt::Debug for SimTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimTransport").field("device", &self.device).field("door", &self.door.name).finish()
    }
}

/// What happened to a message.
enum Fate {
    Arrived,
    Lost,
}

impl SimTransport {
    /// Takes a message over, either way.
    async fn carry(&self, rates: Rates, lost: (u32, Fault)) -> Fate {
        let sim = &self.witness.sim;
        let span = delay(rates, &mut sim.state().net);
        if let Some(span) = span {
            sim.count(Fault::Reordered);
            sim.sleep(span).await;
        }
        if self.net.is_parted(self.from, self.door.node, sim.now()) {
            sim.fault(Fault::Partitioned, || format!("{} is cut off from {}", self.who(), self.door.name));
            return Fate::Lost;
        }
        if sim.state().net.chance(lost.0) {
            sim.fault(lost.1, || match lost.1 {
                Fault::AnswerLost => format!("the answer of {} to {} is lost", self.door.name, self.who()),
                _ => format!("a request of {} to {} is lost", self.who(), self.door.name),
            });
            return Fate::Lost;
        }
        Fate::Arrived
    }

    fn who(&self) -> String {
        format!("device {}", self.device)
    }

    /// What becomes of a message with so many bytes of runs that meets somebody on the way.
    fn meet(&self, rates: Rates, bytes: usize) -> Result<(), TransportError> {
        let sim = &self.witness.sim;
        let foreign =
            |retry_after| TransportError::Foreign { source: "somebody on the way answers".into(), retry_after };
        if rates.room > 0 && bytes > rates.room as usize {
            sim.fault(Fault::TooLarge, || {
                format!("{bytes} bytes between {} and {} do not pass", self.who(), self.door.name)
            });
            // Some say so, some break the connection.
            return Err(match bytes % 2 {
                0 => foreign(None),
                _ => TransportError::Interrupted("the message is cut off".into()),
            });
        }
        if rates.foreign > 0 && sim.state().net.chance(rates.foreign) {
            sim.fault(Fault::Foreign, || format!("somebody answers {} in place of {}", self.who(), self.door.name));
            let asks = sim.state().net.chance(300);
            return Err(foreign(asks.then_some(Duration::from_millis(20))));
        }
        Ok(())
    }

    /// The peer works on the request in its own process: neither dies with the other.
    fn hand_over(&self, request: Request, rates: Rates) -> Option<oneshot::Receiver<Result<Answer, ServiceError>>> {
        let service = self.door.service()?;
        let sim = &self.witness.sim;
        if sim.state().net.chance(rates.duplicated) {
            self.repeat(service.clone(), request.clone(), rates);
        }
        let (answer, answered) = oneshot::channel();
        let principal = self.principal.clone();
        sim.spawn(self.door.node, async move {
            let _ = answer.send(service.answer(&principal, request).await);
        });
        Some(answered)
    }

    /// The request arrives once more, much later.
    fn repeat(&self, service: Arc<Service>, request: Request, rates: Rates) {
        let (sim, principal, name) = (self.witness.sim.clone(), self.principal.clone(), self.door.name.clone());
        let span =
            delay(Rates { delayed: 1_000, delay_max: rates.delay_max.max(1_000) * 20, ..rates }, &mut sim.state().net);
        sim.clone().spawn(self.door.node, async move {
            if let Some(span) = span {
                sim.sleep(span).await;
            }
            sim.fault(Fault::Duplicated, || format!("a request arrives at {name} once more"));
            let _ = service.answer(&principal, request).await;
        });
    }

    /// Remembers what the device hands over: from now on others may have it.
    fn note_sent(&self, push: &Push) {
        for run in push.runs.iter().filter(|_| self.honest) {
            let before = Dot { origin: run.origin(), seq: Seq::new(run.first().get() - 1) };
            let known = self.disk.with_image(|image| image.entry(before)).map(|entry| entry.chain);
            let mut chain = known.unwrap_or(ChainHash::GENESIS);
            for bundle in run.bundles() {
                chain = bundle.chain_after(chain);
                self.witness.ledger().send((bundle.dot, chain));
            }
        }
    }

    /// Remembers what the peer has told.
    fn note(&self, answer: &Answer) {
        let (log, head, through) = match &answer.reply {
            Reply::Hello(_) | Reply::Snapshots(_) | Reply::Piece(_) | Reply::Wanted(_) => return,
            Reply::Heads(heads) => (heads.head.log, heads.head.position, BTreeMap::new()),
            Reply::Compare(told) => (told.head.log, told.head.position, BTreeMap::new()),
            Reply::Pull(pulled) => (pulled.next.log, pulled.head, BTreeMap::new()),
            Reply::Tail(tail) => (tail.next.log, tail.head, BTreeMap::new()),
            Reply::Push(pushed) => {
                let before = self.witness.told(self.device).last().map_or(Position::ZERO, |told| told.head);
                let head = pushed.placed.map_or(before, |(_, last)| last.max(before));
                (pushed.log, head, pushed.through.iter().copied().collect())
            }
        };
        self.witness.tell(self.device, self.told(log, head, through));
    }

    fn told(&self, log: LogId, head: Position, through: BTreeMap<ReplicaId, Seq>) -> Told {
        let generation = self.door.disk.with_image(|image| image.generation);
        let here = self.disk.with_image(|image| image.head());
        Told { log, head, generation, here, through }
    }
}

#[async_trait]
impl Transport for SimTransport {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let (rates, connection) = (self.net.rates(), self.net.connection(self.from, self.door.node));
        if let Request::Push(_, _, push) = &request {
            self.note_sent(push);
        }
        if let Fate::Lost = self.carry(rates, (rates.request_lost, Fault::RequestLost)).await {
            return Err(TransportError::Unreachable("the request is lost".into()));
        }
        self.meet(rates, pushed_bytes(&request))?;
        let Some(answered) = self.hand_over(request, rates) else {
            return Err(TransportError::Unreachable("nobody listens".into()));
        };
        let Ok(result) = answered.await else {
            return Err(TransportError::Interrupted("the peer died".into()));
        };
        let fate = self.carry(rates, (rates.answer_lost, Fault::AnswerLost)).await;
        if self.net.connection(self.from, self.door.node) != connection {
            self.witness.sim.fault(Fault::Cut, || format!("{} loses its connection to {}", self.who(), self.door.name));
            return Err(TransportError::Interrupted("the connection was cut".into()));
        }
        if let Fate::Lost = fate {
            return Err(TransportError::Interrupted("the answer is lost".into()));
        }
        let answer = result.map_err(told)?;
        self.meet(Rates { foreign: 0, ..rates }, pulled_bytes(&answer))?;
        self.note(&answer);
        Ok(answer)
    }

    async fn watch(
        &self,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError> {
        let (rates, connection) = (self.net.rates(), self.net.connection(self.from, self.door.node));
        if let Fate::Lost = self.carry(rates, (rates.request_lost, Fault::RequestLost)).await {
            return Err(TransportError::Unreachable("the request is lost".into()));
        }
        let Some(service) = self.door.service() else {
            return Err(TransportError::Unreachable("nobody listens".into()));
        };
        self.meet(rates, 0)?;
        let mut notices = service.watch(&self.principal, space, after).await.map_err(told)?;
        if rates.deaf > 0 && self.witness.sim.state().net.chance(rates.deaf) {
            let what = || format!("notices of {} to {} are held back", self.door.name, self.who());
            self.witness.sim.fault(Fault::HeldBack, what);
            notices = futures_util::stream::pending().boxed();
        }
        let watch = Watch { way: self.clone(), notices, connection, ended: false };
        Ok(unfold(watch, |mut watch| async move { Some((watch.next().await?, watch)) }).boxed())
    }
}

/// Bytes of runs in a request.
fn pushed_bytes(request: &Request) -> usize {
    match request {
        Request::Push(_, _, push) => push.runs.iter().map(|run| run.as_bytes().len()).sum(),
        _ => 0,
    }
}

/// Bytes of runs in an answer.
fn pulled_bytes(answer: &Answer) -> usize {
    match &answer.reply {
        Reply::Pull(Pulled { runs, .. }) | Reply::Tail(Tail { runs, .. }) => {
            runs.iter().map(|run| run.as_bytes().len()).sum()
        }
        _ => 0,
    }
}

/// A watch under way.
struct Watch {
    way: SimTransport,
    notices: BoxStream<'static, Result<Notice, ServiceError>>,
    connection: u32,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<Notice, TransportError>> {
        if self.ended {
            return None;
        }
        let rates = self.way.net.rates();
        loop {
            let cut = self.way.net.next_cut();
            if self.way.net.connection(self.way.from, self.way.door.node) != self.connection {
                self.ended = true;
                self.way
                    .witness
                    .sim
                    .fault(Fault::Cut, || format!("{} loses its watch of {}", self.way.who(), self.way.door.name));
                return Some(Err(TransportError::Interrupted("the connection was cut".into())));
            }
            let Either::Left((notice, _)) = select(self.notices.next(), cut).await else { continue };
            let notice = notice?.map_err(told);
            self.ended = notice.is_err();
            if let Fate::Lost = self.way.carry(Rates { answer_lost: 0, ..rates }, (0, Fault::AnswerLost)).await {
                self.ended = true;
                return Some(Err(TransportError::Interrupted("the watch met a partition".into())));
            }
            if let Ok(notice) = &notice {
                let Cursor { log, position } = notice.head;
                self.way.witness.notice(self.way.device, self.way.told(log, position, BTreeMap::new()));
            }
            return Some(notice);
        }
    }
}

/// A peer learns of a service's own failures only that there was one.
fn told(error: ServiceError) -> TransportError {
    error.to_problem().into()
}
