//! `log`: what people and programs read of a space.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value as Json, json};
use syncline::attributes::{Attribute, Op, Value};
use syncline::{Event, EventType};

use crate::world::{Home, push, replica};

fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn events_are_told_in_log_order_with_what_they_say() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    let writer = replica(1).await;
    let title = Attribute::new("todo/7", "title").unwrap();
    let set = Op::set(&title, Value::string("milk").unwrap());
    writer.write(&[set, Event::new(EventType::new("ring", 2), &b"\xff"[..])]).await.unwrap();
    writer.write(&[Op::delete(&title)]).await.unwrap();
    writer.sync(&serving.transport(&token)).await.unwrap();

    let told = lines(&home.ok("log notes"));
    let place = |line: &Json| (line["position"].as_u64(), line["seq"].as_u64(), line["index"].as_u64());
    assert_eq!(
        told.iter().map(place).collect::<Vec<_>>(),
        [(Some(1), Some(1), Some(0)), (Some(1), Some(1), Some(1)), (Some(2), Some(2), Some(0))]
    );
    assert_eq!(told[0]["payload"], json!({ "entity": "todo/7", "attribute": "title", "set": "milk" }));
    assert_eq!((&told[1]["kind"], &told[1]["base64"]), (&json!("ring@2"), &json!("/w==")));
    assert_eq!(told[2]["payload"]["delete"], json!(true));
    assert!(told.iter().all(|line| line["origin"] == "01".repeat(16) && line["time"].as_str().unwrap().ends_with('Z')));
}

#[tokio::test]
async fn a_log_is_read_on_from_any_position() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    push(&serving, &token, 1, &["a", "b", "c", "d"]).await;
    serving.stop();
    let texts =
        |line: &str| lines(&home.ok(line)).iter().map(|told| told["payload"]["text"].clone()).collect::<Vec<_>>();
    assert_eq!(texts("log notes"), ["a", "b", "c", "d"]);
    assert_eq!(texts("log notes --after 1 --limit 2"), ["b", "c"]);
    assert_eq!(texts("log notes --after 3 --limit 9"), ["d"]);
    assert!(texts("log notes --after 4").is_empty() && texts("log notes --after 400").is_empty());
    assert!(texts("log notes --limit 0").is_empty());
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_command_quietly() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    // More than any pipe holds.
    let text = "x".repeat(1_000);
    push(&serving, &token, 1, &[text.as_str(); 500]).await;
    quietly(&home);
    serving.stop();
    quietly(&home);
}

/// Reads one line of the log and goes away.
fn quietly(home: &Home) {
    let mut log = home.command(["log", "notes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(log.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"position\":1,"), "{line}");
    let mut said = String::new();
    log.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((log.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}
