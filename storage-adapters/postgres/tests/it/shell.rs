//! The tables in the hands of a person: the SQL views.

use std::sync::Arc;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use syncline::attributes::{Attribute, Attributes, Op, Value};
use syncline::store::{Limit, RowRange, Storage, WriteBatch};
use syncline::{NTP64, Position, Replica, ReplicaId};
use syncline_conformance::{
    Author, Content, Subject, appends, deletes, dot, puts, row_key, space, view, voids, writes,
};
use syncline_postgres::PostgresStorage;
use syncline_postgres_testing::Scratch;

use crate::fixture::{notes, open, scratch};

/// Half a second into 14 November 2023, 22:13:20 UTC.
const NOW: NTP64 = NTP64((1_700_000_000 << 32) | (1 << 31));

/// Each row as the server prints it, its columns separated by `|`, NULL as nothing.
async fn ask(connection: &mut PgConnection, select: &str) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(select)).fetch_all(connection).await.unwrap();
    let text = |row: &PgRow, column| row.try_get_raw(column).unwrap().as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| (0..row.len()).map(|column| text(row, column)).collect::<Vec<_>>().join("|")).collect()
}

async fn bundles(connection: &mut PgConnection, name: &str) -> Vec<String> {
    let columns = "position, origin, seq, void, bytes";
    ask(connection, &format!("SELECT {columns} FROM bundles WHERE space = '{name}' ORDER BY position")).await
}

async fn expected(store: &Subject) -> Vec<String> {
    let line = |placed: &syncline_conformance::Placed| {
        let (void, bytes) = match &placed.content {
            Content::Full(body) => (false, body.len()),
            Content::Void { bytes, .. } => (true, *bytes as usize),
        };
        let void = if void { "t" } else { "f" };
        format!("{}|{}|{}|{void}|{bytes}", placed.position, placed.dot.origin, placed.dot.seq)
    };
    store.log().await.iter().map(line).collect()
}

#[tokio::test]
async fn bundles_are_listed_one_by_one_however_they_are_packed() {
    let scratch = scratch();
    let storage = open(&scratch).await;
    let (one, two) = (notes(&storage).await, Subject::open(&storage as &dyn Storage, "two").await);
    let (mut ann, mut bob) = (Author::new(1), Author::new(0xfe));
    let bodies: Vec<Vec<u8>> = [0, 1, 63, 64, 8_191, 8_192, 100_000].map(|size| vec![0x80; size]).into();
    one.commit(appends([ann.write_bodies(&bodies)])).await;
    one.commit(appends([bob.write(2), ann.write(3)])).await;
    one.commit(voids([dot(&ann, 1), dot(&ann, 7), dot(&bob, 2)])).await;
    two.commit(appends([Author::new(1).write(300)])).await;
    let connection = &mut scratch.connect().await;
    assert_eq!(bundles(connection, "notes").await, expected(&one).await);
    assert_eq!(bundles(connection, "two").await, expected(&two).await);
}

#[tokio::test]
async fn times_are_listed_over_their_whole_range() {
    let scratch = scratch();
    let store = notes(&open(&scratch).await).await;
    let half = 1 << 31;
    let times = [1, half, 0x7fff_ffff << 32, (0x8000_0000 << 32) + half, u64::MAX - u64::from(u32::MAX)].map(NTP64);
    store.commit(appends([Author::new(1).write_timed(times.map(|time| (time, [1u8])))])).await;
    let listed = ask(&mut scratch.connect().await, "SELECT at FROM bundles ORDER BY position").await;
    let expected = [
        "1970-01-01 00:00:00+00",
        "1970-01-01 00:00:00.5+00",
        "2038-01-19 03:14:07+00",
        "2038-01-19 03:14:08.5+00",
        "2106-02-07 06:28:15+00",
    ];
    assert_eq!(listed, expected);
}

async fn replica(storage: &PostgresStorage, name: &str) -> Replica {
    let store = storage.open(&space(name)).await.unwrap();
    let id = ReplicaId::from_bytes([7; 16]).unwrap();
    Replica::compose(space(name), store).clock(|| NOW).projection(Attributes).open(id).await.unwrap()
}

#[tokio::test]
async fn attributes_are_listed_as_values_of_json() {
    let scratch = scratch();
    let storage = Arc::new(open(&scratch).await);
    let replica = replica(&storage, "notes").await;
    let name = |entity, attribute| Attribute::new(entity, attribute).unwrap();
    let (title, done, stock, gone) =
        (name("article/7", "title"), name("article/7", "done"), name("article/8", "stock"), name("article/8", "gone"));
    let greek = name("άρθρο", "τίτλος");
    let values = [
        Op::set(&title, Value::string("a \"quoted\" ü").unwrap()),
        Op::set(&done, Value::json("{\"by\": [\"ann\", null]}").unwrap()),
        Op::set(&stock, 10),
        Op::set(&gone, 1),
        Op::delete(&gone),
        Op::set(&greek, true),
    ];
    replica.write(&values).await.unwrap();
    replica.attributes().unwrap().add(&stock, -3).await.unwrap();
    let connection = &mut scratch.connect().await;
    let listed =
        ask(connection, "SELECT space, entity, attribute, value FROM attributes ORDER BY entity, attribute").await;
    let expected = [
        r#"notes|article/7|done|{"by": ["ann", null]}"#,
        r#"notes|article/7|title|"a \"quoted\" ü""#,
        "notes|article/8|stock|7",
        "notes|άρθρο|τίτλος|true",
    ];
    assert_eq!(listed, expected);
    let select = "SELECT at FROM attributes WHERE entity = 'article/7' AND value @> '{\"by\": [\"ann\"]}'";
    let at = ask(connection, select).await;
    assert_eq!(at, ["2023-11-14 22:13:20.5+00"]);
}

#[tokio::test]
async fn what_jsonb_cannot_hold_is_null_and_hides_nothing_else() {
    let scratch = scratch();
    let storage = open(&scratch).await;
    let replica = replica(&storage, "notes").await;
    let set = |attribute, json| Op::set(&Attribute::new("e", attribute).unwrap(), Value::json(json).unwrap());
    replica.write(&[set("nul", r#""a\u0000b""#), set("null", "null"), set("wide", "1e308")]).await.unwrap();
    let store = notes(&storage).await;
    // No attributes at all, though in their view: too short, without a border, not Unicode.
    let odd = [(&b"e"[..], &b""[..]), (b"\xff\0\xff", b"short"), (b"\0", &[0; 30]), (b"x\0y", &[b'{'; 40])];
    store.commit(writes(puts(&view("attributes@1"), &odd))).await;
    let connection = &mut scratch.connect().await;
    let select =
        "SELECT attribute, value IS NULL, value = 'null' FROM attributes WHERE entity = 'e' ORDER BY attribute";
    assert_eq!(ask(connection, select).await, ["nul|t|", "null|f|t", "wide|f|f"]);
    assert_eq!(ask(connection, "SELECT count(*), count(value) FROM attributes").await, ["4|2"]);
}

#[tokio::test]
async fn attributes_of_an_entity_are_found_by_an_index() {
    let scratch = scratch();
    let store = notes(&open(&scratch).await).await;
    let rows: Vec<_> = (0..2_000).map(|number| (format!("e{number}\0a"), [&[0; 26][..], b"1"].concat())).collect();
    store.commit(writes(puts(&view("attributes@1"), &rows))).await;
    let connection = &mut scratch.connect().await;
    ask(connection, "ANALYZE rows").await;
    let plan = ask(connection, "EXPLAIN SELECT * FROM attributes WHERE space = 'notes' AND entity = 'e7'").await;
    assert!(plan.join("\n").contains("rows_by_entity"), "{plan:#?}");
}

/// How often tables were read from end to end, and how many entries of indexes were read. The server's processes tell what they
/// did when they end, so nobody may have the schema open.
async fn reads(scratch: &Scratch, connection: &mut PgConnection) -> (i64, i64) {
    let working = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    while sqlx::query_scalar::<_, i64>(working).bind(scratch.schema()).fetch_one(&mut *connection).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    let select =
        "SELECT (SELECT sum(seq_scan)::bigint FROM pg_stat_all_tables WHERE schemaname = $1 AND relname <> 'syncline'),
        (SELECT sum(idx_tup_read)::bigint FROM pg_stat_all_indexes WHERE schemaname = $1)";
    sqlx::query_as(select).bind(scratch.schema()).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn no_statement_reads_more_than_it_asks_for_however_it_was_planned() {
    const COUNT: u32 = 2_000;
    let scratch = scratch();
    let connection = &mut scratch.connect().await;
    drop(open(&scratch).await);
    // Now the server knows that the tables are empty, and to read all that there is looks like the best of plans.
    ask(connection, "ANALYZE spaces, heads, runs, views, rows").await;
    let before = reads(&scratch, connection).await;
    let storage = open(&scratch).await;
    let store = notes(&storage).await;
    let (mut ann, todo) = (Author::new(1), view("todo@1"));
    let keys: Vec<_> = (0..COUNT).map(u32::to_be_bytes).collect();
    for some in [&keys[..1], &keys[1..]] {
        let count = some.len() as u64;
        let rows = puts(&todo, &some.iter().map(|key| (key, "1")).collect::<Vec<_>>());
        let origins = some.iter().map(|key| ReplicaId::from_bytes([&[7; 12][..], key].concat().try_into().unwrap()));
        let mut others: Vec<_> = origins.map(|origin| Author::with_origin(origin.unwrap())).collect();
        let views = vec![(todo.clone(), Position::new(count))];
        store.commit(WriteBatch { rows, views, ..appends(some.iter().map(|_| ann.write(1))) }).await;
        let head = store.commit(appends(others.iter_mut().map(|other| other.write(1)).collect::<Vec<_>>())).await.head;
        store.load(&some.iter().map(|key| row_key(&todo, key)).collect::<Vec<_>>()).await;
        store.scan(&todo, RowRange::prefix(&some[some.len() - 1]), Limit::PAGE).await;
        store.page(head.get() - 1, Limit::PAGE).await;
        store.origin(ann.origin(), count, Limit::PAGE).await;
        // Every second bundle, so that no two are looked for together.
        store.commit(voids((1..=count).step_by(2).map(|seq| dot(&ann, seq)))).await;
        store.commit(writes(deletes(&todo, some))).await;
        store.commit(WriteBatch { clear: vec![todo.clone()], ..WriteBatch::default() }).await;
        store.status().await;
    }
    drop((storage, store));
    let after = reads(&scratch, connection).await;
    assert_eq!(after.0, before.0, "a table was read from end to end");
    let read = after.1 - before.1;
    assert!(read < 20 * i64::from(COUNT), "{read} entries were read for {COUNT} of each kind");
}
