//! A disk that fills up while replicas push, and has room again later.

use std::process::Command;

use syncline::Event;
use syncline::EventType;
use syncline::protocol::Code;
use syncline::replica::{Outcome, SyncError};
use syncline::transport::TransportError;
use syncline_http::HttpTransport;

use crate::world::{Home, push, replica};

/// The server in a shell that lets no file grow beyond so many kilobytes: for SQLite a full disk.
fn cramped(home: &Home, kilobytes: u32) -> Command {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_syncline-server");
    let line = format!("trap '' XFSZ; ulimit -f {}; exec {program} serve --listen 127.0.0.1:0", kilobytes * 2);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SYNCLINE_")) {
        command.env_remove(name);
    }
    command.current_dir(home.database().parent().unwrap()).args(["-c", &line]);
    command
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_costs_nothing_that_was_acknowledged() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve_as(cramped(&home, 2_000));
    let first = push(&serving, &token, 1, &["before"]).await;

    // A device with more than fits. It does not wait for room here.
    let large = replica(2).await;
    let mut written = Vec::new();
    for number in 0..40u8 {
        let payload: Vec<u8> =
            (0..200_000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8 ^ number).collect();
        written.push(large.write(&[Event::new(EventType::new("blob", 1), payload)]).await.unwrap().dot);
    }
    let impatient = HttpTransport::builder(&serving.url(), &token).attempts(1).build().unwrap();
    let (mut refused, mut stored) = (None, 0);
    for _ in 0..3 {
        match large.sync(&impatient).await {
            Ok(report) => refused = report.stopped,
            Err(SyncError::Transport(TransportError::Refused(problem))) => refused = Some(problem),
            Err(error) => panic!("{error}"),
        }
    }
    let problem = refused.expect("it does not fit");
    assert!(matches!(problem.code, Code::Busy { .. } | Code::Internal), "{problem:?}");
    for dot in &written {
        stored += u32::from(large.outcome(*dot).await.unwrap() == Outcome::Stored);
    }
    assert!(stored < 40);
    assert!(!home.server_log().contains("panicked"), "{}", home.server_log());
    serving.kill();

    // Room again: nothing needs repair, what was acknowledged is there, and the rest follows.
    let serving = home.serve();
    let report = large.sync(&serving.transport(&token)).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    let fresh = replica(9).await;
    fresh.sync(&serving.transport(&token)).await.unwrap();
    first.sync(&serving.transport(&token)).await.unwrap();
    let heads = |status: syncline::store::LogStatus| status.heads;
    assert_eq!(heads(fresh.store().status().await.unwrap()), heads(first.store().status().await.unwrap()));
    serving.stop();
    assert!(home.ok("verify notes").contains("notes"));
}
