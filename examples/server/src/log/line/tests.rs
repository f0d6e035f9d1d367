use serde_json::{Value as Json, json};
use syncline::attributes::Value;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder};
use syncline::format::{ChainHash, Run};
use syncline::{Event, EventType, NTP64, ReplicaId, Seq};

use super::*;

/// A run of one bundle of these events, written an hour and a half after midnight of 1970.
fn run(events: &[Event]) -> Run {
    let origin = ReplicaId::from_bytes([7; 16]).unwrap();
    let mut builder = RunBuilder::new(origin, Seq::new(1), ChainHash::GENESIS);
    builder.push(NTP64(5_400 << 32), Body::Full(&encode_body(events).unwrap()));
    builder.finish().unwrap().run().clone()
}

fn lines(events: &[Event]) -> Vec<String> {
    let run = run(events);
    let bundle = run.bundles().next().unwrap();
    bundle.events().map(|event| super::event(Position::new(9), &bundle, event)).collect()
}

fn line(event: Event) -> Json {
    let line = lines(&[event]).remove(0);
    assert!(!line.contains('\n'), "{line}");
    serde_json::from_str(&line).unwrap()
}

fn title() -> Attribute {
    Attribute::new("todo/\"7\"", "title").unwrap()
}

#[test]
fn a_line_says_where_who_when_and_what() {
    let line = line(Event::new(EventType::new("note.taken", 2), "{\"text\": \"milk\"}"));
    let expected = json!({
        "position": 9,
        "origin": "07070707070707070707070707070707",
        "seq": 1,
        "time": "1970-01-01T01:30:00.000000000Z",
        "index": 0,
        "kind": "note.taken@2",
        "payload": { "text": "milk" },
    });
    assert_eq!(line, expected);
}

#[test]
fn events_of_a_bundle_are_counted() {
    let event = Event::new(EventType::new("note", 1), "1");
    let lines = lines(&[event.clone(), event]);
    assert!(lines[0].contains("\"index\":0") && lines[1].contains("\"index\":1"));
}

#[test]
fn attribute_operations_are_told_by_name() {
    let insert = Op::Insert { base: None, element: Value::from(1) };
    let remove = Op::Remove { base: None, context: [].into_iter().collect(), element: Value::from(2) };
    for (event, what, value) in [
        (Op::set(&title(), Value::json("{\"a\":\n[1,\r\n2]}").unwrap()), "set", json!({ "a": [1, 2] })),
        (Op::delete(&title()), "delete", json!(true)),
        (Op::Add { base: None, delta: -3 }.event(&title()), "add", json!(-3)),
        (insert.event(&title()), "insert", json!(1)),
        (remove.event(&title()), "remove", json!(2)),
    ] {
        let payload = &line(event)["payload"];
        assert_eq!((&payload["entity"], &payload["attribute"]), (&json!("todo/\"7\""), &json!("title")));
        assert_eq!(payload[what], value);
    }
}

#[test]
fn a_payload_that_is_not_json_comes_in_base_64() {
    for payload in [&b"buy milk"[..], b"\xff\x00", b"", b"{\"cut\":", &b"[".repeat(1_000)] {
        let line = line(Event::new(EventType::new("note", 1), payload.to_vec()));
        assert_eq!(line["base64"], json!(BASE64.encode(payload)));
        assert_eq!(line.get("payload"), None);
    }
}

#[test]
fn an_attribute_event_that_does_not_read_comes_in_base_64() {
    let line = line(Event::new(ATTRIBUTE, &b"\x09"[..]));
    assert_eq!(line["base64"], json!("CQ=="));
}

#[test]
fn numbers_stay_as_they_were_written() {
    let lines = lines(&[Event::new(EventType::new("note", 1), " 12345678901234567890.50\n")]);
    assert!(lines[0].ends_with("\"payload\":12345678901234567890.50}"), "{}", lines[0]);
}

#[test]
fn a_refused_bundle_is_one_line() {
    let run = run(&[Event::new(EventType::new("note", 1), "1")]).with_voids(&[Seq::new(1)], ChainHash::GENESIS);
    let line: Json = serde_json::from_str(&void(Position::new(3), &run.bundles().next().unwrap())).unwrap();
    assert_eq!((&line["position"], &line["void"]), (&json!(3), &json!(true)));
}
