//! Several replicas that write and sync through a proxy, and the check that they have come together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::RngExt as _;
use syncline::attributes::{Attribute, Attributes, Value};
use syncline::replica::{SyncError, SyncReport, Written};
use syncline::store::{RowRange, Storage};
use syncline::{Dot, MemoryStorage, Replica, ReplicaId, Transport};
use syncline_conformance::{Content, Placed, Subject, new_log_id, space};
use syncline_http::{HttpTransport, HttpTransportBuilder, RouterOptions, Server, ServerOptions, Shutdown, router};

use crate::chance::{self, Chance};
use crate::people::{ANN, SPACE};
use crate::proxy::{Fault, Proxy};
use crate::site::{NOW, Plan, SOON, Site};

/// How many replicas there are.
pub(crate) const REPLICAS: u8 = 3;
/// The text of every bundle that was written.
pub(crate) type Ledger = Arc<Mutex<BTreeMap<Dot, String>>>;

/// A server, a proxy before it, and replicas that reach it by that way alone.
pub(crate) struct Fleet {
    pub(crate) site: Site,
    pub(crate) proxy: Proxy,
    pub(crate) members: Vec<Member>,
    pub(crate) ledger: Ledger,
}

/// One replica.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) replica: Replica,
    pub(crate) way: Arc<dyn Transport>,
    ledger: Ledger,
}

/// A server that waits for nobody.
fn hasty() -> (ServerOptions, RouterOptions) {
    let server = ServerOptions::default().with_header_timeout(SOON).with_write_timeout(SOON).with_idle_timeout(SOON);
    (server, RouterOptions::default().with_body_patience(SOON).with_watch_tick(SOON / 10))
}

/// Ends what waits for something that never happens.
pub(crate) async fn in_time<T>(scenario: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(120), scenario).await;
    ended.expect("the scenario did not come to an end: somebody never came back")
}

/// A client that waits for nothing.
pub(crate) fn client(url: &str) -> HttpTransportBuilder {
    let client = HttpTransport::builder(url, ANN).connect_timeout(SOON).request_timeout(SOON).watch_patience(SOON);
    client.backoff(Duration::from_millis(1), Duration::from_millis(4)).attempts(3)
}

impl Fleet {
    pub(crate) async fn start(faults: &[Fault], seed: u64) -> Self {
        let (server, router) = hasty();
        let site = Site::plan(Plan { server, router, ..Plan::default() }).await;
        let proxy = Proxy::before(site.address, faults, seed).await;
        let ledger = Ledger::default();
        let mut members = Vec::new();
        for byte in 1..=REPLICAS {
            let store = MemoryStorage::new(new_log_id).open(&space(SPACE)).await.unwrap();
            let id = ReplicaId::from_bytes([byte; 16]).unwrap();
            let replica = Replica::compose(space(SPACE), store).clock(|| NOW).projection(Attributes);
            let (replica, way) = (replica.open(id).await.unwrap(), client(&proxy.url()).build().unwrap());
            members.push(Member { replica, way: Arc::new(way), ledger: ledger.clone() });
        }
        Self { site, proxy, members, ledger }
    }

    /// Kills the server in the middle of whatever it does, and starts it again on the same store.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.proxy.lead_to(None);
        self.site.serving.abort();
        assert!((&mut self.site.serving).await.unwrap_err().is_cancelled());
        let (server, options) = hasty();
        let server = Server::bind("127.0.0.1:0").await.unwrap().with_options(server);
        self.proxy.lead_to(Some(server.address()));
        self.site.serving = tokio::spawn(server.serve(router(self.site.service.clone(), options), Shutdown::new()));
    }

    /// Syncs everybody twice, in turn: what the last one brings, the first one gets in the second round. Nothing fails any more.
    pub(crate) async fn come_together(&self) {
        for member in self.members.iter().chain(&self.members) {
            assert!(member.replica.sync(&*member.way).await.unwrap().is_complete());
        }
    }

    /// Everything that is wrong with what must be so when the faults are over and everybody has synced.
    pub(crate) async fn findings(&self) -> Vec<String> {
        let server = Subject::open(&*self.site.storage, SPACE).await;
        let (log, heads) = (bundles(&server.log().await), server.status().await.heads);
        let ledger = self.ledger.lock().unwrap().clone();
        let mut findings = misfits(&log, &ledger);
        let shown = self.members[0].shown().await;
        for (number, member) in (1..).zip(&self.members) {
            let status = member.replica.status().await.unwrap();
            let own = member.replica.store().status().await.unwrap();
            let copy = bundles(&member.log().await);
            let checks = [
                (status.in_sync(), "is not in sync"),
                (own.heads == heads, "has other heads than the server"),
                (copy == log, "has other bundles than the server"),
                (member.shown().await == shown, "shows another state than the first"),
            ];
            let wrong = checks.into_iter().filter(|(right, _)| !right);
            findings.extend(wrong.map(|(_, what)| format!("replica {number} {what}: {status:?}")));
        }
        findings
    }
}

impl Member {
    /// Sets an attribute that others set, too, to a text that nobody else writes.
    pub(crate) async fn write(&self, chance: &mut Chance) -> Written {
        let words = chance.random_range(2..201);
        let text = chance::text(chance, words);
        self.write_text(chance, text).await
    }

    pub(crate) async fn write_text(&self, chance: &mut Chance, text: String) -> Written {
        let attribute = Attribute::new(&format!("shared/{}", chance.random_range(0..5)), "text").unwrap();
        let value = Value::string(&text).unwrap();
        let written = self.replica.attributes().unwrap().set(&attribute, value).await.unwrap();
        let before = self.ledger.lock().unwrap().insert(written.dot, text);
        assert_eq!(before, None, "{} was given twice", written.dot);
        written
    }

    /// Syncs, or is kept from it by the network. Whatever the replica takes for stored by then, the server has.
    pub(crate) async fn try_sync(&self, server: &dyn Storage) -> Option<SyncReport> {
        let report = match self.replica.sync(&*self.way).await {
            Ok(report) => Some(report),
            Err(SyncError::Transport(error)) if error.retry_after().is_some() => None,
            Err(error) => panic!("no fault of the network's looks like this: {error}"),
        };
        let status = self.replica.status().await.unwrap();
        let own = self.replica.store().status().await.unwrap().heads.get(status.replica).seq;
        let stored = server.open(&space(SPACE)).await.unwrap().status().await.unwrap().heads.get(status.replica).seq;
        let acknowledged = own.get() - status.pending;
        assert!(acknowledged <= stored.get(), "bundle {acknowledged} was acknowledged, the server has {stored}");
        report
    }

    /// All values, as text.
    pub(crate) async fn shown(&self) -> String {
        format!("{:?}", self.replica.attributes().unwrap().present(RowRange::all()).await.unwrap())
    }

    async fn log(&self) -> Vec<Placed> {
        let store = self.replica.store();
        let cursor = syncline::Cursor::start(store.status().await.unwrap().log);
        let page = store.read(cursor, syncline::store::Limit::items(u32::MAX)).await.unwrap();
        assert!(page.is_last());
        syncline_conformance::unpack(&page.runs)
    }
}

/// The bundles of a log, wherever they lie, with what they hold.
fn bundles(log: &[Placed]) -> BTreeMap<Dot, Content> {
    let bundles: BTreeMap<_, _> = log.iter().map(|placed| (placed.dot, placed.content.clone())).collect();
    assert_eq!(bundles.len(), log.len(), "a log holds a bundle twice");
    bundles
}

/// What the server's log has too little, too much, or otherwise than it was written.
fn misfits(log: &BTreeMap<Dot, Content>, ledger: &BTreeMap<Dot, String>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut texts: BTreeMap<&str, u32> = BTreeMap::new();
    for (dot, text) in ledger {
        *texts.entry(text).or_default() += 1;
        match log.get(dot) {
            None => findings.push(format!("bundle {dot} is lost")),
            Some(Content::Full(body)) if body.windows(text.len()).any(|part| part == text.as_bytes()) => {}
            Some(content) => findings.push(format!("bundle {dot} is altered: {content:?}")),
        }
    }
    let invented = log.keys().filter(|dot| !ledger.contains_key(dot));
    findings.extend(invented.map(|dot| format!("bundle {dot} is invented")));
    let doubled = texts.into_iter().filter(|(_, times)| *times > 1);
    findings.extend(doubled.map(|(text, times)| format!("`{}…` is there {times} times", &text[..16])));
    findings
}
