//! What a person would expect.

use super::*;

fn set(json: &str) -> Event {
    Op::set(&attribute(), value(json))
}

fn delete() -> Event {
    Op::delete(&attribute())
}

#[test]
fn an_attribute_that_nobody_touched_reads_nothing() {
    let row = AttributeRow::default();
    assert_eq!((row.value(), row.stamp(), row.counter(), row.elements()), (None, None, 0, vec![]));
    assert_eq!(AttributeRow::decode(&row.encode()).unwrap(), row);
}

#[test]
fn what_was_deleted_does_not_come_back_with_a_late_older_set() {
    let events = [(at(1, 0, 0), set("1")), (at(5, 1, 0), delete()), (at(3, 2, 0), set("\"late\""))];
    assert_eq!(reads(&events), None);
    assert_eq!(row(&events).stamp(), Some(at(5, 1, 0)));
}

#[test]
fn null_is_a_value_and_not_a_delete() {
    assert_eq!(reads(&[(at(1, 0, 0), set("null"))]).as_deref(), Some("null"));
}

#[test]
fn equal_times_are_decided_by_the_origin_and_then_by_the_index() {
    let tie = [(at(7, 0, 0), set("0")), (at(7, 2, 0), set("2")), (at(7, 1, 0), set("1"))];
    assert_eq!(reads(&tie).as_deref(), Some("2"));
    let bundle = [(at(7, 0, 0), set("\"first\"")), (at(7, 0, 1), set("\"second\""))];
    assert_eq!(reads(&bundle).as_deref(), Some("\"second\""));
    let repeated = [bundle.clone(), bundle].concat();
    assert_eq!(reads(&repeated).as_deref(), Some("\"second\""));
}

#[test]
fn a_delete_wins_over_an_add_that_had_not_seen_it() {
    let base = vec![(at(1, 0, 0), set("10"))];
    let add = row(&base).add(&attribute(), 5);
    let events = [base, vec![(at(2, 1, 0), delete()), (at(9, 0, 0), add)]].concat();
    assert_eq!(reads(&events), None);
}

#[test]
fn adds_from_everywhere_count_once_each() {
    let base = vec![(at(1, 0, 0), set("10"))];
    let (up, down) = (row(&base).add(&attribute(), 5), row(&base).add(&attribute(), -7));
    let adds = vec![(at(2, 1, 0), up), (at(2, 2, 0), down)];
    let events = [base, adds.clone(), adds].concat();
    assert_eq!((reads(&events).as_deref(), row(&events).counter()), (Some("8"), 8));
}

#[test]
fn a_counter_starts_at_zero_on_what_is_no_integer() {
    for json in ["\"x\"", "2.5", "18446744073709551615", "[3]", "null"] {
        let base = vec![(at(1, 0, 0), set(json))];
        let add = row(&base).add(&attribute(), 4);
        assert_eq!(reads(&[base, vec![(at(2, 0, 0), add)]].concat()).as_deref(), Some("4"), "{json}");
    }
}

#[test]
fn an_add_waits_for_the_set_that_its_writer_had_seen() {
    let base = vec![(at(1, 0, 0), set("1")), (at(3, 0, 0), set("100"))];
    let add = (at(4, 1, 0), row(&base).add(&attribute(), 5));
    let early = [vec![add], base[..1].to_vec()].concat();
    assert_eq!(reads(&early).as_deref(), Some("1"));
    let bytes = fold(Some(&fold(None, &early)), &base[1..]);
    assert_eq!(AttributeRow::decode(&bytes).unwrap().value().as_deref(), Some("105"));
}

#[test]
fn an_insert_wins_over_a_remove_that_had_not_seen_it() {
    let base = vec![(at(1, 0, 0), AttributeRow::default().insert(&attribute(), value("\"a\"")))];
    let (again, remove) =
        (row(&base).insert(&attribute(), value("\"a\"")), row(&base).remove(&attribute(), value("\"a\"")));
    let events = [base.clone(), vec![(at(2, 1, 0), again), (at(3, 2, 0), remove.clone())]].concat();
    assert_eq!(reads(&events).as_deref(), Some("[\"a\"]"));
    assert_eq!(reads(&[base, vec![(at(3, 2, 0), remove)]].concat()).as_deref(), Some("[]"));
}

#[test]
fn a_set_holds_the_elements_of_the_array_that_was_set() {
    let mut events = vec![(at(1, 0, 0), set("[ \"b\" , \"a\", \"b\" ]"))];
    assert_eq!(row(&events).elements(), ["\"a\"", "\"b\""]);
    events.push((at(2, 1, 0), row(&events).insert(&attribute(), value("{\"c\":1}"))));
    assert_eq!(reads(&events).as_deref(), Some("[\"a\",\"b\",{\"c\":1}]"));
    events.push((at(3, 2, 0), row(&events).remove(&attribute(), value("\"b\""))));
    assert_eq!(reads(&events).as_deref(), Some("[\"a\",{\"c\":1}]"));
}

#[test]
fn the_first_remove_may_take_from_the_array_that_was_set() {
    let base = vec![(at(1, 0, 0), set("[\"a\",\"b\"]"))];
    let remove = row(&base).remove(&attribute(), value("\"a\""));
    assert_eq!(reads(&[base, vec![(at(2, 1, 0), remove)]].concat()).as_deref(), Some("[\"b\"]"));
}

#[test]
fn the_latest_operation_decides_whether_a_counter_or_a_set_is_read() {
    let mut events = vec![(at(1, 0, 0), AttributeRow::default().add(&attribute(), 3))];
    events.push((at(2, 1, 0), row(&events).insert(&attribute(), true)));
    assert_eq!(reads(&events).as_deref(), Some("[true]"));
    events.push((at(3, 0, 0), row(&events).add(&attribute(), 1)));
    assert_eq!(reads(&events).as_deref(), Some("4"));
    assert_eq!(row(&events).elements(), ["true"]);
}

#[test]
fn within_one_bundle_each_operation_builds_on_those_before_it() {
    let stale = AttributeRow::default();
    let events = [
        (at(1, 0, 0), set("[\"a\"]")),
        (at(1, 0, 1), stale.insert(&attribute(), value("\"b\""))),
        (at(1, 0, 2), stale.remove(&attribute(), value("\"a\""))),
        (at(1, 0, 3), stale.insert(&attribute(), value("\"c\""))),
        (at(1, 0, 4), stale.remove(&attribute(), value("\"b\""))),
    ];
    assert_eq!(reads(&events).as_deref(), Some("[\"c\"]"));
    let counted = [events[0].clone(), (at(1, 0, 1), set("5")), (at(1, 0, 2), stale.add(&attribute(), 2))];
    assert_eq!(reads(&[counted.clone(), counted].concat()).as_deref(), Some("7"));
}

#[test]
fn the_rows_of_an_entity_are_those_of_its_attributes_and_no_others() {
    use std::ops::RangeBounds;
    let range = Attributes::entity_range("todo/7");
    let holds =
        |entity, name| (range.start.clone(), range.end.clone()).contains(&Attribute::new(entity, name).unwrap().key());
    assert!(holds("todo/7", "a") && holds("todo/7", "\u{10ffff}"));
    assert!(!holds("todo/70", "a") && !holds("todo/", "7") && !holds("todo/6", "a"));
}
