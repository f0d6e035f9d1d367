//! A way to the server on which every connection meets a fault, as a seed says.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::chance::Chance;

/// What one connection meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It is closed as soon as it is there.
    Refuse,
    /// It is cut somewhere in what the client says: the server has read a part, or nothing, or all.
    CutRequest,
    /// It is cut somewhere in what the server says.
    CutAnswer,
    /// An answer is dropped whole, and the connection with it: the server has done what it was asked.
    LoseAnswer,
    /// From somewhere in what the client says nothing passes any more, and nobody is told: half-open.
    SilentRequest,
    /// The same from somewhere in what the server says.
    SilentAnswer,
    /// Everything arrives late.
    Delay,
    /// Everything arrives in small pieces.
    Throttle,
}

/// All of them.
pub(crate) const FAULTS: [Fault; 8] = [
    Fault::Refuse,
    Fault::CutRequest,
    Fault::CutAnswer,
    Fault::LoseAnswer,
    Fault::SilentRequest,
    Fault::SilentAnswer,
    Fault::Delay,
    Fault::Throttle,
];

/// How often each fault has really happened.
pub(crate) type Fired = BTreeMap<Fault, u64>;

/// Stands between clients and their server.
pub(crate) struct Proxy {
    address: SocketAddr,
    server: watch::Sender<Option<SocketAddr>>,
    calm: watch::Sender<bool>,
    fired: watch::Sender<Fired>,
}

impl Proxy {
    /// A proxy before this server that deals out these faults, one to a connection, in an order that follows from the seed.
    pub(crate) async fn before(server: SocketAddr, faults: &[Fault], seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (calm, calmed) = watch::channel(faults.is_empty());
        let (fired, _) = watch::channel(Fired::new());
        let (server, leads_to) = watch::channel(Some(server));
        let (counter, mut deck) = (fired.clone(), Deck { faults: faults.to_vec(), left: Vec::new() });
        let mut chance = Chance::seed_from_u64(seed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let calmed = calmed.clone();
                let plan = if *calmed.borrow() { Plan::PLAIN } else { Plan::draw(deck.draw(&mut chance), &mut chance) };
                // If the server is away, the connection closes, too.
                let Some(server) = *leads_to.borrow() else { continue };
                let connection = Connection { plan, fired: counter.clone(), asking: AtomicBool::default() };
                tokio::spawn(connection.carry(client, server, calmed));
            }
        });
        Self { address, server, calm, fired }
    }

    /// The server's address, by way of the proxy.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where connections lead from now on: to another server, or nowhere.
    pub(crate) fn lead_to(&self, server: Option<SocketAddr>) {
        self.server.send_replace(server);
    }

    /// Ends the faults. Connections that are still to meet theirs are cut; half-open ones stay so, as nobody tells of them.
    pub(crate) fn calm(&self) {
        self.calm.send_replace(true);
    }

    /// How often each fault has happened.
    pub(crate) fn fired(&self) -> Fired {
        self.fired.borrow().clone()
    }

    /// Waits for the next fault.
    pub(crate) async fn another_fault(&self) {
        self.fired.subscribe().changed().await.unwrap();
    }

    /// Whether each of these faults has happened so often.
    pub(crate) fn have_fired(&self, faults: &[Fault], times: u64) -> bool {
        let fired = self.fired.borrow();
        faults.iter().all(|fault| fired.get(fault).is_some_and(|count| *count >= times))
    }
}

/// Faults in a mixed order, each as often as the others.
struct Deck {
    faults: Vec<Fault>,
    left: Vec<Fault>,
}

impl Deck {
    fn draw(&mut self, chance: &mut Chance) -> Fault {
        if self.left.is_empty() {
            self.left.clone_from(&self.faults);
            self.left.shuffle(chance);
        }
        self.left.pop().unwrap()
    }
}

/// A connection's fate.
#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: Option<Fault>,
    /// After so many bytes, or answers.
    after: u64,
    /// Bytes that pass at a time, and the pause before them.
    piece: usize,
    pause: Duration,
    /// Whether a cut says that it is one.
    reset: bool,
}

impl Plan {
    const PLAIN: Self = Self { fault: None, after: 0, piece: 64 * 1024, pause: Duration::ZERO, reset: false };

    fn draw(fault: Fault, chance: &mut Chance) -> Self {
        let after = match fault {
            Fault::LoseAnswer => chance.random_range(0..3),
            // Slow connections end, too, so that others come.
            Fault::Delay | Fault::Throttle => 32 * 1024,
            _ => chance.random_range(0..4_000),
        };
        let (piece, pause) = match fault {
            Fault::Delay => (Self::PLAIN.piece, chance.random_range(1..20)),
            Fault::Throttle => (chance.random_range(32..512), 1),
            _ => (Self::PLAIN.piece, 0),
        };
        Self { fault: Some(fault), after, piece, pause: Duration::from_millis(pause), reset: chance.random_ratio(1, 2) }
    }
}

/// How a connection ends.
enum End {
    /// It is cut, or somebody has hung up.
    Cut,
    /// Nobody hears of it.
    Silent,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Cut
    }
}

/// One connection through the proxy.
struct Connection {
    plan: Plan,
    fired: watch::Sender<Fired>,
    /// Whether the client spoke last.
    asking: AtomicBool,
}

impl Connection {
    async fn carry(self, mut client: TcpStream, server: SocketAddr, mut calmed: watch::Receiver<bool>) {
        if self.plan.fault == Some(Fault::Refuse) {
            return self.count();
        }
        let Ok(mut server) = TcpStream::connect(server).await else { return };
        if self.plan.reset {
            client.set_zero_linger().unwrap();
            server.set_zero_linger().unwrap();
        }
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let end = tokio::select! {
            Err(end) = self.questions(from_client, to_server) => end,
            Err(end) = self.answers(from_server, to_client) => end,
            _ = calmed.wait_for(|calm| *calm), if self.plan.fault.is_some() => End::Cut,
        };
        if let End::Silent = end {
            // Both sockets stay open, and nobody looks after them.
            self.count();
            pending().await
        }
    }

    async fn questions(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let limited = matches!(self.plan.fault, Some(Fault::CutRequest | Fault::SilentRequest));
        let mut left = if limited { self.plan.after } else { u64::MAX };
        let mut piece = vec![0; self.plan.piece];
        loop {
            let count = from.read(&mut piece).await?;
            self.asking.store(true, Ordering::SeqCst);
            self.pass(&mut to, &piece[..count], &mut left).await?;
        }
    }

    async fn answers(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let limited =
            !matches!(self.plan.fault, None | Some(Fault::CutRequest | Fault::SilentRequest | Fault::LoseAnswer));
        let (mut left, mut answers) = (if limited { self.plan.after } else { u64::MAX }, 0);
        let mut piece = vec![0; self.plan.piece];
        loop {
            let count = from.read(&mut piece).await?;
            if count > 0 && self.asking.swap(false, Ordering::SeqCst) {
                answers += 1;
            }
            if self.plan.fault == Some(Fault::LoseAnswer) && answers > self.plan.after {
                self.count();
                return Err(End::Cut);
            }
            self.pass(&mut to, &piece[..count], &mut left).await?;
        }
    }

    /// Hands bytes on, of which so many are left that may pass.
    async fn pass(&self, to: &mut WriteHalf<'_>, bytes: &[u8], left: &mut u64) -> Result<(), End> {
        if bytes.is_empty() {
            return Err(End::Cut);
        }
        if !self.plan.pause.is_zero() {
            sleep(self.plan.pause).await;
            self.count();
        }
        let passing = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
        to.write_all(&bytes[..passing]).await?;
        *left -= passing as u64;
        match self.plan.fault {
            _ if *left > 0 => Ok(()),
            Some(Fault::SilentRequest | Fault::SilentAnswer) => Err(End::Silent),
            Some(Fault::CutRequest | Fault::CutAnswer) => {
                self.count();
                Err(End::Cut)
            }
            _ => Err(End::Cut),
        }
    }

    fn count(&self) {
        let Some(fault) = self.plan.fault else { return };
        self.fired.send_modify(|fired| *fired.entry(fault).or_default() += 1);
    }
}
