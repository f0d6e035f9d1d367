//! The scenario ends well with the real parts, and its verdict sees what is broken.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use client_view::Kind;
use demo::script::{Ledger, Verdict, play};
use demo::stage::ANNS_LAPTOP;
use demo::{Plan, Stage};
use syncline::protocol::{Answer, Push, Reply, Request};
use syncline::transport::forward_watch;
use syncline::{Transport, TransportError};

/// What the scenario came to, and what it told.
async fn played(plan: Plan<'_>) -> (Verdict, String) {
    let stage = Stage::set(&plan).await.unwrap();
    let mut told = String::new();
    let mut say = |line: &str| {
        told.push_str(line);
        told.push('\n');
    };
    let verdict = play(&stage, &mut say).await.unwrap();
    (verdict, told)
}

#[test]
fn the_scenario_ends_with_all_four_equal_and_nothing_lost() {
    let ran = Command::new(env!("CARGO_BIN_EXE_demo")).arg("--script").output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(told.ends_with("All four are equal.\nNothing was lost.\n"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_swallows_bundles_fails_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let (verdict, told) = played(Plan { between: |way| Arc::new(Thief(way)), ..Plan::new(folder.path()) }).await;
    assert!(!verdict.comparison.all_equal() && !verdict.holds(), "{told}\n{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_history_is_named_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(&Plan::new(folder.path())).await.unwrap();
    let laptop = &stage.seats[ANNS_LAPTOP].client;
    let milk = laptop.add(Kind::Task, "Buy milk").await.unwrap();
    laptop.vote(milk, 1).await.unwrap();
    laptop.sync_now().await.unwrap();

    let mut ledger = Ledger::default();
    ledger.wrote(milk, "Buy milk");
    ledger.voted(milk, 1);
    let missing = stage.server.look(async |replica| ledger.missing(replica).await).await.unwrap().unwrap();
    assert_eq!(missing, Vec::<String>::new());

    ledger.wrote(milk, "Buy oat milk");
    ledger.voted(milk, 1);
    let missing = stage.server.look(async |replica| ledger.missing(replica).await).await.unwrap().unwrap();
    assert_eq!(missing.len(), 2, "{missing:?}");
}

/// Takes the bundles out of each push, and says that they are stored.
#[derive(Debug)]
struct Thief(Arc<dyn Transport>);

#[async_trait]
impl Transport for Thief {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let Request::Push(space, sender, push) = request else { return self.0.call(request).await };
        let through = push.runs.iter().map(|run| (run.origin(), run.last())).collect();
        let mut answer = self.0.call(Request::Push(space, sender, Push { runs: Vec::new() })).await?;
        if let Reply::Push(pushed) = &mut answer.reply {
            pushed.through = through;
        }
        Ok(answer)
    }

    forward_watch!(self.0);
}
