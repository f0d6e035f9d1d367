//! Administration, with and without a running server.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::world::{Home, push};

/// Everything that changes accounts, in an order that works.
const CHANGES: [&str; 9] = [
    "user add ann",
    "user add bob",
    "device add ann laptop",
    "device add bob phone",
    "token create ann laptop --expires 12h",
    "space add notes --owner ann",
    "grant notes bob reader",
    "grant notes bob writer",
    "token revoke bob phone",
];

#[test]
fn a_running_server_does_what_a_command_would_do_alone() {
    let (alone, served) = (Home::new(), Home::new());
    served.ok("user add first");
    alone.ok("user add first");
    let _serving = served.serve();
    for change in CHANGES {
        let (alone, served) = (alone.run(change), served.run(change));
        assert_eq!(alone.code, 0, "{change}: {alone:?}");
        let said = |text: &str| text.split(" is valid until").next().unwrap().to_owned();
        assert_eq!((alone.code, said(&alone.err)), (served.code, said(&served.err)), "{change}");
    }
    for question in ["list", "list --json", "verify", "log notes"] {
        assert_eq!(alone.ok(question), served.ok(question), "{question}");
    }
}

#[test]
fn a_running_server_refuses_what_a_command_would_refuse_alone() {
    let (alone, served) = (Home::new(), Home::new());
    alone.set_up();
    served.set_up();
    let _serving = served.serve();
    for (line, words) in [
        ("user add ann", "user `ann` exists already"),
        ("device add nobody phone", "there is no user `nobody`"),
        ("token create ann phone", "there is no device"),
        ("space add notes --owner ann", "space `notes` exists already"),
        ("space add other --owner nobody", "there is no user `nobody`"),
        ("grant nowhere ann reader", "there is no space `nowhere`"),
        ("revoke notes nobody", "there is no user `nobody`"),
        ("log nowhere", "there is no space `nowhere`"),
        ("verify nowhere", "there is no space `nowhere`"),
    ] {
        let (alone, served) = (alone.fails(1, line), served.fails(1, line));
        assert!(alone.contains(words), "{line}: {alone}");
        assert_eq!(alone, served, "{line}");
    }
}

#[test]
fn names_and_roles_that_break_the_rule_are_refused_before_anything_is_opened() {
    let home = Home::new();
    for line in ["user add Ann", "user add a/b", "grant notes ann king", "token create ann laptop --expires soon"] {
        let ran = home.run(line);
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
    }
    assert!(!home.database().exists());
}

#[tokio::test]
async fn the_list_says_who_has_what() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    push(&serving, &token, 1, &["milk"]).await;
    let list = home.ok("list");
    let replica = "01".repeat(16);
    for line in ["user    ann", &format!("device  ann/laptop  1 valid token  {replica}"), "space   notes  ann:owner"] {
        assert!(list.lines().any(|listed| listed == line), "{line}: {list}");
    }
    let json: serde_json::Value = serde_json::from_str(&home.ok("list --json")).unwrap();
    assert_eq!(json["users"][0]["devices"][0]["replicas"][0], replica);
    assert!(!list.contains("slt_"));
}

#[tokio::test]
async fn the_status_counts_what_was_pushed() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    let before = home.ok("status");
    assert!(before.contains("space notes: no log yet") && before.contains("durability synced"), "{before}");
    push(&serving, &token, 1, &["milk", "bread"]).await;
    assert!(home.ok("status").contains("space notes: 2 bundles of 1 origin, "));
    let served: serde_json::Value = serde_json::from_str(&home.ok("status --json")).unwrap();
    serving.stop();
    let alone: serde_json::Value = serde_json::from_str(&home.ok("status --json")).unwrap();
    assert_eq!(served["spaces"], alone["spaces"]);
    let log = &alone["spaces"][0]["log"];
    assert_eq!((&log["head"], &log["origins"]), (&2.into(), &1.into()));
    assert!(log["bytes"].as_u64() > Some(60) && alone["file_bytes"].as_u64() > log["bytes"].as_u64());
}

#[test]
fn commands_that_come_at_once_wait_for_each_other() {
    let home = Home::new();
    home.set_up();
    let commands: Vec<_> = (0..6).map(|number| home.command(["user", "add", &format!("user{number}")])).collect();
    let running: Vec<_> = commands.into_iter().map(|mut command| command.spawn().unwrap()).collect();
    for mut command in running {
        assert!(command.wait().unwrap().success());
    }
    assert_eq!(home.ok("list").matches("user    ").count(), 7);
}

#[test]
fn a_command_on_a_database_that_is_not_there_says_so_and_creates_none() {
    let home = Home::new();
    for line in ["list", "status", "verify", "log notes", "device add ann laptop", "grant notes ann owner"] {
        let said = home.fails(1, line);
        assert!(said.contains("no database at syncline.sqlite") && said.contains("setup"), "{said}");
    }
    assert!(!home.database().exists());
}

#[cfg(unix)]
#[test]
fn the_control_file_is_for_its_owner_alone_and_goes_with_the_server() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.set_up();
    let control = home.path("syncline.sqlite.control");
    assert!(!control.exists());
    let serving = home.serve();
    assert_eq!(std::fs::metadata(&control).unwrap().permissions().mode() & 0o777, 0o600);
    serving.stop();
    assert!(!control.exists());
}

#[test]
fn without_the_right_key_the_running_server_does_nothing() {
    let home = Home::new();
    home.set_up();
    let _serving = home.serve();
    let path = home.path("syncline.sqlite.control");
    let mut control: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    control["key"] = home.ok("token create ann laptop").trim().into();
    std::fs::write(&path, control.to_string()).unwrap();
    let said = home.fails(1, "user add eve");
    assert!(said.contains("another key"), "{said}");
    assert!(!home.server_log().contains("user add eve"));
}

#[test]
fn what_is_no_request_gets_no_answer() {
    let home = Home::new();
    let _serving = home.serve();
    let control: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.path("syncline.sqlite.control")).unwrap()).unwrap();
    for sent in ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "{}\n", &"x".repeat(100_000)] {
        let mut connection = TcpStream::connect(control["address"].as_str().unwrap()).unwrap();
        // The server may have hung up before all is sent.
        let _ = connection.write_all(sent.as_bytes());
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
        assert_eq!(answer, b"", "{}", &sent[..sent.len().min(20)]);
    }
}

#[cfg(unix)]
#[test]
fn a_server_is_found_by_another_name_of_its_database() {
    let home = Home::new();
    std::os::unix::fs::symlink("syncline.sqlite", home.path("link.sqlite")).unwrap();
    let _serving = home.serve();
    home.ok("user add ann --database link.sqlite");
    assert!(home.ok("list").contains("user    ann"));
}

#[test]
fn what_a_killed_server_left_behind_is_cleared_away() {
    let home = Home::new();
    home.serve().kill();
    let control = home.path("syncline.sqlite.control");
    assert!(control.exists());
    home.ok("user add ann");
    assert!(!control.exists());
}

#[test]
fn a_database_in_use_by_a_process_that_takes_no_administration_is_named() {
    let home = Home::new();
    home.set_up();
    let _storage = syncline_sqlite::SqliteStorage::at(home.database()).unwrap();
    let said = home.fails(1, "user add bob");
    assert!(said.contains("syncline.sqlite is in use by a process that accepts no administration"), "{said}");
}
