//! `move`, and `verify --against`.

use syncline::{ReplicaId, Storage};

use crate::stores::Database;
use crate::world::{Home, compose, note, notes, push, replica};

#[tokio::test]
async fn a_space_moves_between_any_two_stores_and_is_the_same_in_all() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    push(&serving, &token, 1, &["milk", "bread", "salt"]).await;
    let database = Database::new();
    // From store to store, and back to where it began.
    let mut from = "sqlite:syncline.sqlite".to_owned();
    for to in ["redb:moved.redb", "sled:moved", &database.name, "sqlite:moved.sqlite", "redb:back.redb"] {
        let said = home.ok(&format!("move notes --from {from} --to {to}"));
        assert!(
            said.starts_with("space notes: 3 bundles, digest ") && said.contains(", 3 of them new; the same in "),
            "{said}"
        );
        let said = home.ok(&format!("verify notes --against {to}"));
        assert!(said.contains("; the same in syncline.sqlite and "), "{said}");
        assert!(home.ok(&format!("move notes --from {from} --to {to}")).contains(", 0 of them new"));
        from = to.to_owned();
    }
    assert_eq!(serving.get("/healthz").0, 200);
}

#[tokio::test]
async fn a_served_space_changes_its_store_and_its_devices_go_on() {
    let database = Database::new();
    for to in ["redb:new.redb", "sled:new", &database.name] {
        let home = Home::new();
        let token = home.set_up();
        let serving = home.serve();
        let writer = push(&serving, &token, 1, &["before"]).await;
        home.ok(&format!("move notes --to {to}"));
        writer.write(&[note("meanwhile")]).await.unwrap();
        writer.sync(&serving.transport(&token)).await.unwrap();
        let said = home.fails(1, &format!("verify notes --against {to}"));
        assert!(said.contains("holds 1 bundle that ") && said.contains("`move` copies what is missing"), "{said}");
        serving.stop();
        assert!(home.ok(&format!("move notes --to {to}")).contains("2 bundles, digest "));
        home.ok(&format!("verify notes --against {to}"));
        // Roles and tokens stay in the database, which Postgres does not use.
        let token = if to.starts_with("postgres") {
            home.ok(&format!("setup --user ann --device laptop --space notes --store {to}")).trim().to_owned()
        } else {
            token
        };
        let serving = home.serve_on(to);
        writer.write(&[note("after")]).await.unwrap();
        assert!(writer.sync(&serving.transport(&token)).await.unwrap().is_complete());
        assert_eq!(replica(2).await.sync(&serving.transport(&token)).await.unwrap().pulled, 3);
        serving.stop();
    }
}

#[tokio::test]
async fn devices_push_on_while_a_space_is_moved() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    let writer = push(&serving, &token, 1, &["first"]).await;
    let transport = serving.transport(&token);
    let pushing = tokio::spawn(async move {
        for _ in 0..30 {
            writer.write(&[note("more")]).await.unwrap();
            writer.sync(&transport).await.unwrap();
        }
    });
    let home = tokio::task::spawn_blocking(move || {
        (0..5).for_each(|_| drop(home.ok("move notes --to redb:new.redb")));
        home
    });
    let home = home.await.unwrap();
    pushing.await.unwrap();
    assert!(home.ok("move notes --to redb:new.redb").contains("31 bundles"));
    home.ok("verify notes --against redb:new.redb");
}

#[tokio::test]
async fn a_space_moves_from_one_running_server_to_another() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    push(&serving, &token, 1, &["milk", "bread"]).await;
    home.ok("user add bob --database other.sqlite");
    let other = home.serve_as(home.command(["serve", "--listen", "127.0.0.1:0", "--database", "other.sqlite"]));
    let said = home.ok("move notes --to sqlite:other.sqlite");
    assert!(said.contains("2 of them new") && said.contains("; the same in syncline.sqlite and "), "{said}");
    home.ok("verify notes --against other.sqlite");
    assert_eq!(home.ok("log notes --database other.sqlite"), home.ok("log notes"));
    let setup = "setup --user bob --device phone --space notes --database other.sqlite";
    let token = home.ok(setup).trim().to_owned();
    assert_eq!(replica(2).await.sync(&other.transport(&token)).await.unwrap().pulled, 2);
}

#[tokio::test]
async fn a_replicas_file_is_copied_to_a_server_and_gets_no_accounts_by_it() {
    let home = Home::new();
    let storage = syncline_sqlite::SqliteStorage::at(home.path("phone.sqlite")).unwrap();
    let stack = compose(storage.open(&notes()).await.unwrap());
    let writer = stack.open(ReplicaId::from_bytes([1; 16]).unwrap()).await.unwrap();
    writer.write(&[note("milk")]).await.unwrap();
    drop((writer, storage));
    assert!(home.ok("move notes --from sqlite:phone.sqlite --to sqlite:other.sqlite").contains("1 of them new"));
    let tables = |file: &str| -> i64 {
        let select = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'account%'";
        let file = rusqlite::Connection::open(home.path(file)).unwrap();
        file.query_row(select, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(tables("phone.sqlite"), 0);
    // The same file becomes a server's.
    let token = home.ok("setup --user ann --device laptop --space notes --database phone.sqlite").trim().to_owned();
    assert!(tables("phone.sqlite") > 0);
    home.ok("verify --database phone.sqlite");
    let serving = home.serve_as(home.command(["serve", "--listen", "127.0.0.1:0", "--database", "phone.sqlite"]));
    assert_eq!(replica(2).await.sync(&serving.transport(&token)).await.unwrap().pulled, 1);
}

#[tokio::test]
async fn stores_that_hold_different_histories_are_told_apart() {
    let (home, other) = (Home::new(), Home::new());
    for (home, text) in [(&home, "milk"), (&other, "bread")] {
        let token = home.set_up();
        let serving = home.serve();
        push(&serving, &token, 1, &[text]).await;
        serving.stop();
    }
    let there = other.database().display().to_string();
    let said = home.fails(1, &format!("verify notes --against {there}"));
    assert!(said.contains("hold different histories"), "{said}");
    let said = home.fails(1, &format!("move notes --to {there}"));
    assert!(said.contains("another bundle at position 1"), "{said}");
    assert!(other.ok("log notes").contains("bread"), "it stays as it was");
}

#[test]
fn a_move_that_makes_no_sense_is_refused_before_anything_is_created() {
    let home = Home::new();
    home.set_up();
    for (line, words) in [
        ("move notes --to sqlite:syncline.sqlite", "name another store"),
        ("move notes --to memory:", "lost when the command ends"),
        ("move notes --from redb:typo.redb --to sled:new", "no store at typo.redb"),
        ("move notes --to redb:new.redb", "no log of space `notes`"),
        ("verify notes --against redb:typo.redb", "no log of space `notes`"),
    ] {
        let said = home.fails(1, line);
        assert!(said.contains(words), "{line}: {said}");
    }
    assert_eq!(home.run("move notes --to mysql:notes").code, 2);
    assert_eq!(home.run("verify --against redb:notes").code, 2, "of which space?");
    for name in ["typo.redb", "new", "new.redb"] {
        assert!(!home.path(name).exists(), "{name}");
    }
}
