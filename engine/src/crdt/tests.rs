//! The laws of every type here, on histories that no honest clock would produce.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::format::codec;
use crate::format::time::{NTP64, Stamp};
use crate::id::ReplicaId;

const ORIGINS: usize = 3;

/// One event, as each type reads it.
#[derive(Debug, Clone)]
struct Event {
    stamp: Stamp,
    value: u8,
    delta: i64,
    undo: bool,
    /// Made of the stamps of other events, which its writer need not have seen.
    context: Context,
}

fn origin(number: usize) -> ReplicaId {
    ReplicaId::from_bytes([number as u8 + 1; 16]).unwrap()
}

/// A history: per origin its events, stamps rising, times of different origins often equal.
fn history() -> impl Strategy<Value = Vec<Vec<Event>>> {
    let delta = prop_oneof![-5i64..6, Just(i64::MAX), Just(i64::MIN)];
    let event = (0..ORIGINS, 0u64..3, 0u8..3, delta, any::<bool>(), prop::collection::vec(any::<usize>(), 0..3));
    prop::collection::vec(event, 1..24).prop_map(|drafts| {
        let mut last = [(1, 0); ORIGINS];
        let mut stamps = Vec::new();
        for (writer, step, ..) in &drafts {
            let (time, index) = &mut last[*writer];
            (*time, *index) = if *step == 0 { (*time, *index + 1) } else { (*time + step, 0) };
            stamps.push(Stamp { time: NTP64(*time), origin: origin(*writer), index: *index });
        }
        let mut history = vec![Vec::new(); ORIGINS];
        for ((writer, _, value, delta, undo, refs), stamp) in drafts.into_iter().zip(stamps.clone()) {
            let seen = refs.into_iter().map(|choice| stamps[choice % stamps.len()]);
            let context = seen.filter(|seen| *seen < stamp).collect();
            history[writer].push(Event { stamp, value, delta, undo, context });
        }
        history
    })
}

/// The first `counts` events of each origin, interleaved and repeated as `choices` say.
fn deliver(history: &[Vec<Event>], counts: [usize; ORIGINS], choices: &[u8]) -> Vec<Event> {
    let mut rest: Vec<_> =
        history.iter().zip(counts).map(|(events, count)| events[..count.min(events.len())].iter()).collect();
    let mut delivered: Vec<Event> = Vec::new();
    for choice in choices.iter().map(|choice| usize::from(*choice)) {
        match choice % (ORIGINS + 1) {
            ORIGINS if delivered.is_empty() => {}
            ORIGINS => delivered.push(delivered[choice / 4 % delivered.len()].clone()),
            writer => delivered.extend(rest[writer].next().cloned()),
        }
    }
    delivered.extend(rest.into_iter().flatten().cloned());
    delivered
}

/// A type under test: how it takes an event, and what it must read by its definition.
trait Subject: Crdt + Default + Debug + Serialize + DeserializeOwned {
    type Reading: PartialEq + Debug;
    fn apply(&mut self, event: &Event);
    fn read(&self) -> Self::Reading;
    fn define(events: &[Event]) -> Self::Reading;

    fn fold(events: &[Event]) -> Self {
        let mut state = Self::default();
        events.iter().for_each(|event| state.apply(event));
        state
    }
}

impl Subject for Lww<u8> {
    type Reading = Option<u8>;

    fn apply(&mut self, event: &Event) {
        _ = if event.undo { self.delete(event.stamp) } else { self.set(event.stamp, event.value) };
    }

    fn read(&self) -> Option<u8> {
        self.get().copied()
    }

    fn define(events: &[Event]) -> Option<u8> {
        events.iter().max_by_key(|event| event.stamp).filter(|event| !event.undo).map(|event| event.value)
    }
}

impl Subject for MultiValue<u8> {
    type Reading = Vec<(Stamp, u8)>;

    fn apply(&mut self, event: &Event) {
        match event.undo {
            true => self.clear(event.stamp, &event.context),
            false => self.put(event.stamp, &event.context, event.value),
        }
    }

    fn read(&self) -> Self::Reading {
        self.iter().map(|(stamp, value)| (stamp, *value)).collect()
    }

    fn define(events: &[Event]) -> Self::Reading {
        let replaces = |by: &Event, event: &Event| {
            by.context.covers(event.stamp) || (by.stamp.origin == event.stamp.origin && event.stamp < by.stamp)
        };
        let stays = |event: &&Event| !event.undo && !events.iter().any(|by| replaces(by, event));
        let values = events.iter().filter(stays).map(|event| (event.stamp.origin, (event.stamp, event.value)));
        values.collect::<BTreeMap<_, _>>().into_values().collect()
    }
}

impl Subject for PnCounter {
    type Reading = i64;

    fn apply(&mut self, event: &Event) {
        self.add(event.stamp, event.delta);
    }

    fn read(&self) -> i64 {
        self.value()
    }

    fn define(events: &[Event]) -> i64 {
        let once: BTreeMap<Stamp, i64> = events.iter().map(|event| (event.stamp, event.delta)).collect();
        let mut total = 0i128;
        for origin in (0..ORIGINS).map(origin) {
            let own = once.iter().filter(|(stamp, _)| stamp.origin == origin);
            let (down, up): (Vec<i128>, Vec<i128>) =
                own.map(|(_, delta)| i128::from(*delta)).partition(|delta| *delta < 0);
            total += up.iter().sum::<i128>().min(u64::MAX.into());
            total -= (-down.iter().sum::<i128>()).min(u64::MAX.into());
        }
        total.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

impl Subject for AddWinsSet<u8> {
    type Reading = BTreeSet<u8>;

    fn apply(&mut self, event: &Event) {
        match event.undo {
            true => self.remove(event.stamp, &event.value, &event.context),
            // One event may do several things at once.
            false if event.delta % 2 == 0 => {
                self.insert(event.stamp, event.value);
                self.insert(event.stamp, event.value + 1);
                self.remove(event.stamp, &(event.value + 1), &event.context);
            }
            false => {
                self.remove(event.stamp, &(event.value + 1), &event.context);
                self.insert(event.stamp, event.value);
            }
        }
    }

    fn read(&self) -> BTreeSet<u8> {
        self.iter().copied().collect()
    }

    fn define(events: &[Event]) -> BTreeSet<u8> {
        let inserts = |event: &Event, value| {
            !event.undo && (event.value == value || (event.delta % 2 == 0 && event.value + 1 == value))
        };
        let removes = |by: &Event, value| if by.undo { by.value == value } else { by.value + 1 == value };
        let covers = |by: &Event, event: &Event| {
            by.context.covers(event.stamp) || (by.stamp.origin == event.stamp.origin && event.stamp < by.stamp)
        };
        let stays = |value: &u8| {
            let mut found = events.iter().filter(|event| inserts(event, *value));
            found.any(|event| !events.iter().any(|by| removes(by, *value) && covers(by, event)))
        };
        (0..5).filter(stays).collect()
    }
}

#[derive(Debug)]
struct Trace;

impl OrderedFold for Trace {
    type Event = u8;
    type Output = Vec<u8>;

    fn fold<'a>(events: impl Iterator<Item = (Stamp, &'a u8)>) -> Vec<u8> {
        events.map(|(_, value)| *value).collect()
    }
}

impl Subject for Ordered<Trace> {
    type Reading = Vec<u8>;

    fn apply(&mut self, event: &Event) {
        self.insert(event.stamp, event.value);
    }

    fn read(&self) -> Vec<u8> {
        self.output()
    }

    fn define(events: &[Event]) -> Vec<u8> {
        let mut events: Vec<_> = events.iter().map(|event| (event.stamp, event.value)).collect();
        events.sort();
        events.dedup();
        events.into_iter().map(|(_, value)| value).collect()
    }
}

fn joined<S: Crdt>(a: &S, b: &S) -> S {
    let mut joined = a.clone();
    joined.merge(b);
    joined
}

fn counts() -> impl Strategy<Value = [usize; ORIGINS]> {
    prop::array::uniform3(0usize..10)
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

macro_rules! laws {
    ($name:ident, $subject:ty) => {
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(400))]

                #[test]
                fn any_delivery_gives_the_same_bytes_and_reads_as_defined(
                    history in history(), counts in counts(), one in choices(), other in choices()
                ) {
                    let one = <$subject>::fold(&deliver(&history, counts, &one));
                    let events = deliver(&history, counts, &other);
                    let other = <$subject>::fold(&events);
                    prop_assert_eq!(codec::encode(&one), codec::encode(&other));
                    prop_assert_eq!(other.read(), <$subject>::define(&events));
                }

                #[test]
                fn a_state_reads_back_from_bytes_and_from_json(history in history(), choices in choices()) {
                    let state = <$subject>::fold(&deliver(&history, [9; ORIGINS], &choices));
                    prop_assert_eq!(&codec::decode::<$subject>("row", &codec::encode(&state)).unwrap(), &state);
                    let json = serde_json::to_string(&state).unwrap();
                    prop_assert_eq!(&serde_json::from_str::<$subject>(&json).unwrap(), &state);
                }

                #[test]
                fn merging_obeys_the_axioms(
                    history in history(), counts in prop::array::uniform3(counts()), choices in prop::array::uniform3(choices())
                ) {
                    let side = |number: usize| <$subject>::fold(&deliver(&history, counts[number], &choices[number]));
                    let (a, b, c) = (side(0), side(1), side(2));
                    prop_assert_eq!(joined(&a, &b), joined(&b, &a));
                    prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
                    prop_assert_eq!(&joined(&a, &a), &a);
                    let union = std::array::from_fn(|origin| counts[0][origin].max(counts[1][origin]));
                    prop_assert_eq!(joined(&a, &b), <$subject>::fold(&deliver(&history, union, &choices[2])));
                }
            }
        }
    };
}

laws!(lww, Lww<u8>);
laws!(multi_value, MultiValue<u8>);
laws!(pn_counter, PnCounter);
laws!(add_wins_set, AddWinsSet<u8>);
laws!(ordered, Ordered<Trace>);

#[test]
fn removed_elements_leave_nothing_behind() {
    let at = |time| Stamp { time: NTP64(time), origin: origin(0), index: 0 };
    let mut set = AddWinsSet::default();
    for number in 0..1_000 {
        set.insert(at(2 * number + 1), number);
        let seen = set.context(&number);
        set.remove(at(2 * number + 2), &number, &seen);
    }
    assert!(set.is_empty());
    assert_eq!(
        codec::encode(&set),
        codec::encode(&{
            let mut set = AddWinsSet::<u64>::default();
            set.remove(at(2_000), &0, &Context::default());
            set
        })
    );
}

#[test]
fn a_counter_ends_at_the_ends_of_its_range_and_comes_back() {
    let at = |time, number| Stamp { time: NTP64(time), origin: origin(number), index: 0 };
    let mut counter = PnCounter::default();
    counter.add(at(1, 0), i64::MAX);
    counter.add(at(1, 1), i64::MAX);
    assert_eq!(counter.value(), i64::MAX);
    counter.add(at(2, 0), i64::MIN);
    counter.add(at(2, 1), -7);
    assert_eq!(counter.value(), i64::MAX - 8);
}
