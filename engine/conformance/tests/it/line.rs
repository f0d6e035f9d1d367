//! Connections within one process, sound or with one fault each.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, once};
use syncline::authority::Principal;
use syncline::protocol::{Answer, Code, Notice, Problem, Request};
use syncline::service::ServiceError;
use syncline::{Cursor, Service, SpaceId, Transport, TransportError};
use syncline_conformance::TransportHarness;
use tokio::sync::watch;

pub(crate) type Answered = Result<Answer, TransportError>;
pub(crate) type Stream = BoxStream<'static, Result<Notice, TransportError>>;

type Call = Box<dyn for<'a> Fn(&'a Direct, Request) -> BoxFuture<'a, Answered> + Send + Sync>;
type Watch =
    Box<dyn for<'a> Fn(&'a Direct, SpaceId, Cursor) -> BoxFuture<'a, Result<Stream, TransportError>> + Send + Sync>;
type Connect = Box<dyn Fn(&str) -> String + Send + Sync>;

/// The sound way to a service in the same process, which can be made to crash.
#[derive(Debug, Clone)]
pub(crate) struct Direct {
    pub(crate) service: Arc<Service>,
    pub(crate) principal: Principal,
    crashed: watch::Receiver<bool>,
    way: watch::Receiver<Way>,
}

/// The way to the peer.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    is_cut: bool,
    /// How often it was cut.
    cuts: u32,
}

pub(crate) fn told(error: ServiceError) -> TransportError {
    error.to_problem().into()
}

pub(crate) fn lost() -> TransportError {
    TransportError::Interrupted("the peer has gone away".into())
}

impl Direct {
    pub(crate) async fn call(&self, request: Request) -> Answered {
        let cuts = self.connect()?;
        tokio::select! {
            answer = self.service.answer(&self.principal, request) => answer.map_err(told),
            () = self.loss(cuts) => Err(lost()),
        }
    }

    pub(crate) async fn watch(&self, space: SpaceId, after: Cursor) -> Result<Stream, TransportError> {
        let cuts = self.connect()?;
        let notices = self.service.watch(&self.principal, &space, after).await.map_err(told)?;
        let direct = self.clone();
        let end = async move {
            direct.loss(cuts).await;
            Err(lost())
        };
        let notices = notices.map(|notice| notice.map_err(told)).chain(futures_util::stream::pending());
        Ok(futures_util::stream::select(notices, once(end)).boxed())
    }

    /// How often its connection has broken.
    pub(crate) fn cuts(&self) -> u32 {
        self.way.borrow().cuts
    }

    /// A connection: how often the way was cut before it.
    fn connect(&self) -> Result<u32, TransportError> {
        let way = *self.way.borrow();
        match *self.crashed.borrow() || way.is_cut {
            true => Err(TransportError::Unreachable("nobody listens".into())),
            false => Ok(way.cuts),
        }
    }

    /// Waits until the peer is gone, or this connection to it.
    async fn loss(&self, cuts: u32) {
        let (mut crashed, mut way) = (self.crashed.clone(), self.way.clone());
        let gone = tokio::select! {
            gone = crashed.wait_for(|crashed| *crashed) => gone.is_ok(),
            gone = way.wait_for(|way| way.cuts > cuts) => gone.is_ok(),
        };
        assert!(gone, "the harness outlives its connections");
    }
}

/// How a transport behaves. All of it is sound but what a fault replaces.
pub(crate) struct Fault {
    pub(crate) call: Call,
    pub(crate) watch: Watch,
    pub(crate) connect: Connect,
}

/// No fault.
pub(crate) fn sound() -> Fault {
    Fault {
        call: Box::new(|direct, request| Box::pin(direct.call(request))),
        watch: Box::new(|direct, space, after| Box::pin(direct.watch(space, after))),
        connect: Box::new(str::to_owned),
    }
}

/// Replaces calls.
pub(crate) fn calls(
    call: impl for<'a> Fn(&'a Direct, Request) -> BoxFuture<'a, Answered> + Send + Sync + 'static,
) -> Fault {
    Fault { call: Box::new(call), ..sound() }
}

/// Replaces watches.
pub(crate) fn watches(
    watch: impl for<'a> Fn(&'a Direct, SpaceId, Cursor) -> BoxFuture<'a, Result<Stream, TransportError>>
    + Send
    + Sync
    + 'static,
) -> Fault {
    Fault { watch: Box::new(watch), ..sound() }
}

/// Changes requests.
pub(crate) fn requests(spoil: fn(&mut Request)) -> Fault {
    calls(move |direct, mut request| {
        spoil(&mut request);
        Box::pin(direct.call(request))
    })
}

/// Refuses some requests itself.
pub(crate) fn refuses(refuses: fn(&Request) -> Option<Code>) -> Fault {
    calls(move |direct, request| {
        Box::pin(async move {
            match refuses(&request) {
                Some(code) => Err(Problem::new(code, "the transport says so").into()),
                None => direct.call(request).await,
            }
        })
    })
}

/// Changes answers.
pub(crate) fn answers(spoil: fn(&mut Answer)) -> Fault {
    calls(move |direct, request| {
        Box::pin(async move {
            let mut answer = direct.call(request).await?;
            spoil(&mut answer);
            Ok(answer)
        })
    })
}

/// Changes problems.
pub(crate) fn problems(spoil: fn(&mut Problem)) -> Fault {
    errors(move |error| match error {
        TransportError::Refused(mut problem) => {
            spoil(&mut problem);
            problem.into()
        }
        other => other,
    })
}

/// Changes errors.
pub(crate) fn errors(spoil: impl Fn(TransportError) -> TransportError + Copy + Send + Sync + 'static) -> Fault {
    calls(move |direct, request| Box::pin(async move { direct.call(request).await.map_err(spoil) }))
}

/// Changes streams of notices.
pub(crate) fn streams(spoil: fn(Stream) -> Stream) -> Fault {
    watches(move |direct, space, after| Box::pin(async move { direct.watch(space, after).await.map(spoil) }))
}

struct Faulty {
    direct: Direct,
    fault: Arc<Fault>,
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.direct.fmt(f)
    }
}

#[async_trait]
impl Transport for Faulty {
    async fn call(&self, request: Request) -> Answered {
        (self.fault.call)(&self.direct, request).await
    }

    async fn watch(&self, space: &SpaceId, after: Cursor) -> Result<Stream, TransportError> {
        (self.fault.watch)(&self.direct, space.clone(), after).await
    }
}

/// Gives the kit connections with one fault.
pub(crate) struct Twin {
    fault: Arc<Fault>,
    crash: Mutex<watch::Sender<bool>>,
    way: watch::Sender<Way>,
    /// Whether connections work again after a crash.
    comes_back: bool,
}

impl Twin {
    pub(crate) fn with(fault: Arc<Fault>) -> Self {
        let (crash, way) = (Mutex::new(watch::Sender::new(false)), watch::Sender::default());
        Self { fault, crash, way, comes_back: true }
    }

    pub(crate) fn that_stays_away(self) -> Self {
        Self { comes_back: false, ..self }
    }
}

#[async_trait]
impl TransportHarness for Twin {
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let known = service.authority().authenticate(&(self.fault.connect)(token)).await;
        let principal = known.map_err(|error| told(error.into()))?;
        let principal = principal.ok_or_else(|| Problem::new(Code::Unauthorized, "the token is unknown"))?;
        let crashed = self.crash.lock().unwrap().subscribe();
        let direct = Direct { service, principal, crashed, way: self.way.subscribe() };
        Ok(Arc::new(Faulty { direct, fault: self.fault.clone() }))
    }

    async fn crash(&self) -> bool {
        let next = watch::Sender::new(!self.comes_back);
        let before = std::mem::replace(&mut *self.crash.lock().unwrap(), next);
        before.send_replace(true);
        // Connections learn of it before their channel closes.
        tokio::task::yield_now().await;
        true
    }

    async fn cut(&self) -> bool {
        self.way.send_modify(|way| *way = Way { is_cut: true, cuts: way.cuts + 1 });
        true
    }

    async fn mend(&self) {
        self.way.send_modify(|way| way.is_cut = false);
    }
}
