//! Attributes through replicas.

use crate::world::*;
use syncline::Replica;
use syncline::attributes::{Attribute, Attributes, VALUE_BYTES_MAX};
use syncline::replica::ReplicaError;

fn device(byte: u8, clock: &Hand) -> Replica {
    let stack = Replica::compose(space(), memory()).clock(clock.reader()).projection(Attributes);
    block_on(stack.open(id(byte))).unwrap()
}

fn value(replica: &Replica, attribute: &Attribute) -> Option<String> {
    let row = block_on(replica.attributes().unwrap().read(attribute)).unwrap();
    row.value().map(|value| value.into_owned())
}

#[test]
fn concurrent_adds_count_and_concurrent_inserts_stay() {
    let clock = Hand::at(100);
    let (service, one, other) = (service(&clock), device(1, &clock), device(2, &clock));
    let stock = Attribute::new("article/7", "stock").unwrap();
    let tags = Attribute::new("article/7", "tags").unwrap();
    block_on(one.attributes().unwrap().set(&stock, 10)).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    block_on(other.sync(&way(&service))).unwrap();
    for (replica, delta, tag) in [(&one, -3, "red"), (&other, 20, "blue")] {
        let attributes = replica.attributes().unwrap();
        block_on(attributes.add(&stock, delta)).unwrap();
        block_on(attributes.insert(&tags, tag)).unwrap();
    }
    for replica in [&one, &other, &one] {
        block_on(replica.sync(&way(&service))).unwrap();
    }
    for replica in [&one, &other] {
        assert_eq!(value(replica, &stock).as_deref(), Some("27"));
        assert_eq!(value(replica, &tags).as_deref(), Some(r#"["blue","red"]"#));
    }
}

#[test]
fn a_text_is_written_and_read_as_it_is() {
    let one = device(1, &Hand::at(100));
    let title = Attribute::new("note/1", "title").unwrap();
    block_on(one.attributes().unwrap().set(&title, "say \"hi\"")).unwrap();
    let row = block_on(one.attributes().unwrap().read(&title)).unwrap();
    assert_eq!(row.text().as_deref(), Some("say \"hi\""));
    block_on(one.attributes().unwrap().set(&title, 7)).unwrap();
    assert_eq!(block_on(one.attributes().unwrap().read(&title)).unwrap().text(), None);
}

#[test]
fn a_text_that_is_too_large_is_refused_to_its_writer() {
    let one = device(1, &Hand::at(100));
    let title = Attribute::new("note/1", "title").unwrap();
    let attributes = one.attributes().unwrap();
    let text = "x".repeat(VALUE_BYTES_MAX - 2);
    block_on(attributes.set(&title, text.as_str())).unwrap();
    let long = format!("{text}x");
    let refused = [block_on(attributes.set(&title, long.as_str())), block_on(attributes.insert(&title, long))];
    assert!(refused.iter().all(|refused| matches!(refused, Err(ReplicaError::Invalid(_)))), "{refused:?}");
    assert_eq!(block_on(attributes.read(&title)).unwrap().text(), Some(text));
    let status = block_on(one.status()).unwrap();
    assert_eq!((status.pending, status.unreadable), (1, 0));
}

#[test]
fn what_is_deleted_is_not_listed_and_does_not_come_back_with_a_late_write() {
    let clock = Hand::at(100);
    let (service, one, other) = (service(&clock), device(1, &clock), device(2, &clock));
    let title = Attribute::new("note/1", "title").unwrap();
    block_on(other.attributes().unwrap().set(&title, 1)).unwrap();
    clock.set(200);
    block_on(one.attributes().unwrap().set(&title, 2)).unwrap();
    block_on(one.attributes().unwrap().delete(&title)).unwrap();
    for replica in [&one, &other, &one] {
        block_on(replica.sync(&way(&service))).unwrap();
    }
    for replica in [&one, &other] {
        assert_eq!(value(replica, &title), None);
        assert!(block_on(replica.attributes().unwrap().entity("note/1")).unwrap().is_empty());
    }
}
