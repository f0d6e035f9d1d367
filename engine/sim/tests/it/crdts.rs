//! The engine's own CRDTs on a user's path: a projection, what devices write, and a lab. Nothing may be found.
//!
//! The tests run a few histories of each profile. `SYNCLINE_LAB_HISTORIES=910 cargo test --release -p syncline-sim --test it crdts`
//! runs 10,010 of each type.

use std::fmt::Debug;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use syncline::attributes::{Attribute, Attributes, Op as Change};
use syncline::crdt::{AddWinsSet, Context, Lww, MultiValue, Ordered, OrderedFold, PnCounter};
use syncline::format::Stamp;
use syncline::projection::{Keys, Moved, Reads, RowState};
use syncline::{Event, EventRef, EventType, Projection, Unreadable, ViewId};
use syncline_sim::{Profile, Rng, Rows, lab};

const CHANGED: EventType = EventType::new("changed", 1);
/// So many histories of each profile.
const HISTORIES: u64 = 3;
/// So many rows, so that devices meet.
const ROWS: u64 = 3;

/// What a device does to a row, as each type reads it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Op {
    row: u8,
    value: i8,
    undo: bool,
    /// What the device had seen of the row.
    seen: Context,
}

/// A type under test.
trait Subject: RowState + Debug + 'static {
    const VIEW: &'static str;

    fn fold(&mut self, stamp: Stamp, op: &Op);

    /// What an operation carries of what its writer sees.
    fn seen(&self, _value: i8) -> Context {
        Context::default()
    }
}

/// Rows of one type.
struct Of<S>(PhantomData<fn() -> S>);

impl<S: Subject> Projection for Of<S> {
    type State = S;

    fn view(&self) -> ViewId {
        ViewId::new(S::VIEW).unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([CHANGED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        match Op::decode(event.payload) {
            Ok(op) => keys.push(&[op.row]),
            Err(_) => keys.refuse("it is no operation"),
        }
    }

    fn apply(&self, _: &[u8], row: &mut S, event: &EventRef<'_>) -> Result<(), Unreadable> {
        row.fold(event.stamp, &Op::decode(event.payload)?);
        Ok(())
    }

    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Event> {
        let op = Op::decode(event.payload).ok().filter(|_| event.is(&CHANGED))?;
        Some(Event::new(CHANGED, Op { seen: op.seen.moved(stamps), ..op }.encode()))
    }
}

impl Subject for Lww<i8> {
    const VIEW: &'static str = "lww@1";

    fn fold(&mut self, stamp: Stamp, op: &Op) {
        _ = if op.undo { self.delete(stamp) } else { self.set(stamp, op.value) };
    }
}

impl Subject for MultiValue<i8> {
    const VIEW: &'static str = "multi-value@1";

    fn fold(&mut self, stamp: Stamp, op: &Op) {
        if op.undo { self.clear(stamp, &op.seen) } else { self.put(stamp, &op.seen, op.value) }
    }

    fn seen(&self, _value: i8) -> Context {
        self.context()
    }
}

impl Subject for PnCounter {
    const VIEW: &'static str = "pn-counter@1";

    fn fold(&mut self, stamp: Stamp, op: &Op) {
        self.add(stamp, op.value.into());
    }
}

impl Subject for AddWinsSet<i8> {
    const VIEW: &'static str = "add-wins-set@1";

    fn fold(&mut self, stamp: Stamp, op: &Op) {
        if op.undo { self.remove(stamp, &op.value, &op.seen) } else { self.insert(stamp, op.value) }
    }

    fn seen(&self, value: i8) -> Context {
        self.context(&value)
    }
}

/// A balance that never falls below zero.
#[derive(Debug)]
struct Balance;

impl OrderedFold for Balance {
    type Event = i8;
    type Output = i64;

    fn fold<'a>(events: impl Iterator<Item = (Stamp, &'a i8)>) -> i64 {
        events.fold(0, |balance, (_, change)| (balance + i64::from(*change)).max(0))
    }
}

impl Subject for Ordered<Balance> {
    const VIEW: &'static str = "ordered@1";

    fn fold(&mut self, stamp: Stamp, op: &Op) {
        self.insert(stamp, op.value);
    }
}

/// Runs histories of every profile, in which devices write these events.
fn converges<P: Projection<State: Debug>>(projection: fn() -> P, writes: fn(&mut Rng, &Rows) -> Event) {
    for profile in Profile::ALL {
        let lab = lab(0..HISTORIES).profile(*profile).projection(projection());
        let events = move |rng: &mut Rng, rows: &Rows| (0..1 + rng.below(2)).map(|_| writes(rng, rows)).collect();
        let summary = lab.writes_with_rows(events).run().unwrap();
        let met: u64 = summary.touched.values().map(|touched| touched.shared).sum();
        eprintln!("{profile}: {} histories, {met} rows touched by two devices or more, no alarm", summary.histories);
    }
}

/// Changes a row of a type, with the context that the device sees.
fn change<S: Subject>(rng: &mut Rng, rows: &Rows) -> Event {
    let (row, value) = (rng.below(ROWS) as u8, rng.below(7) as i8 - 3);
    let seen = rows.get(&Of::<S>(PhantomData), &[row]).unwrap_or_default().seen(value);
    Event::new(CHANGED, Op { row, value, undo: rng.chance(300), seen }.encode())
}

#[test]
fn last_writer_wins_registers_converge() {
    converges(|| Of::<Lww<i8>>(PhantomData), change::<Lww<i8>>);
}

#[test]
fn multi_value_registers_converge() {
    converges(|| Of::<MultiValue<i8>>(PhantomData), change::<MultiValue<i8>>);
}

#[test]
fn counters_converge() {
    converges(|| Of::<PnCounter>(PhantomData), change::<PnCounter>);
}

#[test]
fn sets_converge() {
    converges(|| Of::<AddWinsSet<i8>>(PhantomData), change::<AddWinsSet<i8>>);
}

#[test]
fn ordered_folds_converge() {
    converges(|| Of::<Ordered<Balance>>(PhantomData), change::<Ordered<Balance>>);
}

#[test]
fn attributes_converge() {
    converges(
        || Attributes,
        |rng, rows| {
            let attribute = Attribute::new("list", ["a", "b", "c"][rng.index(3)]).unwrap();
            let row = rows.get(&Attributes, &attribute.key()).unwrap_or_default();
            match rng.below(9) {
                0 => Change::set(&attribute, rng.below(9) as i64),
                1 => Change::delete(&attribute),
                2..4 => row.add(&attribute, rng.below(7) as i64 - 3),
                4..7 => row.insert(&attribute, rng.below(3) as i64),
                _ => row.remove(&attribute, rng.below(3) as i64),
            }
        },
    );
}
