//! A database that is deleted or replaced under a running server.

use std::fs;
use std::path::Path;

use syncline::replica::Outcome;
use syncline_http::HttpTransport;

use crate::world::{Home, note, push};

/// Does this under a running server: no push is acknowledged from then on, and nothing that was pushed before is lost.
async fn refused_after(store: Option<&str>, act: impl FnOnce(&Home)) {
    let home = Home::new();
    let line = |command: &str| match store {
        Some(store) => format!("{command} --store {store}"),
        None => command.to_owned(),
    };
    let token = home.ok(&line("setup --user ann --device laptop --space notes")).trim().to_owned();
    let serving = store.map_or_else(|| home.serve(), |store| home.serve_on(store));
    let writer = push(&serving, &token, 1, &["before"]).await;
    act(&home);
    let written = writer.write(&[note("after")]).await.unwrap();
    let impatient = HttpTransport::builder(&serving.url(), &token).attempts(1).build().unwrap();
    for _ in 0..2 {
        assert!(!writer.sync(&impatient).await.is_ok_and(|report| report.is_complete()));
        assert_eq!(writer.outcome(written.dot).await.unwrap(), Outcome::Pending);
    }
    serving.stop();
    let log = home.server_log();
    assert!(log.contains("is gone") || log.contains("is another file"), "{log}");
}

fn replace(path: &Path) {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    fs::rename(copy, path).unwrap();
}

#[tokio::test]
async fn a_deleted_database_takes_no_pushes() {
    refused_after(None, |home| fs::remove_file(home.database()).unwrap()).await;
    refused_after(Some("redb:notes.redb"), |home| fs::remove_file(home.path("notes.redb")).unwrap()).await;
    refused_after(Some("sled:notes.sled"), |home| fs::remove_dir_all(home.path("notes.sled")).unwrap()).await;
}

#[tokio::test]
async fn a_replaced_database_takes_no_pushes() {
    refused_after(None, |home| replace(&home.database())).await;
    refused_after(Some("redb:notes.redb"), |home| replace(&home.path("notes.redb"))).await;
    let swap = |home: &Home| {
        fs::rename(home.path("notes.sled"), home.path("old.sled")).unwrap();
        fs::create_dir(home.path("notes.sled")).unwrap();
    };
    refused_after(Some("sled:notes.sled"), swap).await;
}
