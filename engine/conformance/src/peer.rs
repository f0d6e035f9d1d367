//! The peer of the transport laws: a service whose storage, accounts and policy the kit knows.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use syncline::authority::Principal;
use syncline::format::Run;
use syncline::format::time::NTP64;
use syncline::protocol::{Answer, Code, Have, Notice, PeerHeads, Problem, Pull, Pulled, Push, Pushed, Reply, Request};
use syncline::store::memory::MemoryStorage;
use syncline::store::{Limit, Storage};
use syncline::{Cursor, Service, Transport, TransportError};

use crate::{SPACE, Subject, TransportHarness, new_log_id, space};

mod desk;
mod followed;
mod gate;
mod snapshot;
mod trouble;

pub use desk::Desk;
pub use followed::Followed;
pub use gate::{Gate, REFUSED, WAITS};
pub use snapshot::Snapshot;
pub use trouble::{SECRET, Trouble};

/// The peer's physical clock: it stands still, and its highest bit is set.
pub const NOW: NTP64 = NTP64((1 << 63) + (7 << 32) + 5);

/// Who may hand over snapshots.
pub const OWNER: &str = "owner";
/// Who may write.
pub const WRITER: &str = "writer";
/// Who may read only.
pub const READER: &str = "reader";
/// Who is known and may do nothing.
pub const STRANGER: &str = "stranger";

/// A service and everything behind it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The service.
    pub service: Arc<Service>,
    /// Its storage, to look behind its back.
    pub storage: Arc<dyn Storage>,
    /// Its accounts.
    pub desk: Arc<Desk>,
    /// Its policy.
    pub gate: Arc<Gate>,
}

impl Peer {
    /// A peer that knows nothing yet.
    pub fn new() -> Self {
        Self::over(Arc::new(MemoryStorage::new(new_log_id)))
    }

    /// A peer over this storage.
    pub fn over(storage: Arc<dyn Storage>) -> Self {
        let (desk, gate) = (Arc::new(Desk::default()), Arc::new(Gate::new()));
        let service = Service::new(storage.clone(), desk.clone(), Arc::new(|| NOW)).with_policy(gate.clone());
        Self { service: Arc::new(service), storage, desk, gate }
    }

    /// Its log of a space.
    pub async fn log(&self, name: &str) -> Subject {
        Subject::open(&*self.storage, name).await
    }

    /// Connects as the writer.
    pub async fn connect(&self, harness: &dyn TransportHarness) -> Line {
        self.connect_as(harness, WRITER).await
    }

    /// Connects with this token.
    pub async fn connect_as(&self, harness: &dyn TransportHarness, token: &str) -> Line {
        Line(harness.connect(self.service.clone(), token).await.expect("the token is known"))
    }

    /// What the service itself answers, without a transport.
    pub async fn answer(&self, token: &str, request: Request) -> Result<Answer, Problem> {
        let principal: Principal = Desk::principal(token).expect("the token is known");
        self.service.answer(&principal, request).await.map_err(|error| error.to_problem())
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self::new()
    }
}

/// A connection under test. Every method panics if the transport fails in a way that the law does not expect.
#[derive(Debug, Clone)]
pub struct Line(pub Arc<dyn Transport>);

impl Line {
    /// Calls.
    pub async fn call(&self, request: Request) -> Answer {
        self.0.call(request).await.expect("the call is answered")
    }

    /// Calls what must be refused, and gives the problem.
    pub async fn problem(&self, request: Request) -> Problem {
        match self.0.call(request).await {
            Err(TransportError::Refused(problem)) => problem,
            other => panic!("the peer must refuse this: {other:?}"),
        }
    }

    /// Calls what must be refused, and gives its code.
    pub async fn code(&self, request: Request) -> Code {
        self.problem(request).await.code
    }

    /// Asks for the heads of a space.
    pub async fn heads(&self, name: &str) -> PeerHeads {
        match self.call(Request::Heads(space(name))).await.reply {
            Reply::Heads(heads) => heads,
            other => panic!("heads were asked for, not {other:?}"),
        }
    }

    /// Pulls.
    pub async fn pull(&self, pull: Pull) -> Pulled {
        match self.call(crate::peer::pull(pull)).await.reply {
            Reply::Pull(pulled) => pulled,
            other => panic!("a pull was asked for, not {other:?}"),
        }
    }

    /// Pushes.
    pub async fn push(&self, runs: Vec<Run>) -> Pushed {
        match self.call(push(runs)).await.reply {
            Reply::Push(pushed) => pushed,
            other => panic!("a push was asked for, not {other:?}"),
        }
    }

    /// Follows a log from a cursor.
    pub async fn watch(&self, name: &str, after: Cursor) -> Notices {
        let notices = self.0.watch(&space(name), after).await;
        Notices(notices.expect("the watch begins"))
    }

    /// Begins a watch that must be refused, at once or as its first item, and gives the problem.
    pub async fn watch_problem(&self, name: &str, after: Cursor) -> Problem {
        match self.0.watch(&space(name), after).await {
            Ok(notices) => Notices(notices).problem().await,
            Err(TransportError::Refused(problem)) => problem,
            Err(other) => panic!("the peer must refuse this: {other:?}"),
        }
    }
}

/// A watch under test.
pub struct Notices(pub BoxStream<'static, Result<Notice, TransportError>>);

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notices")
    }
}

impl Notices {
    /// The next notice.
    pub async fn next(&mut self) -> Notice {
        self.0.next().await.expect("the watch continues").expect("the watch does not fail")
    }

    /// Reads on to the notice of this position, and checks that the head rises on the way.
    pub async fn until(&mut self, position: u64) -> Notice {
        let mut last = None;
        loop {
            let notice = self.next().await;
            let head = notice.head.position.get();
            assert!(last.is_none_or(|last| head > last), "a notice of {head} follows one of {last:?}");
            assert!(head <= position, "a notice of {head} tells of what has not happened");
            if head == position {
                return notice;
            }
            last = Some(head);
        }
    }

    /// The problem that ends the watch, whatever notices come before it.
    pub async fn problem(&mut self) -> Problem {
        loop {
            match self.0.next().await {
                Some(Ok(_)) => {}
                Some(Err(TransportError::Refused(problem))) => return problem,
                other => panic!("the watch must end with a problem: {other:?}"),
            }
        }
    }
}

/// The request to push these runs.
pub fn push(runs: Vec<Run>) -> Request {
    Request::Push(space(SPACE), None, Push { runs })
}

/// The request to pull.
pub fn pull(pull: Pull) -> Request {
    Request::Pull(space(SPACE), pull)
}

/// A pull of everything behind a cursor.
pub fn after(cursor: Cursor, limit: Limit) -> Pull {
    Pull { have: Have::Cursor(cursor), without: None, limit }
}

/// Bytes that do not compress, so that a limit is a limit on the wire, too.
pub fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    Xoshiro256PlusPlus::seed_from_u64(seed).fill_bytes(&mut noise);
    noise
}
