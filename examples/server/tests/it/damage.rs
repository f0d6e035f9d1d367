//! `verify` on logs that somebody has touched.

use std::fs;

use crate::world::{Home, push, replica};

/// A home whose space holds these notes, a run each, and whose server has stopped.
async fn written(notes: &[&str]) -> Home {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    let writer = replica(1).await;
    for text in notes {
        writer.write(&[crate::world::note(text)]).await.unwrap();
        writer.sync(&serving.transport(&token)).await.unwrap();
    }
    serving.stop();
    home
}

/// Changes one byte of the database file, in the middle of this text.
fn flip(home: &Home, text: &str) {
    let mut file = fs::read(home.database()).unwrap();
    let places: Vec<_> = (0..file.len()).filter(|at| file[*at..].starts_with(text.as_bytes())).collect();
    assert!(!places.is_empty(), "{text} is not in the file");
    for at in places {
        file[at + text.len() / 2] ^= 1;
    }
    fs::write(home.database(), file).unwrap();
}

#[tokio::test]
async fn a_whole_log_is_found_whole() {
    let home = written(&["first", "second", "third"]).await;
    let said = "space notes: whole: 3 bundles of 1 origin, with 3 events and 0 voids\n\
        checked: all tables and indices, by SQLite's integrity_check\n";
    assert_eq!((home.ok("verify notes"), home.ok("verify")), (said.to_owned(), said.to_owned()));
    let _serving = home.serve();
    assert_eq!(home.ok("verify notes"), said);
}

#[tokio::test]
async fn a_changed_byte_is_found_and_the_first_broken_bundle_named() {
    let home = written(&["first", "second", "third", "fourth"]).await;
    flip(&home, "second");
    flip(&home, "fourth");
    let origin = "01".repeat(16);
    for line in ["verify notes", "verify"] {
        let said = home.fails(1, line);
        assert!(said.contains("space notes is damaged"), "{said}");
        assert!(said.contains(&format!("bundle {origin}:2 at position 2")), "{said}");
        assert!(said.contains("restore a backup"), "{said}");
    }
}

#[tokio::test]
async fn a_running_server_names_the_broken_bundle_too() {
    let home = written(&["first", "second", "third"]).await;
    flip(&home, "third");
    let _serving = home.serve();
    let said = home.fails(1, "verify notes");
    assert!(said.contains(&format!("bundle {}:3 at position 3", "01".repeat(16))), "{said}");
}

#[tokio::test]
async fn a_changed_byte_of_a_packed_run_is_found() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    push(&serving, &token, 1, &["first", "second", "third"]).await;
    serving.stop();
    flip(&home, "second");
    let said = home.fails(1, "verify notes");
    let bundle = format!("bundle {}:3 at position 3, or one packed with it before it", "01".repeat(16));
    assert!(said.contains(&bundle), "{said}");
}

#[tokio::test]
async fn a_run_that_somebody_deleted_is_missed() {
    let home = written(&["first", "second", "third"]).await;
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let deleted = database.execute("DELETE FROM runs WHERE seq = 2", []).unwrap();
    database.close().unwrap();
    assert_eq!(deleted, 1);
    let said = home.fails(1, "verify notes");
    assert!(said.contains("space notes is damaged"), "{said}");
}

#[tokio::test]
async fn a_run_cut_short_is_found() {
    let home = written(&["first", "second", "third"]).await;
    let database = rusqlite::Connection::open(home.database()).unwrap();
    database.execute("UPDATE runs SET run = substr(run, 1, length(run) - 3) WHERE seq = 2", []).unwrap();
    database.close().unwrap();
    let said = home.fails(1, "verify notes");
    assert!(said.contains("space notes is damaged"), "{said}");
}

#[tokio::test]
async fn a_flipped_bit_of_an_index_is_found_with_and_without_a_running_server() {
    let home = written(&["first", "second", "third"]).await;
    let whole = fs::read(home.database()).unwrap();
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let select = "SELECT name, pageno FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE type = 'index')";
    let mut select = database.prepare(select).unwrap();
    let pages = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let pages: Vec<(String, u32)> = pages.map(Result::unwrap).collect();
    drop(select);
    database.close().unwrap();
    let mut found = 0;
    for (name, page) in pages {
        let start = (page as usize - 1) * 4_096;
        let number = |at: usize| usize::from(u16::from_be_bytes([whole[at], whole[at + 1]]));
        if number(start + 3) == 0 {
            continue; // nothing is in it
        }
        let last = start + number(start + 8);
        let mut file = whole.clone();
        // The end of a cell, where the row is named that it leads to.
        let end = last + usize::from(file[last]);
        file[end] ^= 4;
        fs::write(home.database(), file).unwrap();
        let said = home.fails_with_output(1, "verify");
        assert!(said.contains("integrity_check") || said.contains("damaged"), "{name}: {said}");
        let serving = home.serve();
        let said = home.fails_with_output(1, "verify");
        assert!(said.contains("integrity_check") || said.contains("damaged"), "{name}: {said}");
        serving.kill();
        found += 1;
    }
    assert!(found > 5, "{found}");
}
