//! Indices that are damaged: what they lead to is never taken for the whole.

use std::sync::Arc;

use rusqlite::Connection;
use syncline::store::{EventStore, Limit, Storage};
use syncline::{Seq, StoreError};
use syncline_conformance::{Author, Placed, appends, placed, space, unpack};
use syncline_sqlite::SqliteStorage;

use crate::file::{Place, subject};

const PAGE_BYTES: usize = 4_096;

/// A file with runs of three origins, closed; and the log that is in it.
async fn filled(place: &Place) -> Vec<Placed> {
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let (mut authors, mut written) = ([1, 2, 3].map(Author::new), Vec::new());
    for _ in 0..8 {
        written.extend(authors.iter_mut().map(|author| author.write(40)));
    }
    store.commit(appends(written.iter().cloned())).await;
    placed(1, &written)
}

/// Where the cells of an index lie in the file: each a first and a last byte, its size left out.
fn cells(db: &Connection, file: &[u8], index: &str) -> Vec<(usize, usize)> {
    let select = "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf'";
    let mut select = db.prepare(select).unwrap();
    let pages = select.query_map([index], |row| row.get::<_, u32>(0)).unwrap();
    let mut cells = Vec::new();
    for start in pages.map(|page| (page.unwrap() as usize - 1) * PAGE_BYTES) {
        let number = |at: usize| usize::from(u16::from_be_bytes([file[at], file[at + 1]]));
        for cell in 0..number(start + 3) {
            let at = start + number(start + 8 + 2 * cell);
            cells.push((at + 1, at + usize::from(file[at])));
        }
    }
    assert!(!cells.is_empty(), "{index}");
    cells
}

/// All indices of the log's tables.
fn indices(db: &Connection) -> Vec<String> {
    let select = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name IN ('runs', 'heads', 'spaces')";
    let mut select = db.prepare(select).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Reads from every origin all that follows some bundles, and answers what differs from the log.
async fn differs(store: &Arc<dyn EventStore>, log: &[Placed]) -> Result<Option<String>, StoreError> {
    for origin in [1, 2, 3].map(|byte| Author::new(byte).origin()) {
        for after in [0, 39, 40, 77, 280, 319, 320].map(Seq::new) {
            let mut read = Vec::new();
            loop {
                let from = read.last().map_or(after, |placed: &Placed| placed.dot.seq);
                let runs = store.read_origin(origin, from, Limit::items(50)).await?;
                if runs.is_empty() {
                    break;
                }
                read.extend(unpack(&runs));
            }
            let follows = |placed: &&Placed| placed.dot.origin == origin && placed.dot.seq > after;
            if read != log.iter().filter(follows).cloned().collect::<Vec<_>>() {
                return Ok(Some(format!("{} bundles of {origin} after {after}", read.len())));
            }
        }
    }
    Ok(None)
}

/// What a file says once it was damaged: an error, or what differs from the log in it; and whether its check finds it whole.
async fn look(place: &Place, log: &[Placed]) -> (Result<Option<String>, StoreError>, bool) {
    let storage = match SqliteStorage::at(place.path()) {
        Ok(storage) => storage,
        Err(error) => return (Err(error), false),
    };
    let read = async {
        let store = storage.open(&space("notes")).await?;
        let status = store.status().await?;
        if status.head.get() != log.len() as u64 || storage.spaces().await? != [space("notes")] {
            return Ok(Some("another log".to_owned()));
        }
        differs(&store, log).await
    };
    (read.await, storage.check().await.is_ok())
}

#[tokio::test]
async fn a_flipped_bit_of_an_index_makes_no_answer_short_and_is_found_by_the_check() {
    let place = Place::new();
    let log = filled(&place).await;
    let whole = std::fs::read(place.path()).unwrap();
    let db = place.by_hand();
    let (names, mut flips, mut told) = (indices(&db), Vec::new(), 0);
    for name in &names {
        let cells = cells(&db, &whole, name);
        let places = cells.iter().flat_map(|(first, last)| *first..=*last);
        flips.extend(places.step_by(if cells.len() > 9 { 5 } else { 1 }).map(|at| (name, at)));
    }
    db.close().unwrap();
    for (name, at) in flips {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 7);
        std::fs::write(place.path(), bytes).unwrap();
        let (read, is_whole) = look(&place, &log).await;
        match read {
            // Another name makes another space; that is for the check to find.
            Ok(Some(_)) if name.contains("spaces") => {}
            Ok(Some(other)) => panic!("byte {at} of {name}: {other}"),
            Ok(None) => {}
            Err(StoreError::Corrupt { .. }) => told += 1,
            Err(error) => panic!("byte {at} of {name}: {error}"),
        }
        assert!(!is_whole, "byte {at} of {name}");
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{beside}", place.path().display()));
        }
    }
    assert!(told > 20, "{told}");
}

#[tokio::test]
async fn a_whole_file_is_found_whole_while_it_is_written_to() {
    let place = Place::new();
    filled(&place).await;
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let mut ann = Author::new(9);
    for _ in 0..5 {
        let (checked, _) = futures_util::join!(storage.check(), store.commit(appends([ann.write(1)])));
        assert!(checked.unwrap().contains("integrity_check"));
    }
}
