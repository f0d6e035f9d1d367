//! Lines of the log.
//!
//! Written by hand, so that a payload's JSON stays as its writer wrote it: a parser would round its numbers.

use std::fmt::Write;

use data_encoding::BASE64;
use serde::de::IgnoredAny;
use syncline::attributes::{ATTRIBUTE, Attribute, Op};
use syncline::format::run::Bundle;
use syncline::format::wire::DecodeError;
use syncline::{EventRef, Position};

use crate::time;

/// The line of a refused bundle.
pub(super) fn void(position: Position, bundle: &Bundle<'_>) -> String {
    head(position, bundle) + ",\"void\":true}"
}

/// The line of an event, or of the damage that stands in its place.
pub(super) fn event(position: Position, bundle: &Bundle<'_>, event: Result<EventRef<'_>, DecodeError>) -> String {
    let mut line = head(position, bundle);
    let done = match event {
        Ok(event) => {
            let (index, event_type) = (event.stamp.index, event.event_type());
            write!(line, ",\"index\":{index},\"kind\":\"{event_type}\",{}}}", payload(&event))
        }
        Err(error) => write!(line, ",\"damage\":{}}}", text(&error.to_string())),
    };
    done.expect("a string takes whatever is written");
    line
}

fn head(position: Position, bundle: &Bundle<'_>) -> String {
    let (dot, time) = (bundle.dot, time::iso(bundle.time));
    format!("{{\"position\":{position},\"origin\":\"{}\",\"seq\":{},\"time\":\"{time}\"", dot.origin, dot.seq)
}

/// The payload: an attribute operation by name, JSON as it is, everything else in base 64.
fn payload(event: &EventRef<'_>) -> String {
    if event.is(&ATTRIBUTE)
        && let Ok((attribute, op)) = Op::decode(event.payload)
    {
        return format!("\"payload\":{}", operation(&attribute, &op));
    }
    match std::str::from_utf8(event.payload) {
        Ok(json) if serde_json::from_str::<IgnoredAny>(json).is_ok() => format!("\"payload\":{}", on_one_line(json)),
        _ => format!("\"base64\":\"{}\"", BASE64.encode(event.payload)),
    }
}

fn operation(attribute: &Attribute, op: &Op) -> String {
    let (entity, name) = (text(attribute.entity()), text(attribute.attribute()));
    let what = match op {
        Op::Set(value) => format!("\"set\":{}", on_one_line(value.as_json())),
        Op::Delete => "\"delete\":true".to_owned(),
        Op::Add { delta, .. } => format!("\"add\":{delta}"),
        Op::Insert { element, .. } => format!("\"insert\":{}", on_one_line(element.as_json())),
        Op::Remove { element, .. } => format!("\"remove\":{}", on_one_line(element.as_json())),
    };
    format!("{{\"entity\":{entity},\"attribute\":{name},{what}}}")
}

/// Line breaks stand between JSON's tokens only, never in its strings.
fn on_one_line(json: &str) -> String {
    json.trim().replace(['\n', '\r'], " ")
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
