use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::crdt::Context;
use crate::format::event::EventType;
use crate::format::time::NTP64;
use crate::id::ReplicaId;

/// All forms of a variant. `expense.added` is in its third version: `euros` became `cents`, then a currency came along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Expense {
    #[serde(rename = "expense.added@3")]
    Added {
        id: u64,
        cents: i64,
        currency: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    #[serde(rename = "expense.shared@1")]
    Shared(u64, BTreeMap<String, f64>),
    #[serde(rename = "expense.tagged@2", alias = "expense.tagged@1")]
    Tagged(Vec<String>),
    #[serde(rename = "expense.untagged@1")]
    Untagged { tag: String, seen: Context },
    #[serde(rename = "expense.all-cleared@1")]
    AllCleared,
}

impl TypedEvent for Expense {
    fn upcast(name: &str, version: u16, mut payload: Value) -> Result<Value, Unreadable> {
        #[derive(Deserialize)]
        struct Added1 {
            id: u64,
            euros: i64,
        }
        match (name, version) {
            ("expense.added", 1) => {
                let Added1 { id, euros } = serde_json::from_value(payload)?;
                Ok(json!({ "id": id, "cents": euros * 100 }))
            }
            ("expense.added", 2) => {
                let object = payload.as_object_mut().ok_or_else(|| Unreadable::new("it is no object"))?;
                object.insert("currency".to_owned(), "EUR".into());
                Ok(payload)
            }
            _ => Err(Unreadable::no_upcaster()),
        }
    }
}

fn added(cents: i64, note: Option<&str>) -> Expense {
    Expense::Added { id: 7, cents, currency: "EUR".to_owned(), note: note.map(str::to_owned) }
}

/// The event of this type and payload, read.
fn read(event_type: &str, payload: &str) -> Result<Option<Expense>, String> {
    let event = Event::new(event_type.parse().unwrap(), payload.to_owned());
    event.read().map_err(|unreadable| unreadable.reason)
}

fn expense() -> impl Strategy<Value = Expense> {
    let added = (any::<(u64, i64)>(), any::<String>(), any::<Option<String>>());
    let shares = prop::collection::btree_map(any::<String>(), prop::num::f64::NORMAL | prop::num::f64::ZERO, 0..4);
    prop_oneof![
        added.prop_map(|((id, cents), currency, note)| Expense::Added { id, cents, currency, note }),
        (any::<u64>(), shares).prop_map(|(id, shares)| Expense::Shared(id, shares)),
        any::<Vec<String>>().prop_map(Expense::Tagged),
        Just(Expense::AllCleared),
    ]
}

proptest! {
    #[test]
    fn an_event_reads_back_as_it_was_written(expense in expense()) {
        prop_assert_eq!(expense.to_event().unwrap().read(), Ok(Some(expense)));
    }

    #[test]
    fn any_payload_is_read_or_put_aside_without_a_panic(version in 0..5u16, payload in any::<Vec<u8>>()) {
        let names = ["expense.added", "expense.shared", "expense.tagged", "expense.all-cleared"];
        for name in names {
            let event_type: EventType = format!("{name}@{version}").parse().unwrap();
            let _ = Event::new(event_type, payload.clone()).read::<Expense>();
        }
    }
}

#[test]
fn the_bytes_of_every_form_of_variant_stay_as_they_are() {
    let shares = [("ann".to_owned(), 0.1), ("bob".to_owned(), 2.0)].into();
    let seen = [Stamp { time: NTP64(9), origin: ReplicaId::from_bytes([7; 16]).unwrap(), index: 2 }];
    let untagged = Expense::Untagged { tag: "food".to_owned(), seen: seen.into_iter().collect() };
    let golden = [
        (added(-250, None), "expense.added@3", r#"{"id":7,"cents":-250,"currency":"EUR"}"#),
        (added(1, Some("é\"\n")), "expense.added@3", r#"{"id":7,"cents":1,"currency":"EUR","note":"é\"\n"}"#),
        (Expense::Shared(7, shares), "expense.shared@1", r#"[7,{"ann":0.1,"bob":2.0}]"#),
        (Expense::Tagged(vec!["food".to_owned()]), "expense.tagged@2", r#"["food"]"#),
        (untagged, "expense.untagged@1", r#"{"tag":"food","seen":[[9,"07070707070707070707070707070707",2]]}"#),
        (Expense::AllCleared, "expense.all-cleared@1", "{}"),
    ];
    for (expense, event_type, payload) in golden {
        assert_eq!(expense.to_event().unwrap(), Event::new(event_type.parse().unwrap(), payload));
        assert_eq!(read(event_type, payload), Ok(Some(expense)));
    }
}

#[test]
fn three_versions_read_as_the_latest() {
    let latest = added(300, None);
    assert_eq!(read("expense.added@1", r#"{"id":7,"euros":3}"#), Ok(Some(latest.clone())));
    assert_eq!(read("expense.added@2", r#"{"id":7,"cents":300}"#), Ok(Some(latest.clone())));
    assert_eq!(read("expense.added@3", r#"{"id":7,"cents":300,"currency":"EUR"}"#), Ok(Some(latest)));
    let tagged = Expense::Tagged(vec!["food".to_owned()]);
    assert_eq!(read("expense.tagged@1", r#"["food"]"#), Ok(Some(tagged)), "an alias needs no upcaster");
}

#[test]
fn an_enum_tells_its_event_types() {
    let types: Vec<_> = Expense::types().iter().map(EventType::to_string).collect();
    let known = ["added@3", "shared@1", "tagged@1", "tagged@2", "untagged@1", "all-cleared@1"];
    assert_eq!(types, known.map(|event_type| format!("expense.{event_type}")));
}

#[test]
fn fields_that_came_later_may_be_missing_and_unknown_ones_are_skipped() {
    let payload = r#"{"id":7,"cents":1,"currency":"EUR","from_the_future":[{}]}"#;
    assert_eq!(read("expense.added@3", payload), Ok(Some(added(1, None))));
    assert_eq!(read("expense.all-cleared@1", r#"{"from_the_future":1}"#), Ok(Some(Expense::AllCleared)));
}

#[test]
fn a_type_of_somebody_else_is_not_read_even_if_its_name_begins_alike() {
    for event_type in ["expense@1", "expense.added2@1", "expense.add@3", "todo.added@1", "expense.added@3.x@1"] {
        let event_type = event_type.parse::<EventType>();
        assert!(event_type.is_err() || Event::new(event_type.unwrap(), "{}").read::<Expense>() == Ok(None));
    }
}

#[test]
fn what_does_not_read_says_its_type_its_version_and_the_cause() {
    let says = |event_type: &str, payload: &str| read(event_type, payload).unwrap_err();
    assert_eq!(
        says("expense.added@3", r#"{"id":7}"#),
        "expense.added@3 does not read: missing field `cents` at line 1 column 8"
    );
    assert_eq!(
        says("expense.tagged@2", ""),
        "expense.tagged@2 does not read: EOF while parsing a value at line 1 column 0"
    );
    assert_eq!(
        says("expense.all-cleared@1", "{} {}"),
        "expense.all-cleared@1 does not read: trailing characters at line 1 column 4"
    );
    assert_eq!(
        says("expense.added@1", r#"{"id":7}"#),
        "expense.added@1 does not read: upcasting it from version 1: missing field `euros`"
    );
    assert_eq!(
        says("expense.added@2", "17"),
        "expense.added@2 does not read: upcasting it from version 2: it is no object"
    );
    assert_eq!(
        says("expense.shared@0", "[]"),
        "expense.shared@0 does not read: upcasting it from version 0: there is no upcaster from this version"
    );
    assert_eq!(
        says("expense.added@4", "{}"),
        "expense.added@4 is newer than version 3, which is the newest that this program reads: upgrade it"
    );
}

#[test]
fn what_would_not_read_back_is_not_written() {
    let says = |event: Result<Event, Unwritable>| event.unwrap_err().to_string();

    let not_finite = Expense::Shared(7, [("ann".to_owned(), f64::NAN)].into());
    assert!(says(not_finite.to_event()).contains("expense.shared@1 does not read: invalid type: null, expected f64"));

    #[derive(Serialize, Deserialize)]
    enum Unnamed {
        Added { id: u64 },
    }
    impl TypedEvent for Unnamed {}
    assert!(says(Unnamed::Added { id: 7 }.to_event()).contains(r#"#[serde(rename = "expense.added@1")]"#));

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        #[serde(rename = "expense.added@1")]
        Added { id: u64 },
    }
    impl TypedEvent for Tagged {}
    assert!(Tagged::Added { id: 7 }.to_event().is_err());

    #[derive(Serialize, Deserialize)]
    struct NoEnum {
        #[serde(rename = "expense.added@1")]
        added: u64,
    }
    impl TypedEvent for NoEnum {}
    assert!(says(NoEnum { added: 7 }.to_event()).contains("not a plain serde enum"));

    #[derive(Serialize, Deserialize)]
    enum KeyedByLists {
        #[serde(rename = "expense.added@1")]
        Added(BTreeMap<Vec<u8>, u8>),
    }
    impl TypedEvent for KeyedByLists {}
    assert!(says(KeyedByLists::Added([(vec![1], 2)].into()).to_event()).contains("key must be a string"));
}

#[test]
fn a_memo_keeps_one_form_for_each_enum() {
    let memo = Memo::default();
    assert!(memo.get::<u8>().is_none() && memo.get::<char>().is_none());
    memo.keep(Arc::new(7_u8));
    memo.keep(Arc::new('x'));
    memo.keep(Arc::new(7_u32));
    assert_eq!(
        (memo.get(), memo.get(), memo.get()),
        (Some(Arc::new(7_u8)), Some(Arc::new('x')), Some(Arc::new(7_u32)))
    );
    assert!(memo.get::<i64>().is_none());
}
