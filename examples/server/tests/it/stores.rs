//! The server on every store.

use std::path::Path;

use syncline_postgres_testing::{Scratch, Server};

use crate::world::{Home, push, replica};

/// A schema of a database, under the name that the program takes.
pub(crate) struct Database {
    _scratch: Scratch,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new() -> Self {
        let scratch = Server::shared().scratch();
        let and = if scratch.url().contains('?') { '&' } else { '?' };
        let name = format!("{}{and}schema={}", scratch.url(), scratch.schema());
        Self { _scratch: scratch, name }
    }
}

/// What a person does on a first day, with the logs in this store.
async fn first_day(home: &Home, store: &str) {
    let line = |command: &str| format!("{command} --store {store}");
    let token = home.ok(&line("setup --user ann --device laptop --space notes")).trim().to_owned();
    let serving = home.serve_on(store);
    push(&serving, &token, 1, &["milk", "bread"]).await;
    assert_eq!(replica(2).await.sync(&serving.transport(&token)).await.unwrap().pulled, 2);
    let is_whole = |said: String| {
        said.starts_with("space notes: whole: 2 bundles of 1 origin, with 2 events and 0 voids\nchecked: ")
    };
    assert!(is_whole(home.ok(&line("verify"))), "while it is served");
    assert!(home.ok(&line("list")).contains("device  ann/laptop  1 valid token"));
    home.ok(&line("user add bob"));
    serving.kill();
    assert!(home.ok(&line("list")).contains("user    bob"), "{store}");
    if store != "memory:" {
        assert!(is_whole(home.ok(&line("verify"))), "a killed server has lost nothing and needs no repair");
        let serving = home.serve_on(store);
        assert_eq!(replica(3).await.sync(&serving.transport(&token)).await.unwrap().pulled, 2);
        serving.stop();
    }
}

#[tokio::test]
async fn every_store_serves_a_first_day() {
    let database = Database::new();
    for store in ["sqlite:logs.sqlite", "redb:logs.redb", "sled:logs", "memory:", &database.name] {
        let home = Home::new();
        first_day(&home, store).await;
        let keeps_accounts = store.starts_with("sqlite") || store.starts_with("postgres");
        assert_eq!(home.database().exists(), !keeps_accounts, "{store}: the database is there for accounts alone");
    }
}

#[tokio::test]
async fn the_ready_line_and_the_status_name_the_store_and_no_password() {
    let home = Home::new();
    home.ok("setup --user ann --device laptop --space notes --store redb:logs.redb");
    let serving = home.serve_on("redb:logs.redb");
    assert!(serving.line.contains(", database redb:logs.redb, durability synced"), "{}", serving.line);
    let status = home.ok("status --store redb:logs.redb");
    let accounts = format!("accounts in {}", home.database().canonicalize().unwrap().display());
    assert!(status.starts_with("database redb:/") && status.contains(&accounts), "{status}");
    let json: serde_json::Value = serde_json::from_str(&home.ok("status --json --store redb:logs.redb")).unwrap();
    assert!(json["file_bytes"].as_u64() > Some(0));
    let said = home.fails(1, "status --store postgres://ann:s3cret@127.0.0.1:1/notes");
    assert!(said.contains("postgres: ") && !said.contains("s3cret"), "{said}");
}

#[test]
fn several_servers_share_one_database_and_administration_needs_none_of_them() {
    let (database, home) = (Database::new(), Home::new());
    home.ok(&format!("user add ann --store {}", database.name));
    let (first, second) = (home.serve_on(&database.name), home.serve_on(&database.name));
    home.ok(&format!("user add bob --store {}", database.name));
    assert_eq!((first.get("/healthz").0, second.get("/healthz").0), (200, 200));
    assert!(
        std::fs::read_dir(home.path("."))
            .unwrap()
            .flatten()
            .all(|entry| { entry.path().extension().is_none_or(|ending| ending != "control") })
    );
}

#[tokio::test]
async fn a_running_server_is_found_by_the_store_alone() {
    for store in ["redb:logs.redb", "sled:logs"] {
        let home = Home::new();
        let setup = format!("setup --user ann --device laptop --space notes --store {store}");
        let token = home.ok(&setup).trim().to_owned();
        let serving = home.serve_on(store);
        push(&serving, &token, 1, &["milk"]).await;
        // The command's own database is another one.
        let copy = format!("move notes --from {store} --to sqlite:copy.sqlite --database other.sqlite");
        assert!(home.ok(&copy).contains("1 of them new"));
        assert!(!home.path("other.sqlite").exists());
        let control = home.path(&format!("{}.control", &store[5..]));
        assert!(control.exists());
        serving.stop();
        assert!(!control.exists());
    }
}

#[tokio::test]
async fn a_command_that_means_other_logs_than_the_running_server_has_is_told_so() {
    let home = Home::new();
    let token = home.ok("setup --user ann --device laptop --space notes --store redb:logs.redb").trim().to_owned();
    let serving = home.serve_on("redb:logs.redb");
    push(&serving, &token, 1, &["milk"]).await;
    for line in ["verify", "export notes notes.synclog", "move notes --from syncline.sqlite --to redb:new.redb"] {
        let said = home.fails(1, line);
        assert!(said.contains("keeps its logs in redb:/") && said.contains("name the same with --store"), "{said}");
    }
    let said = home.fails(1, "move notes --to sqlite:syncline.sqlite --store redb:logs.redb");
    assert!(said.contains("keeps its logs in redb:/"), "the database holds accounts alone: {said}");
    home.ok("verify --store redb:./logs.redb");
}

#[test]
fn a_second_server_on_one_store_is_refused() {
    for store in ["redb:logs.redb", "sled:logs", "memory:"] {
        let home = Home::new();
        let _first = home.serve_on(store);
        let said = home.fails(1, &format!("serve --listen 127.0.0.1:0 --store {store}"));
        assert!(said.contains(&format!("{store} is in use by another process")), "{said}");
    }
}

#[test]
fn a_store_that_does_not_exist_is_refused_with_those_that_do() {
    let home = Home::new();
    let ran = home.run("list --store mysql://localhost/notes");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("no store `mysql:`") && ran.err.contains("redb:FILE"), "{ran:?}");
    std::fs::write(home.path("syncline.toml"), "store = \"mysql:notes\"\n").unwrap();
    let said = home.fails(2, "list --config syncline.toml");
    assert!(said.contains("syncline.toml, line 1") && said.contains("redb:FILE"), "{said}");
}

#[cfg(unix)]
#[test]
fn what_people_write_is_for_the_owner_of_the_store_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
    for (store, path) in [("sqlite:logs.sqlite", "logs.sqlite"), ("redb:logs.redb", "logs.redb"), ("sled:logs", "logs")]
    {
        home.ok(&format!("setup --user ann --device laptop --space notes --store {store}"));
        assert_eq!(mode(&home.path(path)), 0, "{store}");
    }
    assert_eq!(mode(&home.database()), 0);
}
