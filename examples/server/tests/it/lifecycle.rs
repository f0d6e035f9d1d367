//! Starting, stopping, being killed, and all that can be in the way.

use std::fs;
use std::path::PathBuf;

use syncline::replica::Outcome;

use crate::world::{Home, note, push, replica};

/// Runs `serve`, which must fail with one line, and answers that line.
fn refused(home: &Home, args: &str) -> String {
    home.fails(1, &format!("serve --listen 127.0.0.1:0 {args}"))
}

#[test]
fn told_to_stop_the_server_ends_well_and_leaves_nothing_running() {
    for signal in ["TERM", "INT"] {
        let home = Home::new();
        let serving = home.serve();
        serving.signal(signal);
        assert_eq!(serving.ended().code(), Some(0), "{signal}");
        assert!(home.server_log().contains("stopped"));
        home.serve().stop();
    }
}

#[test]
fn the_port_file_names_the_port_as_long_as_the_server_has_it() {
    let home = Home::new();
    let serving = home.serve_as(home.command(["serve", "--listen", "127.0.0.1:0", "--port-file", "port"]));
    let port = fs::read_to_string(home.path("port")).unwrap();
    assert_eq!(port.trim().parse(), Ok(serving.address.port()));
    serving.stop();
    assert!(!home.path("port").exists());
}

#[tokio::test]
async fn a_killed_server_has_lost_nothing_it_acknowledged_and_needs_no_repair() {
    let home = Home::new();
    let token = home.set_up();
    let mut pushed = 0;
    for round in 1..=5 {
        let serving = home.serve();
        let writer = push(&serving, &token, round, &["milk", "bread"]).await;
        pushed += 2;
        let last = writer.write(&[note("unsent")]).await.unwrap();
        serving.kill();
        assert_eq!(writer.outcome(last.dot).await.unwrap(), Outcome::Pending);

        let serving = home.serve();
        let reader = replica(100 + round).await;
        let report = reader.sync(&serving.transport(&token)).await.unwrap();
        assert_eq!(report.pulled, pushed);
        pushed += writer.sync(&serving.transport(&token)).await.unwrap().pushed;
        assert_eq!(writer.outcome(last.dot).await.unwrap(), Outcome::Stored);
        assert!(home.ok("verify").contains(&format!("{pushed} bundles of ")));
        serving.kill();
    }
    assert!(home.ok("verify").contains("15 bundles of 5 origins"));
}

#[test]
fn a_second_server_on_one_file_is_refused_and_the_first_goes_on() {
    let home = Home::new();
    let first = home.serve();
    let said = refused(&home, "");
    assert!(said.contains("syncline.sqlite is in use by another process"), "{said}");
    assert_eq!(first.get("/healthz").0, 200);
    home.ok("user add ann");
    first.stop();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let (first, second) = (Home::new(), Home::new());
    let serving = first.serve();
    let said = second.fails(1, &format!("serve --listen {}", serving.address));
    assert!(said.contains(&format!("cannot listen on {}", serving.address)) && said.contains("--listen"), "{said}");
    second.serve().stop();
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let other = rusqlite::Connection::open(home.path("other.sqlite")).unwrap();
    other.execute_batch("CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = 7").unwrap();
    other.close().unwrap();
    fs::write(home.path("letter.txt"), "Dear Ann,\n").unwrap();
    fs::write(home.path("letter.sqlite"), "Dear Ann,\n".repeat(20_000)).unwrap();
    for file in ["other.sqlite", "letter.txt", "letter.sqlite"] {
        let before = fs::read(home.path(file)).unwrap();
        for said in
            [refused(&home, &format!("--database {file}")), home.fails(1, &format!("user add ann --database {file}"))]
        {
            assert!(said.contains(file) && said.contains("another file"), "{said}");
        }
        assert!(fs::read(home.path(file)).unwrap() == before, "{file} was changed");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    push(&serving, &token, 1, &["milk"]).await;
    for file in ["syncline.sqlite", "syncline.sqlite-wal", "syncline.sqlite-shm", "syncline.sqlite-lock"] {
        assert_eq!(fs::metadata(home.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_directory_that_takes_no_files_is_named() {
    let home = Home::new();
    let database = unwritable(&home).join("syncline.sqlite");
    let said = refused(&home, &format!("--database {}", database.display()));
    assert!(said.contains(&database.display().to_string()) && said.contains("is writable"), "{said}");
}

/// A directory in which this process can create no file, though it be the superuser's.
fn unwritable(home: &Home) -> PathBuf {
    let directory = home.path("read-only");
    fs::create_dir(&directory).unwrap();
    let mut permissions = fs::metadata(&directory).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&directory, permissions).unwrap();
    match fs::write(directory.join("probe"), "") {
        Ok(()) => PathBuf::from("/proc"),
        Err(_) => directory,
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let home = Home::new();
    let said = refused(&home, "--database nowhere/syncline.sqlite");
    assert!(said.contains("nowhere/syncline.sqlite") && said.contains("its directory exists"), "{said}");
}

#[test]
fn a_database_cut_off_anywhere_is_refused_or_found_damaged() {
    let home = Home::new();
    home.set_up();
    let whole = fs::read(home.database()).unwrap();
    for length in [50, 100, 4_095, 4_096, 10_000, whole.len() - 1] {
        fs::write(home.database(), &whole[..length]).unwrap();
        for line in ["list", "user add bob"] {
            let ran = home.run(line);
            assert_eq!(ran.code, 1, "{line} at {length}: {ran:?}");
            ran.one_line();
        }
        fs::write(home.database(), &whole).unwrap();
    }
    home.ok("list");
}
