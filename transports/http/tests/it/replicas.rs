//! Whole replicas over real sockets.

use std::time::Duration;

use futures_util::StreamExt;
use syncline::attributes::{Attribute, Attributes, Value};
use syncline::replica::Changes;
use syncline::store::{RowRange, Storage};
use syncline::{MemoryStorage, Replica, ReplicaId};
use syncline_conformance::{new_log_id, space};
use syncline_http::{Backoff, HttpTransport, RouterOptions, Server, Shutdown, router};

use crate::decoys::{Act, Decoy};
use crate::people::{ANN, SPACE};
use crate::proxy::Proxy;
use crate::site::{NOW, Site};

async fn replica(byte: u8) -> Replica {
    let store = MemoryStorage::new(new_log_id).open(&space(SPACE)).await.unwrap();
    let id = ReplicaId::from_bytes([byte; 16]).unwrap();
    Replica::compose(space(SPACE), store).clock(|| NOW).projection(Attributes).open(id).await.unwrap()
}

async fn set(replica: &Replica, entity: &str, value: &str) {
    let attribute = Attribute::new(entity, "text").unwrap();
    replica.attributes().unwrap().set(&attribute, Value::string(value).unwrap()).await.unwrap();
}

/// All values, as text.
async fn state(replica: &Replica) -> String {
    format!("{:?}", replica.attributes().unwrap().present(RowRange::all()).await.unwrap())
}

#[tokio::test]
async fn replicas_agree_though_every_second_answer_is_lost() {
    let site = Site::start().await;
    let decoy =
        Decoy::start([Act::LoseAnswer(site.address), Act::Pass(site.address)].into_iter().cycle().take(200)).await;
    let way = HttpTransport::builder(&decoy.url(), ANN).backoff(Duration::from_millis(1), Duration::from_millis(2));
    let way = way.build().unwrap();
    let (one, other) = (replica(1).await, replica(2).await);
    for round in 0..20 {
        set(&one, &format!("shared/{}", round % 3), &format!("one {round}")).await;
        set(&other, &format!("shared/{}", round % 5), &format!("other {round}")).await;
    }
    for replica in [&one, &other, &one] {
        assert!(replica.sync(&way).await.unwrap().is_complete());
    }
    assert_eq!(state(&one).await, state(&other).await);
    assert_eq!(site.head().await.position.get(), 40);
    assert!(one.status().await.unwrap().in_sync());
}

/// Tries again nearly at once.
const AT_ONCE: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(2) };

/// Waits until the replica shows this value.
async fn shows(changes: &mut Changes, replica: &Replica, value: &str) {
    while !state(replica).await.contains(value) {
        changes.next().await.expect("changes never end");
    }
}

#[tokio::test]
async fn live_replicas_follow_each_other_and_go_on_after_the_server_has_been_restarted() {
    let site = Site::start().await;
    // An address that stays while the server comes and goes: a port given back may be somebody else's the next moment.
    let address = Proxy::before(site.address, &[], 0).await;
    let (one, other) = (replica(1).await, replica(2).await);
    let mut changes = other.watch();
    let lives = [one.clone(), other.clone()].map(|replica| {
        let way = HttpTransport::builder(&address.url(), ANN).attempts(1).build().unwrap();
        tokio::spawn(async move { replica.live(&way, &AT_ONCE).await })
    });
    set(&one, "a", "written before the restart").await;
    shows(&mut changes, &other, "written before the restart").await;

    address.lead_to(None);
    site.shutdown.begin();
    site.serving.await.unwrap();
    set(&one, "b", "written while the server was away").await;
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    address.lead_to(Some(server.address()));
    tokio::spawn(server.serve(router(site.service.clone(), RouterOptions::default()), Shutdown::new()));
    shows(&mut changes, &other, "written while the server was away").await;
    set(&one, "c", "written after the restart").await;
    shows(&mut changes, &other, "written after the restart").await;
    assert_eq!(state(&one).await, state(&other).await);
    lives.into_iter().for_each(|live| live.abort());
}
