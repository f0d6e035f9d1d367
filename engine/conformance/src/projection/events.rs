//! What a projection does with one event and one row.

use std::sync::Arc;

use proptest::prelude::*;
use syncline::format::Run;
use syncline::projection::{Cause, Fold, Keys};
use syncline::{Event, EventRef};

use super::{Rows, fold_batch, fold_singly, projections, prove};

/// A projection is found by its view's name, and the engine's own views are closed to it.
pub fn a_view_has_one_name_that_is_free(fold: &Arc<dyn Fold>, _: &BoxedStrategy<Event>) {
    let views: Vec<_> = projections(fold).views().cloned().collect();
    assert_eq!(views, [fold.view()]);
    assert!(!fold.view().is_reserved(), "{}", fold.view());
}

pub(super) fn events_of(run: &Run) -> impl Iterator<Item = EventRef<'_>> {
    run.bundles().flat_map(|bundle| bundle.events()).map(|event| event.expect("the author wrote sound bodies"))
}

pub(super) fn keys_of(fold: &Arc<dyn Fold>, event: &EventRef<'_>) -> Vec<Vec<u8>> {
    keys_and_cause(fold, event).0
}

/// The keys of an event, and why it is put aside by them, if it is.
fn keys_and_cause(fold: &Arc<dyn Fold>, event: &EventRef<'_>) -> (Vec<Vec<u8>>, Option<Cause>) {
    let mut keys = Keys::default();
    fold.reads().keys(&**fold, event, &mut keys);
    (keys.iter().map(<[u8]>::to_vec).collect(), keys.refused().cloned())
}

/// Rows are loaded by the keys of one call and written by those of another: they depend on the event alone.
pub fn keys_are_the_same_whenever_they_are_asked_for(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove(events, |case| {
        let runs = case.bundles.concat();
        let forth: Vec<_> = runs.iter().flat_map(events_of).map(|event| keys_of(fold, &event)).collect();
        fold_singly(fold, &runs);
        let events: Vec<_> = runs.iter().flat_map(events_of).collect();
        let mut back: Vec<_> = events.iter().rev().map(|event| keys_of(fold, event)).collect();
        back.reverse();
        prop_assert_eq!(forth, back);
        Ok(())
    });
}

/// Rows are compared as bytes: a state that holds a hash map, or asks a clock, has other bytes each time.
pub fn folding_twice_gives_the_same_bytes(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove(events, |case| {
        let runs = case.once(&case.one);
        let mut twice = [Rows::new(), Rows::new()];
        twice.iter_mut().for_each(|rows| drop(fold_batch(fold, rows, &runs)));
        prop_assert_eq!(&twice[0], &twice[1]);
        Ok(())
    });
}

/// A row that is loaded and written without an event is the same row.
pub fn a_row_reads_back_as_it_was_written(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove(events, |case| {
        for (key, row) in fold_singly(fold, &case.once(&case.one)) {
            let again = fold.fold(&key.key, Some(&row), &[], &mut |_, _| {});
            prop_assert_eq!(again, Ok(Some(row)));
        }
        Ok(())
    });
}

/// An event is applied or put aside: half an event would depend on what the row held before.
pub fn an_unreadable_event_leaves_the_row_as_it_was(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove(events, |case| {
        let runs = case.once(&case.one);
        let rows = fold_singly(fold, &runs);
        for event in runs.iter().flat_map(events_of) {
            for (key, row) in rows.iter().filter(|(key, _)| keys_of(fold, &event).iter().any(|own| *own == key.key)) {
                let mut aside = 0;
                let after = fold.fold(&key.key, Some(row), &[event], &mut |_, _| aside += 1);
                prop_assert!(
                    aside == 0 || after.as_ref() == Ok(&Some(row.clone())),
                    "{event:?} was put aside and left {after:?}"
                );
            }
        }
        Ok(())
    });
}

/// Peers of other versions, and hostile ones, send anything under a known event type. It must not stop the log.
pub fn payloads_that_make_no_sense_are_put_aside(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    let spoilt = (events.clone(), prop::collection::vec(any::<u8>(), 0..24), 0usize..32, any::<bool>());
    let spoilt = spoilt.prop_map(|(event, bytes, keep, spoil)| {
        let keep = if spoil { keep.min(event.payload.len()) } else { event.payload.len() };
        let tail = if spoil { &bytes[..] } else { &[] };
        Event::new(event.event_type, [&event.payload[..keep], tail].concat())
    });
    prove(&spoilt.boxed(), |case| {
        let (one, other) = (case.once(&case.one), case.with_repeats(&case.other));
        prop_assert_eq!(fold_singly(fold, &one), fold_singly(fold, &other));
        Ok(())
    });
}

/// A newer program writes another version of a type that this one reads. If it is skipped, rows look right and are wrong, and the
/// status says "in sync". A view that skips it on purpose says so by `Reads::ignoring`.
pub fn another_version_of_an_event_is_not_passed_over(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    let reads = fold.reads();
    prove(events, |case| {
        let runs = case.bundles.concat();
        for event in runs.iter().flat_map(events_of).filter(|event| !keys_of(fold, event).is_empty()) {
            let mut newer = event;
            newer.version = u16::MAX;
            let (keys, cause) = keys_and_cause(fold, &newer);
            let ignored = reads.ignores(&newer.event_type());
            prop_assert!(
                !keys.is_empty() || cause.is_some() || ignored,
                "{} touches a row, and {} with the same payload touches none and is not put aside",
                event.event_type(),
                newer.event_type()
            );
        }
        Ok(())
    });
}
