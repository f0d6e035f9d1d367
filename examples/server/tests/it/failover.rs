//! A Postgres server is lost, and another one that followed it takes its place.

use syncline::replica::Outcome;
use syncline_postgres_testing::Server;

use crate::world::{Home, note, push, replica};

fn store(server: &Server) -> String {
    format!("{}&schema=notes", server.url())
}

/// Lets a server acknowledge nothing that its standby does not have.
async fn wait_for_standby_always(server: &Server) {
    server.administer("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
    server.administer("SELECT pg_reload_conf()").await;
    let state = "SELECT coalesce(min(sync_state), 'none') FROM pg_stat_replication";
    while server.administer(state).await.as_deref() != Some("sync") {
        tokio::task::yield_now().await;
    }
}

fn set_up(home: &Home, server: &Server) -> String {
    let line = format!("setup --user ann --device laptop --space notes --store {}", store(server));
    home.ok(&line).trim().to_owned()
}

#[tokio::test]
async fn a_synchronous_standby_that_is_promoted_has_lost_nothing_that_was_acknowledged() {
    let (home, primary) = (Home::new(), Server::start());
    let token = set_up(&home, &primary);
    let standby = primary.standby();
    wait_for_standby_always(&primary).await;
    let serving = home.serve_on(&store(&primary));
    let writer = push(&serving, &token, 1, &["milk", "bread", "salt"]).await;
    primary.stop();
    serving.kill();

    standby.promote();
    let serving = home.serve_on(&store(&standby));
    assert_eq!(replica(2).await.sync(&serving.transport(&token)).await.unwrap().pulled, 3);
    assert_eq!(writer.sync(&serving.transport(&token)).await.unwrap().supplied, 0, "nothing is to be brought back");
    serving.stop();
}

#[tokio::test]
async fn what_an_asynchronous_standby_has_lost_devices_bring_back() {
    for is_used_before_they_return in [false, true] {
        let (home, primary) = (Home::new(), Server::start());
        let token = set_up(&home, &primary);
        let serving = home.serve_on(&store(&primary));
        let writer = push(&serving, &token, 1, &["milk"]).await;
        let standby = primary.standby();
        standby.stop();
        // The standby hears of none of this.
        let mut lost = Vec::new();
        for text in ["bread", "salt", "soap"] {
            lost.push(writer.write(&[note(text)]).await.unwrap().dot);
        }
        assert!(writer.sync(&serving.transport(&token)).await.unwrap().is_complete());
        let reader = replica(2).await;
        assert_eq!(reader.sync(&serving.transport(&token)).await.unwrap().pulled, 4);
        primary.stop();
        serving.kill();

        standby.restart();
        standby.promote();
        let serving = home.serve_on(&store(&standby));
        let mut all = 4;
        if is_used_before_they_return {
            // Others take the places that the lost bundles had.
            push(&serving, &token, 3, &["one", "two", "three", "four", "five"]).await;
            all += 5;
        }
        for device in [&reader, &writer, &reader] {
            assert!(device.sync(&serving.transport(&token)).await.unwrap().is_complete());
        }
        for dot in &lost {
            assert_eq!(writer.outcome(*dot).await.unwrap(), Outcome::Stored);
        }
        for device in [&reader, &writer, &replica(4).await] {
            device.sync(&serving.transport(&token)).await.unwrap();
            let head = device.store().status().await.unwrap().head.get();
            assert_eq!(head, all, "used before: {is_used_before_they_return}");
        }
        assert!(home.ok(&format!("verify --store {}", store(&standby))).contains(&format!("whole: {all} bundles")));
        serving.stop();
    }
}
