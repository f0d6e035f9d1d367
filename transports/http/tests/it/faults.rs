//! Replicas on a network that does its worst: they come together whatever happens, and lose and double nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::join_all;
use rand::{RngExt as _, SeedableRng as _};
use syncline::protocol::{Answer, Pushed, Reply, Request};
use syncline::replica::{AckLevel, Outcome};
use syncline::transport::forward_watch;
use syncline::{Transport, TransportError};
use syncline_http::Backoff;

use crate::chance::{Chance, seed, text};
use crate::fleet::{Fleet, Member, client, in_time};
use crate::proxy::{FAULTS, Fault};

/// How often each fault has to have happened before a scenario lets it be.
const TIMES: u64 = 2;
/// Tries again nearly at once.
const AT_ONCE: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(4) };

/// Everybody writes and syncs, side by side, until each of these faults has happened often enough; then the faults end.
async fn weather(faults: &[Fault], seed: u64) -> Fleet {
    let fleet = Fleet::start(faults, seed).await;
    let strive = |number: u64, member: &Member| {
        let (fleet, member, mut chance) = (&fleet, member.clone(), Chance::seed_from_u64(seed ^ number));
        async move {
            while !fleet.proxy.have_fired(faults, TIMES) {
                for _ in 0..chance.random_range(1..4) {
                    member.write(&mut chance).await;
                }
                member.try_sync(&*fleet.site.storage).await;
            }
        }
    };
    in_time(join_all((1..).zip(&fleet.members).map(|(number, member)| strive(number, member)))).await;
    fleet.proxy.calm();
    fleet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_come_together_after_every_kind_of_fault() {
    let seed = seed();
    let fleet = weather(&FAULTS, seed).await;
    eprintln!("{:?}", fleet.proxy.fired());
    fleet.come_together().await;
    assert_eq!(fleet.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_come_together_after_each_fault_alone() {
    let seed = seed();
    let alone = async |fault: Fault| {
        let fleet = weather(&[fault], seed).await;
        assert_eq!(fleet.proxy.fired().into_keys().collect::<Vec<_>>(), [fault]);
        fleet.come_together().await;
        assert_eq!(fleet.findings().await, [""; 0], "after {fault:?}");
    };
    join_all(FAULTS.map(alone)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_replicas_stay_live_through_every_kind_of_fault() {
    let seed = seed();
    let fleet = Fleet::start(&FAULTS, seed).await;
    let live = |Member { replica, way, .. }: Member| tokio::spawn(async move { replica.live(&*way, &AT_ONCE).await });
    let lives: Vec<_> = fleet.members.iter().cloned().map(live).collect();
    let mut chance = Chance::seed_from_u64(seed);
    in_time(live_through_faults(&fleet, &mut chance)).await;
    assert!(lives.iter().all(|live| !live.is_finished()), "a live sync has ended");
    lives.into_iter().for_each(|live| live.abort());
    fleet.come_together().await;
    assert_eq!(fleet.findings().await, [""; 0]);
}

/// Everybody writes until all faults have happened; what they write afterwards everybody gets.
async fn live_through_faults(fleet: &Fleet, chance: &mut Chance) {
    let mut changes: Vec<_> = fleet.members.iter().map(|member| member.replica.watch()).collect();
    while !fleet.proxy.have_fired(&FAULTS, TIMES) {
        for member in &fleet.members {
            let written = member.write(chance).await;
            assert_eq!(member.replica.wait_for(written.dot, AckLevel::Peer).await.unwrap(), Outcome::Stored);
        }
    }
    fleet.proxy.calm();
    // Nobody syncs by hand: what one writes now reaches the others by their watch streams, and brings the rest along.
    for writer in &fleet.members {
        writer.write(chance).await;
    }
    let total = fleet.ledger.lock().unwrap().len() as u64;
    for (member, changes) in fleet.members.iter().zip(&mut changes) {
        while member.replica.status().await.unwrap().head.get() < total {
            changes.next().await.expect("changes never end");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_loses_nothing_that_it_has_acknowledged() {
    let seed = seed();
    let mut fleet = Fleet::start(&[Fault::CutRequest, Fault::CutAnswer, Fault::LoseAnswer, Fault::Delay], seed).await;
    let over = Arc::new(AtomicBool::new(false));
    let strive = |(number, member): (u64, Member)| {
        let (over, server, mut chance) =
            (over.clone(), fleet.site.storage.clone(), Chance::seed_from_u64(seed ^ number));
        tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                member.write(&mut chance).await;
                member.try_sync(&*server).await;
            }
        })
    };
    let striving: Vec<_> = (1..).zip(fleet.members.clone()).map(strive).collect();
    for kill in 0..12 {
        in_time(fleet.proxy.another_fault()).await;
        // A place of the way that differs from kill to kill.
        for _ in 0..kill * 3 {
            tokio::task::yield_now().await;
        }
        fleet.kill_and_restart().await;
    }
    over.store(true, Ordering::SeqCst);
    in_time(join_all(striving)).await.into_iter().for_each(|ended| ended.unwrap());
    fleet.proxy.calm();
    fleet.come_together().await;
    assert_eq!(fleet.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_tries_once_says_that_it_is_not_in_sync_and_is_so_after_the_next_sync() {
    let mut fleet = Fleet::start(&[Fault::LoseAnswer], seed()).await;
    let once = client(&fleet.proxy.url()).attempts(1).build().unwrap();
    fleet.members.truncate(1);
    fleet.members[0].way = Arc::new(once);
    let member = fleet.members[0].clone();
    let mut chance = Chance::seed_from_u64(1);
    // Until the lost answer was that of a push: the server has the bundle then, and the replica does not know.
    loop {
        let written = member.write(&mut chance).await;
        let synced = member.try_sync(&*fleet.site.storage).await;
        let stored = fleet.site.log().await.heads.get(written.dot.origin).seq;
        if synced.is_none() && stored == written.dot.seq {
            assert_eq!(member.replica.outcome(written.dot).await.unwrap(), Outcome::Pending);
            break;
        }
    }
    let findings = fleet.findings().await;
    assert!(findings.iter().any(|finding| finding.contains("is not in sync")), "{findings:?}");
    fleet.proxy.calm();
    // The server closes idle connections, and a client that tries once would fail on one that is being closed.
    fleet.members[0].way = Arc::new(client(&fleet.proxy.url()).build().unwrap());
    fleet.come_together().await;
    assert_eq!(fleet.findings().await, [""; 0]);
}

/// Says that it has stored what it has not.
#[derive(Debug)]
struct Liar(Arc<dyn Transport>);

#[async_trait]
impl Transport for Liar {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let Request::Push(space, _, push) = request else { return self.0.call(request).await };
        let Answer { clock, reply } = self.0.call(Request::Heads(space)).await?;
        let Reply::Heads(heads) = reply else { panic!("{reply:?} answers no question for heads") };
        let through = push.runs.iter().map(|run| (run.origin(), run.last())).collect();
        let pushed = Pushed { log: heads.head.log, through, placed: None, refused: Vec::new() };
        Ok(Answer { clock, reply: Reply::Push(pushed) })
    }

    forward_watch!(self.0);
}

#[tokio::test]
async fn a_way_that_drops_bundles_is_found_out() {
    let mut fleet = Fleet::start(&[], 0).await;
    fleet.members[0].way = Arc::new(Liar(fleet.members[0].way.clone()));
    let written = fleet.members[0].write(&mut Chance::seed_from_u64(1)).await;
    let _ = fleet.members[0].replica.sync(&*fleet.members[0].way).await;
    let findings = fleet.findings().await;
    assert!(findings.contains(&format!("bundle {} is lost", written.dot)), "{findings:?}");
    assert!(findings.iter().any(|finding| finding.contains("other heads")), "{findings:?}");
}

#[tokio::test]
async fn an_application_that_writes_again_after_a_failed_sync_is_found_out() {
    let fleet = Fleet::start(&[], 0).await;
    let mut chance = Chance::seed_from_u64(1);
    let text = text(&mut chance, 2);
    for _ in 0..2 {
        fleet.members[0].write_text(&mut chance, text.clone()).await;
    }
    fleet.come_together().await;
    assert_eq!(fleet.findings().await, [format!("`{}…` is there 2 times", &text[..16])]);
}
