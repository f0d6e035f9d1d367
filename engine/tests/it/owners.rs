//! The owners of origins: a device owns what it writes, and not what it brings back for others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::recovery::copy;
use crate::world::*;
use async_trait::async_trait;
use futures_util::future::select;
use syncline::authority::{Authority, AuthorityError, Claim, Name, Principal, Role};
use syncline::format::Run;
use syncline::protocol::{Answer, Code, Push, Pushed, Reply, Request};
use syncline::replica::{Pause, Schedule, SyncError, SyncReport};
use syncline::service::ServiceError;
use syncline::store::{EventStore, Limit};
use syncline::{Cursor, MemoryStore, Replica, ReplicaId, Seq, Service, SpaceId};
use syncline_memory::MemoryTransport;

/// Accounts in which everybody may write, and an origin belongs to the device that claims it.
#[derive(Debug, Default)]
struct Registry(Mutex<BTreeMap<ReplicaId, Principal>>);

#[async_trait]
impl Authority for Registry {
    async fn authenticate(&self, _: &str) -> Result<Option<Principal>, AuthorityError> {
        Ok(None)
    }

    async fn role(&self, _: &Principal, _: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        Ok(Some(Role::Writer))
    }

    async fn owners(&self, origins: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        let claimed = self.0.lock().unwrap();
        Ok(origins.iter().filter_map(|origin| Some((*origin, claimed.get(origin)?.clone()))).collect())
    }

    async fn claim(&self, principal: &Principal, origin: ReplicaId) -> Result<Claim, AuthorityError> {
        let mut claimed = self.0.lock().unwrap();
        let owner = claimed.entry(origin).or_insert_with(|| principal.clone());
        Ok(if owner == principal { Claim::Held } else { Claim::Taken })
    }
}

impl Registry {
    fn all(&self) -> BTreeMap<ReplicaId, Principal> {
        self.0.lock().unwrap().clone()
    }

    fn give(&self, origin: ReplicaId, to: &str) {
        self.0.lock().unwrap().insert(origin, device(to));
    }

    fn release(&self, origin: ReplicaId) {
        self.0.lock().unwrap().remove(&origin);
    }
}

fn device(name: &str) -> Principal {
    Principal { user: Name::new(name).unwrap(), device: Name::new("phone").unwrap() }
}

/// A server, and what is behind it.
struct Site {
    store: Arc<MemoryStore>,
    registry: Arc<Registry>,
    service: Arc<Service>,
}

impl Site {
    fn over(store: Arc<MemoryStore>, registry: BTreeMap<ReplicaId, Principal>, clock: &Hand) -> Self {
        let registry = Arc::new(Registry(Mutex::new(registry)));
        let storage = Arc::new(Swapped(store.clone()));
        let service = Arc::new(Service::new(storage, registry.clone(), Arc::new(clock.reader())));
        Self { store, registry, service }
    }

    fn new(clock: &Hand) -> Self {
        Self::over(memory(), BTreeMap::new(), clock)
    }

    fn way(&self, name: &str) -> MemoryTransport {
        MemoryTransport::trusted(self.service.clone(), device(name))
    }

    fn sync(&self, name: &str, replica: &Replica) -> Result<SyncReport, SyncError> {
        block_on(replica.sync(&self.way(name)))
    }

    /// Pushes these runs, as a device that names this replica as its own.
    fn push(&self, name: &str, own: Option<ReplicaId>, runs: Vec<Run>) -> Result<Pushed, Code> {
        let request = Request::Push(space(), own, Push { runs });
        match block_on(self.service.answer(&device(name), request)) {
            Ok(Answer { reply: Reply::Push(pushed), .. }) => Ok(pushed),
            Err(ServiceError::Problem(problem)) => Err(problem.code),
            other => panic!("{other:?}"),
        }
    }
}

fn write(replica: &Replica, keys: &[&str]) {
    for key in keys {
        block_on(replica.write(&[set(key, "x")])).unwrap();
    }
}

/// A replica's own runs behind a bundle.
fn runs(replica: &Replica, byte: u8, after: u64) -> Vec<Run> {
    let stored = block_on(replica.store().read_origin(id(byte), Seq::new(after), Limit::PAGE)).unwrap();
    stored.into_iter().map(|stored| stored.run).collect()
}

/// Every bundle of a log in a run of its own.
fn bundles(store: &dyn EventStore) -> Vec<Run> {
    let log = block_on(store.status()).unwrap().log;
    let mut cursor = Cursor::start(log);
    let mut runs = Vec::new();
    loop {
        let page = block_on(store.read(cursor, Limit::items(1))).unwrap();
        if page.runs.is_empty() {
            return runs;
        }
        cursor = page.next;
        runs.extend(page.runs.into_iter().map(|stored| stored.run));
    }
}

/// Ann (1) and Ben (2) have both written and read everything.
fn two(clock: &Hand, site: &Site) -> (Replica, Replica) {
    let (ann, ben) = (replica(1, clock), replica(2, clock));
    write(&ann, &["a1", "a2"]);
    write(&ben, &["b1"]);
    for _ in 0..2 {
        site.sync("ann", &ann).unwrap();
        site.sync("ben", &ben).unwrap();
    }
    (ann, ben)
}

fn owned(owners: &[(u8, &str)]) -> BTreeMap<ReplicaId, Principal> {
    owners.iter().map(|(byte, name)| (id(*byte), device(name))).collect()
}

#[test]
fn whoever_heals_a_restored_server_gets_nobodys_origin() {
    let clock = Hand::at(100);
    let before = Site::new(&clock);
    let (ann, ben) = two(&clock, &before);
    assert_eq!(before.registry.all(), owned(&[(1, "ann"), (2, "ben")]));
    // From before all claims; from before Ann's; with both, but without the last bundles.
    for (bundles, kept) in [(0, &[][..]), (2, &[(2, "ben")]), (2, &[]), (1, &[(1, "ann"), (2, "ben")])] {
        let after = Site::over(copy(&*before.store, bundles, memory()), owned(kept), &clock);
        let third = replica(3, &clock);
        for _ in 0..2 {
            for (name, replica) in [("ben", &ben), ("eve", &third), ("ann", &ann)] {
                let report = after.sync(name, replica).unwrap();
                assert!(report.is_complete(), "{report:?}");
            }
        }
        for replica in [&ann, &ben, &third] {
            let status = block_on(replica.status()).unwrap();
            assert!(status.in_sync(), "{status:?}");
        }
        assert_eq!(pairs(&third), pairs(&ann));
        let both = owned(&[(1, "ann"), (2, "ben")]);
        assert!(after.registry.all().iter().all(|claim| both.get(claim.0) == Some(claim.1)), "{:?}", after.registry);
        write(&ann, &["more"]);
        write(&ben, &["more"]);
        for (name, replica) in [("ben", &ben), ("ann", &ann), ("ben", &ben)] {
            after.sync(name, replica).unwrap();
        }
        assert_eq!(after.registry.all(), both, "who writes owns");
        // Nobody writes on in Ann's name.
        write(&ann, &["last"]);
        let forged = runs(&ann, 1, 3);
        assert_eq!(after.push("ben", Some(id(1)), forged.clone()), Err(Code::Forbidden { origins: vec![id(1)] }));
        assert_eq!(after.push("ben", None, forged), Err(Code::Forbidden { origins: vec![id(1)] }));
    }
}

#[test]
fn bundles_that_the_log_knows_claim_nothing() {
    let clock = Hand::at(100);
    let before = Site::new(&clock);
    let (ann, ben) = two(&clock, &before);
    // An import without accounts.
    let after = Site::over(copy(&*before.store, 9, memory()), BTreeMap::new(), &clock);
    for own in [None, Some(id(1)), Some(id(2))] {
        let pushed = after.push("ben", own, bundles(&*before.store)).unwrap();
        assert_eq!(pushed.placed, None);
        after.push("ben", own, runs(&ann, 1, 0)).unwrap();
    }
    assert_eq!(after.registry.all(), owned(&[]));
    write(&ann, &["a3"]);
    after.sync("ben", &ben).unwrap();
    after.sync("ann", &ann).unwrap();
    assert_eq!(after.registry.all(), owned(&[(1, "ann")]));
}

#[test]
fn a_refused_push_claims_nothing() {
    let clock = Hand::at(100);
    let site = Site::new(&clock);
    let (ahead, one) = (replica(4, &Hand::at(100_000)), replica(1, &clock));
    write(&one, &["a", "b"]);
    write(&ahead, &["c"]);
    let gap = runs(&one, 1, 1);
    assert!(matches!(site.push("ann", Some(id(1)), gap.clone()), Err(Code::Gap { .. })));
    assert!(matches!(site.push("ann", None, gap), Err(Code::Gap { .. })));
    assert!(matches!(site.push("ann", Some(id(4)), runs(&ahead, 4, 0)), Err(Code::ClockAhead { .. })));
    // One bad run among good ones, wherever it stands.
    for runs in [[runs(&one, 1, 0), runs(&ahead, 4, 0)], [runs(&ahead, 4, 0), runs(&one, 1, 0)]] {
        assert!(matches!(site.push("ann", Some(id(1)), runs.concat()), Err(Code::ClockAhead { .. })));
    }
    let twin = replica(1, &clock);
    write(&twin, &["another first"]);
    assert_eq!(site.registry.all(), owned(&[]));
    site.push("ann", Some(id(1)), runs(&one, 1, 0)).unwrap();
    assert!(matches!(site.push("ann", Some(id(1)), runs(&twin, 1, 0)), Err(Code::Fork { .. })));
    assert_eq!(site.registry.all(), owned(&[(1, "ann")]));
}

#[test]
fn a_push_claims_the_senders_own_origin_alone() {
    let clock = Hand::at(100);
    let writers: Vec<_> = (1..=9).map(|byte| replica(byte, &clock)).collect();
    writers.iter().for_each(|writer| write(writer, &["x"]));
    let all: Vec<Run> = (1..=9).flat_map(|byte| runs(&writers[usize::from(byte) - 1], byte, 0)).collect();
    for (own, expected) in [(Some(id(3)), owned(&[(3, "ann")])), (Some(id(10)), owned(&[])), (None, owned(&[]))] {
        let site = Site::new(&clock);
        site.push("ann", own, all.clone()).unwrap();
        assert_eq!(site.registry.all(), expected);
    }
}

#[test]
fn a_sender_of_an_earlier_version_owns_the_one_origin_that_it_begins() {
    let clock = Hand::at(100);
    let (site, one) = (Site::new(&clock), replica(1, &clock));
    write(&one, &["a"]);
    site.push("ann", None, runs(&one, 1, 0)).unwrap();
    assert_eq!(site.registry.all(), owned(&[(1, "ann")]));
    // An origin that the log knows may be anybody's.
    site.registry.release(id(1));
    write(&one, &["b"]);
    site.push("ben", None, runs(&one, 1, 0)).unwrap();
    assert_eq!(site.registry.all(), owned(&[]));
}

#[test]
fn what_belongs_to_others_does_not_hold_up_what_belongs_to_nobody() {
    let clock = Hand::at(100);
    let before = Site::new(&clock);
    let (_, ben) = two(&clock, &before);
    let lost = replica(3, &clock);
    write(&lost, &["c1", "c2"]);
    before.sync("eve", &lost).unwrap();
    before.sync("ben", &ben).unwrap();
    // Ann is known to the restored server, and away; Eve is not known to it.
    let after = Site::over(memory(), owned(&[(1, "ann"), (2, "ben")]), &clock);
    let report = after.sync("ben", &ben).unwrap();
    assert_eq!((report.pushed, report.supplied), (1, 2));
    let status = block_on(ben.status()).unwrap();
    assert_eq!(status.peer.unwrap().lacking, Some(2), "Ann's, which only she may bring");
    after.registry.release(id(1));
    assert_eq!(after.sync("ben", &ben).unwrap().supplied, 2);
    assert!(block_on(ben.status()).unwrap().in_sync());
    assert_eq!(after.registry.all(), owned(&[(2, "ben")]));
}

#[test]
fn a_device_whose_origin_is_anothers_is_told_so_and_exchanges_all_else() {
    let clock = Hand::at(100);
    let site = Site::new(&clock);
    let (ann, _) = two(&clock, &site);
    site.registry.give(id(1), "ben");
    write(&ann, &["a3", "a4", "a5"]);
    let third = replica(3, &clock);
    write(&third, &["c1"]);
    site.sync("eve", &third).unwrap();
    for pulled in [1, 0] {
        let error = site.sync("ann", &ann).unwrap_err();
        let SyncError::NotOwner { problem, report } = &error else { panic!("{error:?}") };
        assert_eq!(problem.code, Code::Forbidden { origins: vec![id(1)] });
        assert_eq!((report.stopped.as_ref(), report.pushed, report.pulled), (Some(problem), 0, pulled));
        assert!(!report.is_complete());
        let says = error.to_string();
        assert!(says.contains(&id(1).to_string()) && says.contains("claim move"), "{says}");
        let status = block_on(ann.status()).unwrap();
        assert_eq!((status.pending, status.in_sync()), (3, false));
        assert_eq!(status.peer.unwrap().stopped.as_ref(), Some(problem));
    }
    // Somebody who runs the server puts it right, and no trace of it stays.
    site.registry.give(id(1), "ann");
    assert_eq!(site.sync("ann", &ann).unwrap().pushed, 3);
    let status = block_on(ann.status()).unwrap();
    assert!(status.in_sync(), "{status:?}");
    assert_eq!(status.peer.unwrap().stopped, None);
}

/// Notes what left something out.
#[derive(Debug, Default)]
struct Noted(Mutex<Vec<Code>>);

#[async_trait]
impl Schedule for Noted {
    async fn synced(&self, report: &SyncReport) {
        self.0.lock().unwrap().extend(report.stopped.iter().map(|problem| problem.code.clone()));
    }

    async fn pause(&self, why: Pause<'_>) {
        assert!(matches!(why, Pause::Incomplete { .. } | Pause::Polling { .. } | Pause::Watching), "{why:?}");
        yield_once().await;
    }
}

#[test]
fn a_live_sync_goes_on_while_the_origin_is_anothers() {
    let clock = Hand::at(100);
    let site = Site::new(&clock);
    let (ann, ben) = two(&clock, &site);
    site.registry.give(id(1), "ben");
    let (schedule, way) = (Noted::default(), site.way("ann"));
    let later = async {
        ann.write(&[set("a3", "x")]).await.unwrap();
        while schedule.0.lock().unwrap().is_empty() {
            yield_once().await;
        }
        // What others write still comes in.
        ben.write(&[set("b2", "x")]).await.unwrap();
        ben.sync(&site.way("ben")).await.unwrap();
        while ann.view(Pairs).unwrap().get(b"b2").await.unwrap().is_none() {
            yield_once().await;
        }
        site.registry.give(id(1), "ann");
        ann.write(&[set("a4", "x")]).await.unwrap();
        while !ann.status().await.unwrap().in_sync() {
            yield_once().await;
        }
    };
    block_on(async {
        let live = ann.live(&way, &schedule);
        drop(select(std::pin::pin!(live), std::pin::pin!(later)).await);
    });
    assert_eq!(schedule.0.lock().unwrap()[0], Code::Forbidden { origins: vec![id(1)] });
    assert_eq!(block_on(site.store.status()).unwrap().heads.get(id(1)).seq, Seq::new(4));
}
