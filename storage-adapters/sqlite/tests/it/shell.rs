//! The file in the hands of a person: the SQL views, through the library and through the `sqlite3` program.

use std::process::Command;

use syncline::attributes::{Attribute, Attributes, Op, Value};
use syncline::{Event, NTP64, Replica, ReplicaId, Storage};
use syncline_conformance::{Author, Content, Placed, Subject, appends, dot, space, voids};

use crate::file::{Place, subject};

/// Half a second into 14 November 2023, 22:13:20 UTC.
const NOW: NTP64 = NTP64((1_700_000_000 << 32) | (1 << 31));

/// Asks through the library. Columns are separated by `|`, as the shell does.
fn ask(place: &Place, sql: &str) -> Vec<String> {
    let file = place.by_hand();
    let mut select = file.prepare(sql).unwrap();
    let columns = select.column_count();
    let mut rows = select.query([]).unwrap();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let text = |column| match row.get_ref(column).unwrap() {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str().unwrap().to_owned(),
        };
        lines.push((0..columns).map(text).collect::<Vec<_>>().join("|"));
    }
    lines
}

/// Asks the library and if it is installed, the program; both say the same.
fn ask_both(place: &Place, sql: &str) -> Vec<String> {
    let lines = ask(place, sql);
    if let Ok(output) = Command::new("sqlite3").arg(place.path()).arg(sql).output() {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), lines);
    }
    lines
}

fn line(space: &str, bundle: &Placed) -> String {
    let Placed { position, dot, time, content, .. } = bundle;
    let (void, bytes) = match content {
        Content::Full(body) => (0, body.len()),
        Content::Void { bytes, .. } => (1, *bytes as usize),
    };
    let (seconds, millis) = (time.0 >> 32, ((time.0 & 0xffff_ffff) * 1000) >> 32);
    let second = match seconds {
        0 => "1970-01-01T00:00:00",
        0x7fff_ffff => "2038-01-19T03:14:07",
        0x8000_0000 => "2038-01-19T03:14:08",
        0xffff_ffff => "2106-02-07T06:28:15",
        other => panic!("no test has bundles in second {other}"),
    };
    format!("{space}|{position}|{}|{}|{second}.{millis:03}Z|{void}|{bytes}", dot.origin, dot.seq)
}

async fn lines(store: &Subject, name: &str) -> Vec<String> {
    store.log().await.iter().map(|bundle| line(name, bundle)).collect()
}

#[tokio::test]
async fn bundles_are_listed_one_by_one_however_they_are_packed() {
    let place = Place::new();
    let storage = place.open();
    let (one, two) = (subject(&storage, "one").await, subject(&storage, "two").await);
    let (mut ann, mut bob) = (Author::new(1), Author::new(0xfe));
    let sizes = [0, 1, 63, 64, 127, 128, 5_000, 200_000, 3, 16_384, 3_990, 0, 0, 7];
    let bodies: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0x80; *size]).collect();
    one.commit(appends([ann.write_bodies(&bodies)])).await;
    for _ in 0..5 {
        one.commit(appends([bob.write(1), ann.write(3)])).await;
    }
    one.commit(voids([dot(&ann, 1), dot(&ann, 8), dot(&ann, 14), dot(&bob, 2)])).await;
    two.commit(appends([Author::new(1).write(400)])).await;
    let expected = [lines(&one, "one").await, lines(&two, "two").await].concat();
    assert_eq!(ask_both(&place, "SELECT * FROM bundles"), expected);
    assert_eq!(
        ask_both(&place, "SELECT * FROM bundles WHERE space = 'two' AND position = 7"),
        expected[34 + 6..=34 + 6]
    );
    assert_eq!(ask_both(&place, "SELECT * FROM bundles LIMIT 2"), expected[..2]);
}

#[tokio::test]
async fn times_are_listed_over_their_whole_range() {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let second = 1u64 << 32;
    let times = [
        1,
        1 << 31,
        second - 1,
        (1 << 63) - 1,
        1 << 63,
        (1 << 63) + (second / 1000) + 1,
        u64::MAX - second + 1,
        u64::MAX - 1,
        u64::MAX,
    ];
    let body = [1u8];
    store.commit(appends([Author::new(1).write_timed(times.map(|time| (NTP64(time), body)))])).await;
    assert_eq!(ask_both(&place, "SELECT * FROM bundles"), lines(&store, "notes").await);
}

#[test]
fn a_new_file_lists_nothing() {
    let place = Place::new();
    let _storage = place.open();
    assert!(ask_both(&place, "SELECT * FROM bundles").is_empty());
    assert!(ask_both(&place, "SELECT * FROM attributes").is_empty());
}

async fn replica(storage: &syncline_sqlite::SqliteStorage, name: &str, byte: u8) -> Replica {
    let (name, id) = (space(name), ReplicaId::from_bytes([byte; 16]).unwrap());
    let store = storage.open(&name).await.unwrap();
    Replica::compose(name, store).clock(|| NOW).projection(Attributes).open(id).await.unwrap()
}

fn set(entity: &str, attribute: &str, json: &str) -> Event {
    Op::set(&Attribute::new(entity, attribute).unwrap(), Value::json(json).unwrap())
}

#[tokio::test]
async fn attributes_are_listed_with_their_values_as_json() {
    let place = Place::new();
    let storage = place.open();
    let (one, two) = (replica(&storage, "one", 1).await, replica(&storage, "two", 2).await);
    one.write(&[set("article/7", "title", "\"Bread\""), set("article/7", "stock", "12"), set("ä", "ö", "\"ü\"")])
        .await
        .unwrap();
    one.write(&[Op::delete(&Attribute::new("article/7", "title").unwrap())]).await.unwrap();
    let view = one.view(Attributes).unwrap();
    let stock = Attribute::new("article/7", "stock").unwrap();
    let row = view.get(&stock.key()).await.unwrap().unwrap();
    one.write(&[row.add(&stock, 30)]).await.unwrap();
    two.write(&[set("article/7", "stock", "1")]).await.unwrap();
    let expected =
        ["one|article/7|stock|42|2023-11-14T22:13:20.500Z", "one|ä|ö|\"ü\"|2023-11-14T22:13:20.500Z"].map(String::from);
    assert_eq!(ask_both(&place, "SELECT * FROM attributes WHERE space = 'one' ORDER BY entity"), expected);
    assert_eq!(ask_both(&place, "SELECT value FROM attributes WHERE space = 'two' AND attribute = 'stock'"), ["1"]);
    let typed = "SELECT value -> '$' FROM attributes WHERE json_valid(value) AND space = 'two'";
    assert_eq!(ask_both(&place, typed), ["1"]);
}
