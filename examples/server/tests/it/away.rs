//! A store that goes away under a running server, and one that is not there yet.

use std::thread;

use syncline::replica::Outcome;
use syncline_http::HttpTransport;
use syncline_postgres_testing::Server;

use crate::world::{Home, Serving, note, push};

fn store(server: &Server) -> String {
    format!("{}&schema=away", server.url())
}

/// The head of an answer, in small letters: status line and headers.
fn head(serving: &Serving, path: &str, token: &str) -> String {
    serving
        .raw(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"))
        .to_lowercase()
}

/// Asks until the server is as ready as that: what it has found out is good for a second.
fn wait_until_ready(serving: &Serving, is_ready: bool) {
    while (serving.get("/readyz").0 == 200) != is_ready {
        thread::yield_now();
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_told_as_such_and_everything_goes_on_when_it_is_back() {
    let (home, postgres) = (Home::new(), Server::start());
    let store = store(&postgres);
    let token = home.ok(&format!("setup --user ann --device laptop --space notes --store {store}")).trim().to_owned();
    let serving = home.serve_on(&store);
    assert_eq!(serving.get("/readyz"), (200, "ready".to_owned()));
    let writer = push(&serving, &token, 1, &["milk"]).await;

    postgres.stop();
    wait_until_ready(&serving, false);
    assert_eq!(serving.get("/healthz"), (200, "ok".to_owned()), "the process itself is well");
    for path in ["/readyz", "/v1", "/v1/spaces/notes/heads"] {
        let head = head(&serving, path, &token);
        assert!(head.starts_with("http/1.1 503 ") && head.contains("\r\nretry-after: "), "{path}: {head}");
        assert!(head.contains("application/problem+json"), "{path}: {head}");
    }
    let written = writer.write(&[note("bread")]).await.unwrap();
    let impatient = HttpTransport::builder(&serving.url(), &token).attempts(1).build().unwrap();
    assert!(!writer.sync(&impatient).await.is_ok_and(|report| report.is_complete()));
    assert_eq!(writer.outcome(written.dot).await.unwrap(), Outcome::Pending);

    postgres.restart();
    wait_until_ready(&serving, true);
    assert!(writer.sync(&serving.transport(&token)).await.unwrap().is_complete());
    assert_eq!(writer.outcome(written.dot).await.unwrap(), Outcome::Stored);
    serving.stop();
}

/// Waits until the server has logged this.
fn wait_for_log(home: &Home, text: &str) {
    while !std::fs::read_to_string(home.path("server.log")).is_ok_and(|log| log.contains(text)) {
        thread::yield_now();
    }
}

#[test]
fn a_server_that_starts_before_its_database_waits_for_it() {
    let (home, postgres) = (Home::new(), Server::start());
    let store = store(&postgres);
    postgres.stop();
    let serving = thread::scope(|scope| {
        scope.spawn(|| {
            wait_for_log(&home, "waiting for the store");
            postgres.restart();
        });
        home.serve_on(&store)
    });
    assert_eq!(serving.get("/readyz").0, 200);
    serving.stop();
}

#[test]
fn a_server_that_waits_for_its_database_can_be_told_to_stop() {
    let home = Home::new();
    let mut command = home.command(["serve", "--listen", "127.0.0.1:0", "--store", "postgres://x@127.0.0.1:1/x"]);
    let log = std::fs::File::create(home.path("server.log")).unwrap();
    let mut child = command.stderr(log).spawn().unwrap();
    wait_for_log(&home, "waiting for the store");
    let kill = std::process::Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_command_does_not_wait_for_a_database_that_is_away() {
    let home = Home::new();
    let said = home.fails(1, "list --store postgres://x@127.0.0.1:1/x");
    assert!(said.contains("check that the server runs"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_deleted_database_makes_the_server_unready() {
    let home = Home::new();
    let serving = home.serve();
    assert_eq!(serving.get("/readyz").0, 200);
    std::fs::remove_file(home.database()).unwrap();
    wait_until_ready(&serving, false);
    assert_eq!(serving.get("/healthz").0, 200);
    let other = Home::new();
    let serving = other.serve_on("redb:notes.redb");
    assert_eq!(serving.get("/readyz").0, 200);
    std::fs::remove_file(other.database()).unwrap();
    wait_until_ready(&serving, false);
}
