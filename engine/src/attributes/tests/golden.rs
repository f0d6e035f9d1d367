//! Bytes that must never change: they are in logs, in databases and in other people's SQL.

use data_encoding::HEXLOWER;

use super::*;

/// `todo/7`, NUL, `title` and their length.
const KEY: &str = "0c746f646f2f37007469746c65";
/// Three stamps: time, origin, index.
const A: &str = concat!("65a0000000000010", "01010101010101010101010101010101", "0002");
const B: &str = concat!("65a0000000000020", "02020202020202020202020202020202", "0000");
const C: &str = concat!("65a0000000000030", "03030303030303030303030303030303", "0001");

fn a() -> Stamp {
    at(0x65a0_0000_0000_0010, 0, 2)
}

fn b() -> Stamp {
    at(0x65a0_0000_0000_0020, 1, 0)
}

fn c() -> Stamp {
    at(0x65a0_0000_0000_0030, 2, 1)
}

#[track_caller]
fn assert_payload(op: Op, parts: &[&str]) {
    assert_eq!(HEXLOWER.encode(&op.event(&attribute()).payload), parts.concat());
    assert_eq!(Op::decode(&HEXLOWER.decode(parts.concat().as_bytes()).unwrap()).unwrap(), (attribute(), op));
}

#[track_caller]
fn assert_row(ops: &[(Stamp, Op)], parts: &[&str]) {
    let events: Vec<_> = ops.iter().map(|(stamp, op)| (*stamp, op.event(&attribute()))).collect();
    assert_eq!(HEXLOWER.encode(&fold(None, &events)), parts.concat());
    assert_eq!(AttributeRow::decode(&HEXLOWER.decode(parts.concat().as_bytes()).unwrap()).unwrap(), row(&events));
}

#[test]
fn payloads() {
    assert_payload(Op::Set(value("\"hi\"")), &["01", KEY, "22686922"]);
    assert_payload(Op::Delete, &["02", KEY]);
    assert_payload(Op::Add { base: None, delta: -3 }, &["03", KEY, "00", "05"]);
    assert_payload(Op::Add { base: Some(a()), delta: 300 }, &["03", KEY, "01", A, "d804"]);
    assert_payload(Op::Insert { base: Some(a()), element: value("7") }, &["04", KEY, "01", A, "37"]);
    let context = [c(), b()].into_iter().collect();
    let remove = Op::Remove { base: None, context, element: value("7") };
    assert_payload(remove, &["05", KEY, "00", "02", B, C, "37"]);
}

#[test]
fn rows_of_plain_registers() {
    assert_row(&[(a(), Op::Set(value("\"hi\"")))], &[A, "22686922"]);
    assert_row(&[(a(), Op::Set(value("1"))), (b(), Op::Delete)], &[B]);
    assert_eq!(HEXLOWER.encode(&AttributeRow::default().encode()), "00".repeat(26));
}

#[test]
fn a_row_of_a_counter() {
    let ops = [
        (a(), Op::Set(value("10"))),
        (b(), Op::Add { base: Some(a()), delta: 300 }),
        (c(), Op::Add { base: Some(a()), delta: -5 }),
    ];
    assert_row(
        &ops,
        &[
            // "305"
            &[C, "333035", "00"][..],
            // set to "10"
            &["01", A, "02", "3130"],
            // +300 -0, +0 -5
            &["02", B, "ac02", "00", C, "00", "05"],
            // no set, nothing early
            &["00", "00", "00", "00"],
        ]
        .concat(),
    );
}

#[test]
fn a_row_of_a_set() {
    let context = [a()].into_iter().collect();
    let ops = [
        (a(), Op::Set(value("[1,2]"))),
        (b(), Op::Insert { base: Some(a()), element: value("3") }),
        (c(), Op::Remove { base: Some(a()), context, element: value("2") }),
    ];
    assert_row(
        &ops,
        &[
            // "[1,3]"
            &[C, "5b312c335d", "00"][..],
            // set to "[1,2]"
            &["01", A, "05", "5b312c325d"],
            // no counter; seen
            &["00", "03", A, B, C],
            // inserts of 1 and 3
            &["02", "01", "31", "01", A, "01", "33", "01", B],
            // a remove of 2
            &["01", "01", "32", "01", A],
            // nothing early
            &["00"],
        ]
        .concat(),
    );
}

#[test]
fn a_row_with_changes_on_a_base_that_has_not_arrived() {
    assert_row(
        &[(b(), Op::Add { base: Some(a()), delta: 1 })],
        &[
            // no stamp, no value
            &[&"00".repeat(26), "00"][..],
            // never set; no counter, no set
            &["00", "00", "00", "00", "00", "00"],
            // one early base: a counter with +1 -0, no set
            &["01", A, "01", B, "01", "00", "00", "00", "00"],
        ]
        .concat(),
    );
}
