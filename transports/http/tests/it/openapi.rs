//! The published description of the routes: it says what the server does, no more and no less.

use std::fs;
use std::path::Path;

use http::Method;
use serde_json::Value;

use crate::asking::{http, send};
use crate::people::ANN;
use crate::site::Site;

fn description() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

/// The operations: method, path, and what is said of them.
fn operations(description: &Value) -> Vec<(Method, String, Value)> {
    let mut operations = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (name, operation) in methods.as_object().unwrap() {
            if let Some(method) = ["get", "post"].iter().find(|method| *method == name) {
                operations.push((method.to_uppercase().parse().unwrap(), path.clone(), operation.clone()));
            }
        }
    }
    operations
}

/// Whether a value is as a schema says. Knows the words that the description uses.
fn fits(schema: &Value, value: &Value, all: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        return fits(&all[name], value, all);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().filter(|choice| fits(choice, value, all)).count() == 1;
    }
    match schema["type"].as_str().unwrap() {
        "null" => value.is_null(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "string" => value.as_str().is_some_and(|text| {
            let hex = |length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let pattern = schema["pattern"].as_str().unwrap_or_default();
            let length = pattern.strip_prefix("^[0-9a-f]{").and_then(|rest| rest.strip_suffix("}$"));
            length.is_none_or(|length| hex(length.parse().unwrap()))
                && schema["enum"].as_array().is_none_or(|texts| texts.contains(value))
        }),
        "array" => {
            let fit = |item: &Value| schema.get("items").is_none_or(|items| fits(items, item, all));
            value.as_array().is_some_and(|items| items.iter().all(fit))
        }
        "object" => value.as_object().is_some_and(|fields| {
            let required = schema["required"].as_array().into_iter().flatten();
            let known = |(name, field): (&String, &Value)| match schema["properties"].get(name) {
                Some(property) => fits(property, field, all),
                None => schema["additionalProperties"].is_object() && fits(&schema["additionalProperties"], field, all),
            };
            required.map(|name| name.as_str().unwrap()).all(|name| fields.contains_key(name))
                && fields.iter().all(known)
        }),
        other => panic!("{other} is no type of the description"),
    }
}

/// The path in this space, with something well formed for its other parameters.
fn at(path: &str, space: &str) -> String {
    let hash = "0".repeat(64);
    path.replace("{space}", space).replace("{id}", &hash).replace("{hash}", &hash).replace("{index}", "0")
}

#[tokio::test]
async fn every_route_described_is_there_and_asks_for_a_token_where_it_says_so() {
    let site = Site::start().await;
    for (method, path, operation) in operations(&description()) {
        let url = site.url(&at(&path, "notes"));
        let status = send(http().request(method, url)).await.status;
        let expected = if operation.get("security").is_some() { 200 } else { 401 };
        assert_eq!(status, expected, "{path}");
        assert!(operation["responses"].get(status.as_str()).is_some(), "{path} says nothing of {status}");
    }
}

#[tokio::test]
async fn answers_are_of_the_statuses_described() {
    let site = Site::start().await;
    for (method, path, operation) in operations(&description()) {
        for (accept, content) in [("*/*", "application/json"), ("image/png", "application/json"), ("*/*", "text/plain")]
        {
            for space in ["notes", "nowhere", "No"] {
                let request = http().request(method.clone(), site.url(&at(&path, space))).bearer_auth(ANN);
                let status = send(request.header("accept", accept).header("content-type", content)).await.status;
                assert!(operation["responses"].get(status.as_str()).is_some(), "{path} says nothing of {status}");
            }
        }
    }
}

#[test]
fn every_message_on_file_fits_its_schema() {
    let description = description();
    let all = &description["components"]["schemas"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut checked = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".json") {
            continue;
        }
        let schema = match name.split(['-', '.']).next().unwrap() {
            "compare" => "Compare",
            "pull" => "Pull",
            "push" => "Push",
            "answer" => "Answer",
            "notice" => "Notice",
            "problem" => "Problem",
            "piece" => "Piece",
            other => panic!("nothing describes {other}"),
        };
        let message: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert!(fits(&all[schema], &message, all), "{name} does not fit {schema}");
        let mut wrong = message.clone();
        match wrong.as_object_mut() {
            Some(fields) => drop(fields.insert("unknown".to_owned(), Value::Null)),
            None => wrong = Value::Null,
        }
        assert!(!fits(&all[schema], &wrong, all), "{schema} takes anything");
        checked += 1;
    }
    let kinds = all["Problem"]["properties"]["code"]["enum"].as_array().unwrap().len();
    assert_eq!(checked, 17 + kinds, "one file for each message, and one for each kind of problem");
}
