//! Typed events in replicas: decoded once, upcast, put aside, moved and written again.

use std::cell::Cell;
use std::sync::Arc;

use crate::world::*;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use syncline::authority::AllowAll;
use syncline::crdt::{AddWinsSet, Context};
use syncline::projection::{Keys, Moved};
use syncline::replica::ReplicaError;
use syncline::store::{EventStore, RowRange};
use syncline::typed::Meta;
use syncline::{Event, EventType, Replica, Service, TypedEvent, TypedProjection, Unreadable, ViewId};

thread_local! {
    /// How many payloads were decoded.
    static DECODED: Cell<u32> = const { Cell::new(0) };
}

fn counted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    DECODED.set(DECODED.get() + 1);
    String::deserialize(deserializer)
}

/// Tags of a document, and a word of somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Doc {
    #[serde(rename = "doc.tagged@2")]
    Tagged {
        #[serde(deserialize_with = "counted")]
        tag: String,
    },
    #[serde(rename = "doc.untagged@2")]
    Untagged { tag: String, seen: Context },
    #[serde(rename = "doc.rated@1")]
    Rated(f64),
}

impl TypedEvent for Doc {
    fn upcast(name: &str, version: u16, payload: Value) -> Result<Value, Unreadable> {
        match (name, version) {
            ("doc.tagged", 1) if payload == "the upcaster panics" => panic!("no such tag"),
            ("doc.tagged", 1) => Ok(json!({ "tag": payload })),
            ("doc.untagged", 1) => Ok(json!({ "tag": payload[0], "seen": payload[1] })),
            _ => Err(Unreadable::no_upcaster()),
        }
    }
}

fn tagged(tag: &str) -> Doc {
    Doc::Tagged { tag: tag.to_owned() }
}

/// The tags, in one row or another.
#[derive(Clone, Copy)]
struct Tags(&'static str);

impl TypedProjection for Tags {
    type Event = Doc;
    type State = AddWinsSet<String>;

    fn view(&self) -> ViewId {
        ViewId::new(self.0).unwrap()
    }

    fn keys(&self, _: &Doc, keys: &mut Keys) {
        [&b"a row"[..], b"another"].into_iter().for_each(|key| keys.push(key));
    }

    fn apply(&self, _: &[u8], row: &mut Self::State, event: &Doc, meta: Meta) -> Result<(), Unreadable> {
        match event {
            Doc::Tagged { tag } => row.insert(meta.stamp, tag.clone()),
            Doc::Untagged { tag, seen } => row.remove(meta.stamp, tag, seen),
            Doc::Rated(_) => {}
        }
        Ok(())
    }

    fn moved(&self, event: &Doc, stamps: &Moved) -> Option<Doc> {
        let Doc::Untagged { tag, seen } = event else { return None };
        Some(Doc::Untagged { tag: tag.clone(), seen: seen.moved(stamps) })
    }
}

const ONE: Tags = Tags("tags@1");
const OTHER: Tags = Tags("other-tags@1");

fn device(store: Arc<dyn EventStore>, byte: u8, clock: &Hand) -> Replica {
    block_on(compose(store, clock).projection(ONE).projection(OTHER).open(id(byte))).unwrap()
}

/// The tags in the first row.
fn tags(replica: &Replica, projection: Tags) -> Vec<String> {
    let rows = block_on(replica.view(projection).unwrap().all(RowRange::all())).unwrap();
    rows.first().map(|(_, row)| row.iter().cloned().collect()).unwrap_or_default()
}

#[test]
fn a_payload_is_decoded_once_for_all_views_and_rows() {
    let clock = Hand::at(1_000);
    let (service, one, other) = (service(&clock), device(memory(), 1, &clock), device(memory(), 2, &clock));
    block_on(one.write(&[tagged("red"), tagged("blue")])).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    DECODED.set(0);
    block_on(other.sync(&way(&service))).unwrap();
    assert_eq!(DECODED.get(), 2, "two events, two views, two rows in each");
    assert_eq!((tags(&other, ONE), tags(&other, OTHER)), (tags(&one, ONE), vec!["blue".into(), "red".into()]));
}

#[test]
fn a_batch_too_large_to_be_kept_decoded_is_folded_all_the_same() {
    let clock = Hand::at(1_000);
    let (service, one, other) = (service(&clock), device(memory(), 1, &clock), device(memory(), 2, &clock));
    // Five mebibytes in all, of the four that are kept. The tags differ in their first letter.
    let large = |letter: u8| tagged(&char::from(letter).to_string().repeat(200 * 1024));
    for letter in b'a'..=b'z' {
        block_on(one.write(&[large(letter), tagged("small")])).unwrap();
    }
    block_on(one.sync(&way(&service))).unwrap();
    DECODED.set(0);
    block_on(other.sync(&way(&service))).unwrap();
    assert!(DECODED.get() > 2 * 26, "some of it was decoded more than once");
    let tags = tags(&other, ONE);
    assert_eq!(tags.len(), 27);
    assert!(tags.iter().zip(b'a'..=b'r').all(|(tag, letter)| tag.starts_with(char::from(letter))));
}

#[test]
fn older_versions_are_upcast_and_what_cannot_be_read_is_put_aside() {
    let clock = Hand::at(1_000);
    let one = device(memory(), 1, &clock);
    let write = |name: &'static str, version, payload: &'static str| {
        block_on(one.write(&[Event::new(EventType::new(name, version), payload)]))
    };
    write("doc.tagged", 1, r#""old""#).unwrap();
    write("doc.tagged", 2, r#"{"tag":"new"}"#).unwrap();
    write("doc.forgotten", 9, "of no interest").unwrap();
    assert_eq!(block_on(one.status()).unwrap().unreadable, 0);
    write("doc.tagged", 3, "of a newer program").unwrap();
    write("doc.tagged", 2, "{}").unwrap();
    assert_eq!(block_on(one.status()).unwrap().unreadable, 4, "two events, in two views");
    assert_eq!(tags(&one, ONE), ["new", "old"]);
}

#[test]
fn a_panic_of_an_upcaster_stops_nobody() {
    let clock = Hand::at(1_000);
    let (service, one, other) = (service(&clock), replica(1, &clock), device(memory(), 2, &clock));
    let panics = Event::new(EventType::new("doc.tagged", 1), r#""the upcaster panics""#);
    block_on(one.write(&[panics])).unwrap();
    block_on(one.write(&[tagged("red")])).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    block_on(other.sync(&way(&service))).unwrap();
    assert_eq!(tags(&other, ONE), ["red"]);
    assert_eq!(block_on(other.status()).unwrap().unreadable, 2);
}

#[test]
fn an_event_that_would_not_read_back_is_refused_to_its_writer() {
    let one = device(memory(), 1, &Hand::at(1_000));
    let refused = block_on(one.write(&[tagged("red"), Doc::Rated(f64::NAN)]));
    assert!(matches!(refused, Err(ReplicaError::Unwritable(_))), "{refused:?}");
    assert!(tags(&one, ONE).is_empty(), "all of a bundle or nothing");
    block_on(one.write(&[Doc::Rated(0.1)])).unwrap();
}

#[test]
fn stamps_in_typed_events_move_along_whatever_version_they_were_written_in() {
    for version in [1, 2] {
        let (now, ahead) = (Hand::at(1_000), Hand::at(1_000_000));
        let (service, one, other) = (service(&now), device(memory(), 1, &ahead), device(memory(), 2, &now));
        block_on(one.write(&[tagged("red"), tagged("blue")])).unwrap();
        let row = block_on(one.view(ONE).unwrap().get(b"a row")).unwrap().unwrap();
        let seen = row.context(&"red".to_owned());
        let removal = match version {
            1 => Event::new(EventType::new("doc.untagged", 1), json!(["red", seen]).to_string()),
            _ => Doc::Untagged { tag: "red".to_owned(), seen }.to_event().unwrap(),
        };
        block_on(one.write(&[removal])).unwrap();
        let report = block_on(one.sync(&way(&service))).unwrap();
        assert_eq!((report.pushed, report.restamped), (2, 2));
        block_on(other.sync(&way(&service))).unwrap();
        for replica in [&one, &other] {
            assert_eq!((tags(replica, ONE), tags(replica, OTHER)), (vec!["blue".to_owned()], vec!["blue".to_owned()]));
            assert_eq!(block_on(replica.status()).unwrap().unreadable, 0);
        }
    }
}

#[test]
fn a_refused_event_is_read_and_written_in_another_form() {
    let clock = Hand::at(1_000);
    let one = device(memory(), 1, &clock);
    let service = Service::new(storage(), Arc::new(AllowAll), Arc::new(clock.reader()));
    let service = Arc::new(service.with_policy(Arc::new(Forbids("rude"))));
    block_on(one.write(&[tagged("rude")])).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    let letter = block_on(one.dead_letters()).unwrap().remove(0);
    assert_eq!(letter.events[0].read(), Ok(Some(tagged("rude"))));
    block_on(one.rewrite_dead_letter(letter.dot, &[tagged("polite")])).unwrap();
    assert_eq!(block_on(one.sync(&way(&service))).unwrap().pushed, 1);
    assert_eq!(tags(&one, ONE), ["polite"]);
}
