//! Who gets in, and who does not.

use syncline::protocol::{Code, Problem, Request};
use syncline::replica::SyncError;
use syncline::{Transport, TransportError};

use crate::world::{Home, Serving, note, notes, push, replica};

/// Why the server refuses this token.
async fn refusal(serving: &Serving, token: &str) -> Problem {
    match serving.transport(token).call(Request::Heads(notes())).await {
        Err(TransportError::Refused(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_that_is_mistyped_or_of_another_server_is_refused() {
    let (home, other) = (Home::new(), Home::new());
    let (own, foreign) = (home.set_up(), other.set_up());
    let serving = home.serve();
    for token in [foreign.as_str(), &own[..own.len() - 1], &format!("{own}a"), "slt_", "x"] {
        assert_eq!(refusal(&serving, token).await.code, Code::Unauthorized, "{token}");
    }
    assert_eq!(serving.get("/v1/spaces/notes/heads").0, 401);
}

#[tokio::test]
async fn an_expired_token_is_refused_and_one_that_has_time_is_not() {
    let home = Home::new();
    home.set_up();
    let expired = home.run("token create ann laptop --expires 0s");
    let valid = home.run("token create ann laptop --expires 30d");
    assert!(valid.err.contains("is valid until 2"), "{valid:?}");
    let serving = home.serve();
    assert_eq!(refusal(&serving, expired.out.trim()).await.code, Code::Unauthorized);
    push(&serving, valid.out.trim(), 1, &["milk"]).await;
}

#[tokio::test]
async fn a_token_that_is_revoked_while_the_server_runs_is_refused_from_then_on() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    let replica = push(&serving, &token, 1, &["milk"]).await;
    home.ok("token revoke ann laptop");
    assert_eq!(refusal(&serving, &token).await.code, Code::Unauthorized);

    replica.write(&[note("bread")]).await.unwrap();
    assert!(replica.sync(&serving.transport(&token)).await.is_err());
    let fresh = home.ok("token create ann laptop");
    let report = replica.sync(&serving.transport(fresh.trim())).await.unwrap();
    assert_eq!(report.pushed, 1, "nothing was lost in the meantime");
}

#[tokio::test]
async fn a_space_without_a_grant_looks_like_no_space() {
    let home = Home::new();
    home.set_up();
    let bob = home.ok("setup --user bob --device phone --space other").trim().to_owned();
    let serving = home.serve();
    let hidden = refusal(&serving, &bob).await;
    assert_eq!(hidden.code, Code::UnknownSpace);

    home.ok("grant notes bob writer");
    push(&serving, &bob, 1, &["milk"]).await;
    home.ok("revoke notes bob");
    assert_eq!(refusal(&serving, &bob).await, hidden);
}

#[tokio::test]
async fn a_reader_pulls_and_does_not_push() {
    let home = Home::new();
    let ann = home.set_up();
    let bob = home.ok("setup --user bob --device phone --space other").trim().to_owned();
    home.ok("grant notes bob reader");
    let serving = home.serve();
    push(&serving, &ann, 1, &["milk"]).await;

    let reader = replica(2).await;
    reader.write(&[note("bread")]).await.unwrap();
    let report = reader.sync(&serving.transport(&bob)).await.unwrap();
    assert_eq!((report.pulled, report.pushed), (1, 0));
    assert_eq!(report.stopped.map(|problem| problem.code), Some(Code::Forbidden { origins: Vec::new() }));
}

#[tokio::test]
async fn a_device_does_not_push_under_the_name_of_anothers_replica() {
    let home = Home::new();
    let ann = home.set_up();
    let bob = home.ok("setup --user bob --device phone --space notes").trim().to_owned();
    let serving = home.serve();
    push(&serving, &ann, 1, &["milk"]).await;

    let forger = replica(1).await;
    forger.write(&[note("poison")]).await.unwrap();
    let refused = match forger.sync(&serving.transport(&bob)).await {
        Ok(_) => false,
        Err(error) => matches!(error, SyncError::Forked { .. } | SyncError::NotOwner { .. }),
    };
    assert!(refused);
    assert!(!home.ok("log notes").contains("poison"));
}
