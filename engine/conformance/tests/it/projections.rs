//! Projections with one fault each, and the laws that must notice it.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use proptest::prelude::*;
use syncline::projection::{Fold, Keys, Reads, RowState};
use syncline::{Dot, Event, EventRef, EventType, Projection, Unreadable, ViewId};
use syncline_conformance::projection::{LAWS, ProjectionLaw, input};
use syncline_conformance::{projection_suite, view};

const WORD: EventType = EventType::new("word", 1);

/// Words by their first letter; `?` is no word and meant for `a`, `!` is two rows' business.
fn words() -> impl Strategy<Value = Event> {
    prop_oneof![4 => "[a-c][a-z]{0,2}", 1 => Just("?".to_owned()), 1 => Just("!".to_owned())]
        .prop_map(|word| Event::new(WORD, word))
}

/// A projection of words, whose state and fold can be chosen.
struct Words<S> {
    apply: fn(&mut S, &EventRef<'_>),
    reads: fn() -> Reads,
    keys: fn(&EventRef<'_>, &mut Keys),
    view: &'static str,
    after_error: fn(&mut S),
}

impl<S> Words<S> {
    const fn new(apply: fn(&mut S, &EventRef<'_>)) -> Self {
        Self { apply, reads: words_alone, keys: first_letter, view: "words@1", after_error: |_| {} }
    }
}

fn words_alone() -> Reads {
    Reads::types([WORD])
}

fn first_letter(event: &EventRef<'_>, keys: &mut Keys) {
    match event.payload {
        b"!" => [b"a", b"b"].into_iter().for_each(|key| keys.push(key)),
        b"?" => keys.push(b"a"),
        word => keys.push(&word[..word.len().min(1)]),
    }
}

impl<S: RowState + 'static> Projection for Words<S> {
    type State = S;

    fn view(&self) -> ViewId {
        view(self.view)
    }

    fn reads(&self) -> Reads {
        (self.reads)()
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        (self.keys)(event, keys);
    }

    fn apply(&self, _: &[u8], row: &mut S, event: &EventRef<'_>) -> Result<(), Unreadable> {
        if event.payload == b"?" {
            (self.after_error)(row);
            return Err(Unreadable::new("a question is no word"));
        }
        (self.apply)(row, event);
        Ok(())
    }
}

type Seen = BTreeMap<(Dot, u16), Vec<u8>>;

const SOUND: Words<Seen> = Words::new(|row: &mut Seen, event| {
    row.insert((event.dot, event.stamp.index), event.payload.to_vec());
});

mod sound {
    use super::*;

    projection_suite!(SOUND, words());
}

mod attributes {
    use super::*;
    use syncline::attributes::{Attribute, Attributes, Op};

    fn operations() -> impl Strategy<Value = Event> {
        let attribute = ("[ab]", "[xy]").prop_map(|(entity, name)| Attribute::new(&entity, &name).unwrap());
        (attribute, 0u8..3, any::<i16>()).prop_map(|(attribute, op, value)| match op {
            0 => Op::set(&attribute, i64::from(value)),
            1 => Op::delete(&attribute),
            _ => Event::new(EventType::new("attribute", 1), value.to_be_bytes().to_vec()),
        })
    }

    projection_suite!(Attributes, operations());
}

/// A state whose bytes are not those that it read.
#[derive(Default)]
struct Forgetful(Seen);

impl RowState for Forgetful {
    fn encode(&self) -> Vec<u8> {
        RowState::encode(&self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut seen: Seen = RowState::decode(bytes)?;
        seen.pop_first();
        Ok(Self(seen))
    }
}

static ASKED: AtomicU8 = AtomicU8::new(0);

fn broken() -> Vec<(&'static str, &'static [&'static str], Arc<dyn Fold>)> {
    vec![
        (
            "keeps the last word that came",
            &["rows_do_not_depend_on_the_order_of_bundles", "a_rebuild_from_zero_gives_the_same_rows"],
            Arc::new(Words::new(|row: &mut Vec<u8>, event| *row = event.payload.to_vec())),
        ),
        ("counts words", &["bundles_seen_again_change_no_row"], Arc::new(Words::new(|row: &mut u64, _| *row += 1))),
        (
            "forgets a word whenever it is loaded",
            &["batches_change_no_row", "packing_changes_no_row", "a_row_reads_back_as_it_was_written"],
            Arc::new(Words::new(|row: &mut Forgetful, event| {
                row.0.insert((event.dot, event.stamp.index), event.payload.to_vec());
            })),
        ),
        ("takes two words and no more", &["what_is_put_aside_does_not_depend_on_the_order"], Arc::new(PutsAsideLate)),
        (
            "takes a view of the engine",
            &["a_view_has_one_name_that_is_free"],
            Arc::new(Words { view: "syncline.words@1", ..SOUND }),
        ),
        (
            "names another row each time",
            &["keys_are_the_same_whenever_they_are_asked_for"],
            Arc::new(Words { keys: |_, keys| keys.push(&[ASKED.fetch_add(1, Ordering::Relaxed)]), ..SOUND }),
        ),
        (
            "keeps words in a hash map",
            &["folding_twice_gives_the_same_bytes"],
            Arc::new(Words::new(|row: &mut HashMap<(Dot, u16), Vec<u8>>, event| {
                row.insert((event.dot, event.stamp.index), event.payload.to_vec());
            })),
        ),
        (
            "loses a word over one that it cannot read",
            &["an_unreadable_event_leaves_the_row_as_it_was"],
            Arc::new(Words { after_error: |row: &mut Seen| drop(row.pop_first()), ..SOUND }),
        ),
        (
            "skips what a newer version has written",
            &["another_version_of_an_event_is_not_passed_over"],
            Arc::new(Words {
                reads: Reads::everything,
                keys: |event, keys| {
                    if event.is(&WORD) {
                        first_letter(event, keys)
                    }
                },
                ..SOUND
            }),
        ),
        (
            "expects a word",
            &["payloads_that_make_no_sense_are_put_aside"],
            Arc::new(Words::new(|row: &mut Seen, event| {
                let word = std::str::from_utf8(event.payload).unwrap();
                row.insert((event.dot, event.stamp.index), word.into());
            })),
        ),
    ]
}

/// Puts words aside once it holds two of them.
struct PutsAsideLate;

impl Projection for PutsAsideLate {
    type State = Seen;

    fn view(&self) -> ViewId {
        view("words@1")
    }

    fn reads(&self) -> Reads {
        words_alone()
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        first_letter(event, keys);
    }

    fn apply(&self, _: &[u8], row: &mut Seen, event: &EventRef<'_>) -> Result<(), Unreadable> {
        if row.len() == 2 && !row.contains_key(&(event.dot, event.stamp.index)) {
            return Err(Unreadable::new("two words are enough"));
        }
        row.insert((event.dot, event.stamp.index), event.payload.to_vec());
        Ok(())
    }
}

fn holds(law: &ProjectionLaw, fold: &Arc<dyn Fold>) -> bool {
    let (_, events) = input(SOUND, words());
    catch_unwind(AssertUnwindSafe(|| (law.prove)(fold, &events))).is_ok()
}

#[test]
fn faults_of_projections_are_caught() {
    let mut missed = Vec::new();
    for (fault_in_words, laws, fold) in broken() {
        for name in laws {
            let law = LAWS.iter().find(|law| law.name == *name).unwrap_or_else(|| panic!("no law `{name}`"));
            if holds(law, &fold) {
                missed.push(format!("{name} misses a projection that {fault_in_words}"));
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn every_projection_law_has_a_projection_that_breaks_it() {
    let broken: Vec<_> = broken().iter().flat_map(|(_, laws, _)| laws.iter().copied()).collect();
    let unbroken: Vec<_> = LAWS.iter().map(|law| law.name).filter(|law| !broken.contains(law)).collect();
    assert_eq!(unbroken, Vec::<&str>::new());
}
