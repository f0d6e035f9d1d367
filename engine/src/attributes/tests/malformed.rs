//! Bytes from a hostile or broken peer, and from a broken disk.

use super::*;
use crate::limits::JSON_DEPTH_MAX;

/// Folds one payload into a row that reads 1, and answers what became of both.
fn fold_raw(stamp: Stamp, payload: &[u8]) -> (AttributeRow, Result<(), Unreadable>) {
    let mut row = row(&[(at(1, 0, 0), Op::set(&attribute(), 1))]);
    let event = Event::new(ATTRIBUTE, payload.to_vec());
    let result = Attributes.apply(&attribute().key(), &mut row, &event_ref(stamp, &event));
    (row, result)
}

fn is_put_aside(payload: &[u8]) -> bool {
    let (row, result) = fold_raw(at(9, 0, 0), payload);
    result.is_err() && row.value().as_deref() == Some("1") && row.more.is_none()
}

/// A payload with this tag and the test's key, and `rest` behind.
fn payload(tag: u8, rest: &[u8]) -> Vec<u8> {
    let key = attribute().key();
    [&[tag, key.len() as u8], &key[..], rest].concat()
}

fn op() -> impl Strategy<Value = Op> {
    let base = prop_oneof![Just(None), (1u64..9, 0usize..3).prop_map(|(time, writer)| Some(at(time, writer, 0)))];
    let context = prop::collection::vec((1u64..9, 0usize..3, 0u16..3), 0..4);
    let context =
        context.prop_map(|stamps| stamps.into_iter().map(|(time, writer, index)| at(time, writer, index)).collect());
    let element = prop::sample::select(vec!["1", "\"a\"", "[{\"a\":[]}]"]).prop_map(value);
    prop_oneof![
        element.clone().prop_map(Op::Set),
        Just(Op::Delete),
        (base.clone(), any::<i64>()).prop_map(|(base, delta)| Op::Add { base, delta }),
        (base.clone(), element.clone()).prop_map(|(base, element)| Op::Insert { base, element }),
        (base, context, element).prop_map(|(base, context, element)| Op::Remove { base, context, element }),
    ]
}

proptest! {
    #[test]
    fn an_operation_reads_back_and_no_other_bytes_read_as_it(op in op()) {
        let event = op.event(&attribute());
        prop_assert_eq!(Op::decode(&event.payload).unwrap(), (attribute(), op));
    }

    #[test]
    fn a_cut_payload_is_put_aside_or_says_something_shorter(op in op(), cut in any::<prop::sample::Index>()) {
        let whole = op.event(&attribute()).payload;
        let cut = &whole[..cut.index(whole.len())];
        if let Ok((attribute, op)) = Op::decode(cut) {
            prop_assert_eq!(op.event(&attribute).payload, cut);
        }
    }

    #[test]
    fn any_payload_is_read_without_a_panic(tag in 0u8..7, rest in prop::collection::vec(any::<u8>(), 0..90)) {
        for payload in [payload(tag, &rest), rest] {
            let (row, result) = fold_raw(at(9, 0, 0), &payload);
            prop_assert!(result.is_ok() || (row.value().as_deref() == Some("1") && row.more.is_none()));
            if let Ok((attribute, op)) = Op::decode(&payload) {
                prop_assert_eq!(op.event(&attribute).payload, payload);
            }
        }
    }

    #[test]
    fn any_row_is_read_without_a_panic_and_only_in_its_one_form(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(row) = AttributeRow::decode(&bytes) {
            prop_assert_eq!(row.encode(), bytes);
        }
    }

    #[test]
    fn a_damaged_row_is_refused_or_is_another_row_in_its_one_form(
        ops in prop::collection::vec(op(), 1..6), place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let events: Vec<_> =
            ops.iter().enumerate().map(|(index, op)| (at(20 + index as u64, index % 3, 0), op.event(&attribute()))).collect();
        let mut bytes = fold(None, &events);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        bytes.truncate(if cut { place } else { bytes.len() });
        if let Ok(row) = AttributeRow::decode(&bytes) {
            prop_assert_eq!(row.encode(), bytes);
        }
    }
}

#[test]
fn payloads_that_break_a_rule_are_put_aside_and_leave_the_row_untouched() {
    let stamp = at(1, 0, 0).to_bytes();
    let later = at(2, 1, 0).to_bytes();
    let cases: [(&str, Vec<u8>); 18] = [
        ("empty", vec![]),
        ("no key", vec![1]),
        ("unknown operation 0", payload(0, b"1")),
        ("unknown operation 6", payload(6, b"1")),
        ("no value", payload(1, b"")),
        ("no JSON", payload(1, b"{")),
        ("space around the value", payload(1, b" 1")),
        ("no UTF-8", payload(1, b"\"\xff\"")),
        ("NUL in a string", payload(1, b"\"\0\"")),
        ("NUL behind the value", payload(1, b"1\0")),
        ("delete with a value", payload(2, b"1")),
        ("add without a delta", payload(3, b"\0")),
        ("add with more than a delta", payload(3, b"\0\x02\0")),
        ("delta in a long form", payload(3, b"\0\x82\0")),
        ("base of another form", payload(3, b"\x02\x02")),
        ("base without an origin", payload(3, &[&[1][..], &[0; 26], &[2]].concat())),
        ("origins out of order", payload(5, &[&[0, 2][..], &later, &stamp, b"1"].concat())),
        ("a count that lies", payload(5, &[&[0, 0xff, 0xff, 3][..], &stamp, b"1"].concat())),
    ];
    for (what, payload) in cases {
        assert!(is_put_aside(&payload), "{what}");
    }
}

#[test]
fn keys_that_break_a_rule_are_put_aside() {
    let long = format!("{}\0a", "e".repeat(513));
    for key in [&b""[..], b"\0", b"e", b"e\0", b"\0a", b"e\0a\0", b"\xff\0a", long.as_bytes()] {
        let mut payload = vec![2];
        crate::format::wire::put_varint(&mut payload, key.len() as u64);
        payload.extend_from_slice(key);
        assert!(is_put_aside(&payload), "{key:?}");
        let event = Event::new(ATTRIBUTE, payload);
        let mut keys = Keys::default();
        Projection::keys(&Attributes, &event_ref(at(1, 0, 0), &event), &mut keys);
        assert_eq!(keys.iter().count(), 0);
        assert!(keys.refused().is_some(), "the engine puts it aside by that");
    }
}

#[test]
fn deep_nesting_is_put_aside_without_a_deep_stack() {
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert!(!is_put_aside(&payload(1, nested(JSON_DEPTH_MAX).as_bytes())));
    for depth in [JSON_DEPTH_MAX + 1, 100_000] {
        assert!(is_put_aside(&payload(1, nested(depth).as_bytes())));
        assert!(is_put_aside(&payload(4, (String::from("\0") + &nested(depth)).as_bytes())));
    }
}

#[test]
fn an_event_that_claims_to_have_seen_the_future_is_put_aside() {
    let now = at(5, 1, 3);
    for seen in [now, at(5, 1, 4), at(5, 2, 0), at(6, 0, 0)] {
        let (base, context) = (Some(seen), [seen].into_iter().collect());
        let ops = [
            Op::Add { base, delta: 1 },
            Op::Insert { base, element: value("1") },
            Op::Remove { base: None, context, element: value("1") },
        ];
        for op in ops {
            assert!(fold_raw(now, &op.event(&attribute()).payload).1.is_err(), "{op:?}");
        }
    }
    assert!(fold_raw(now, &Op::Add { base: Some(at(5, 1, 2)), delta: 1 }.event(&attribute()).payload).1.is_ok());
}

#[test]
fn events_of_other_kinds_and_other_rows_are_refused() {
    let mut row = AttributeRow::default();
    let event = Op::set(&attribute(), 1);
    let elsewhere = Attribute::new("todo/8", "title").unwrap();
    assert!(Attributes.apply(&elsewhere.key(), &mut row, &event_ref(at(1, 0, 0), &event)).is_err());
    let newer = Event::new(EventType::new("attribute", 2), event.payload.clone());
    assert!(Attributes.apply(&attribute().key(), &mut row, &event_ref(at(1, 0, 0), &newer)).is_err());
    let mut keys = Keys::default();
    Projection::reads(&Attributes).keys(&Attributes, &event_ref(at(1, 0, 0), &newer), &mut keys);
    assert_eq!((keys.iter().count(), row), (0, AttributeRow::default()));
    assert!(keys.refused().is_some(), "a newer version is put aside, and not skipped");
}

#[test]
fn rows_in_any_but_their_one_form_are_refused() {
    let (a, b, c) = (at(1, 0, 0).to_bytes(), at(2, 1, 0).to_bytes(), at(3, 2, 0).to_bytes());
    let none = [0; 26];
    // No counting origin, nothing seen, no inserts, no removes.
    let empty = &[0, 0, 0, 0][..];
    let counted = |stamp: &[u8]| [&[1][..], stamp, &[7, 0, 0, 0, 0]].concat();
    let row = |stamp: &[u8; 26], value: &str, rest: &[&[u8]]| {
        let bytes = [&stamp[..], value.as_bytes(), &[0], &rest.concat()].concat();
        AttributeRow::decode(&bytes).map_err(|unreadable| unreadable.reason)
    };
    let refused = |result: Result<AttributeRow, String>, why: &str| {
        let reason = result.expect_err(why);
        assert!(reason.contains(why), "{reason}");
    };

    assert!(AttributeRow::decode(&none).is_ok());
    for bytes in [[&[1][..], &none[1..]].concat(), [&none[..], b"1"].concat(), none[1..].to_vec(), vec![]] {
        assert!(AttributeRow::decode(&bytes).is_err());
    }

    assert!(row(&b, "12", &[&[1], &a, b"\x015", &counted(&b), &[0]]).is_ok());
    refused(row(&a, "12", &[&[1], &a, b"\x015", &counted(&b), &[0]]), "does not follow");
    refused(row(&b, "13", &[&[1], &a, b"\x015", &counted(&b), &[0]]), "does not follow");
    refused(row(&b, "12", &[&[1], &a, b"\x015", &counted(&b), &[0, 0]]), "left over");
    refused(row(&a, "5", &[&[1], &a, b"\x015", empty, &[0]]), "plain register");
    refused(row(&none, "", &[&[0], b"\x015", empty, &[0]]), "never set");
    refused(row(&b, "14", &[&[0, 0, 2], &b, &[7, 0], &b, &[7, 0, 0, 0, 0, 0]]), "counting origins");

    assert!(row(&a, "5", &[&[1], &a, b"\x015", empty, &[1], &b, &counted(&c)]).is_ok());
    refused(row(&b, "5", &[&[1], &b, b"\x015", empty, &[1], &a, &counted(&c)]), "out of order");
    refused(row(&a, "5", &[&[1], &a, b"\x015", empty, &[1], &a, &counted(&c)]), "out of order");
    refused(row(&a, "5", &[&[1], &a, b"\x015", empty, &[1], &b, empty]), "no changes");

    // A set: nothing counted, seen b, inserts, removes, nothing early.
    let set = |value, inserts: &[u8]| row(&b, value, &[&[0, 0, 0, 1], &b, inserts, &[0, 0]]);
    let two = |first: &[u8], second: &[u8]| [&[2], first, &[1], &b, second, &[1], &b].concat();
    assert!(set("[1,2]", &two(b"\x011", b"\x012")).is_ok());
    refused(set("[1,2]", &two(b"\x012", b"\x011")), "elements are not in order");
    refused(set("[1]", &two(b"\x011", b"\x011")), "elements are not in order");
    refused(set("[1]", b"\x01\x011\0"), "no stamp");
    refused(set("[]", &[&[1, 0, 1][..], &b].concat()), "element is empty");
    refused(set("[1]", &[&b"\x01\x011\x02"[..], &b, &b].concat()), "order of their origins");
    refused(set("[1]", &[&b"\x01\x011\x01"[..], &none].concat()), "all zero");
    refused(set("[1]", b"\xff\xff\xff\xff\x01"), "the limit");
}
