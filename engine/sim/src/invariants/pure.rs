//! A projection is pure: equal events give equal rows, however the events of different origins interleave, all at once or one by
//! one. Each origin's own events always come in the order in which they were written, which every log guarantees.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use syncline::EventRef;
use syncline::format::Run;
use syncline::projection::{Cause, Fold, Keys};

use super::log::whole;
use crate::finding::{Finding, Law};
use crate::quiet;
use crate::stack::ViewUnderTest;
use crate::tell::{self, TellEvent, apart, shown};
use crate::world::World;

/// At most this number of events of a row is printed.
const EVENTS_TOLD: usize = 6;

type Rows = BTreeMap<Vec<u8>, Bytes>;

/// A user's projection does not panic, and folds the same events in the same order alike.
pub(crate) fn repeatable(world: &World) -> Result<(), Finding> {
    each(world, &|told, events| {
        let (first, again) = (folded(told.fold(), events)?, folded(told.fold(), events)?);
        let Some(key) = differing(&first, &again) else { return Ok(()) };
        let ((one, other), key) = (told.values(&first, &again, key), shown(key));
        Err(format!(
            "row {key} is {one} and, from the same events in the same order, {other}: it looks at something else than events"
        ))
    })
}

/// A user's projection folds the same events alike, however those of different origins interleave.
pub(crate) fn ordered(world: &World) -> Result<(), Finding> {
    each(world, &|told, events| depends(told, events, None))
}

/// Why replicas disagree about a row if the order in which its events have arrived is why.
pub(crate) fn why(world: &World, view: &ViewUnderTest, key: &[u8]) -> Option<String> {
    let runs = log(world).ok()??;
    depends(Told { view, events: world.stack.tell.as_ref() }, &events(&runs), Some(key)).err()
}

/// Folds some events and says what is wrong.
type Check = dyn Fn(Told<'_>, &[EventRef<'_>]) -> Result<(), String>;

/// A view, and how its rows and events are told to people.
#[derive(Clone, Copy)]
struct Told<'a> {
    view: &'a ViewUnderTest,
    events: Option<&'a TellEvent>,
}

impl<'a> Told<'a> {
    fn fold(self) -> &'a dyn Fold {
        &*self.view.fold
    }

    /// A row in two versions.
    fn values(self, one: &Rows, other: &Rows, key: &[u8]) -> (String, String) {
        let value = |rows: &Rows| rows.get(key).map_or("nothing".into(), |row| (self.view.tell)(row));
        apart(&value(one), &value(other))
    }
}

/// Checks every user's projection with the events of the first device's log.
fn each(world: &World, check: &Check) -> Result<(), Finding> {
    let Some(runs) = log(world)? else { return Ok(()) };
    let events = events(&runs);
    for view in &world.stack.views {
        let broken = |why| Finding { law: Law::ProjectionIsPure, detail: format!("{}: {why}", view.id) };
        check(Told { view, events: world.stack.tell.as_ref() }, &events).map_err(broken)?;
    }
    Ok(())
}

/// The first device's log, where the projections are the user's. (The lab's own have an oracle.)
fn log(world: &World) -> Result<Option<Vec<Run>>, Finding> {
    let place = world.places.iter().find(|place| !place.left).filter(|_| !world.stack.own_views);
    place.map(|_| whole(world)).transpose()
}

pub(crate) fn events(runs: &[Run]) -> Vec<EventRef<'_>> {
    runs.iter().flat_map(|run| run.bundles()).flat_map(|bundle| bundle.events()).flatten().collect()
}

fn folded(fold: &dyn Fold, events: &[EventRef<'_>]) -> Result<Rows, String> {
    quiet::catch(|| one_by_one(fold, events)).unwrap_or_else(|panic| Err(format!("it panics: {panic}")))
}

/// The same events in other orders that a log may have them in, and what each order is called. Of any two events by different
/// origins, each comes before the other in one of these orders.
fn interleavings<'a>(events: &[EventRef<'a>]) -> [(&'static str, Vec<EventRef<'a>>); 3] {
    // These sorts are stable, and the stamps of one origin rise: its events keep their order.
    let sorted = |sort: &dyn Fn(&mut Vec<EventRef<'a>>)| {
        let mut events = events.to_vec();
        sort(&mut events);
        events
    };
    [
        ("in the order of their times", sorted(&|events| events.sort_by_key(|event| event.stamp))),
        ("one device's after another's", sorted(&|events| events.sort_by_key(|event| event.dot.origin))),
        ("one device's after another's", sorted(&|events| events.sort_by_key(|event| Reverse(event.dot.origin)))),
    ]
}

/// Compares the fold of events as they arrived with their folds in other orders: all rows, or one.
fn depends(told: Told<'_>, events: &[EventRef<'_>], row: Option<&[u8]>) -> Result<(), String> {
    let first = folded(told.fold(), events)?;
    for (name, other) in interleavings(events) {
        let rows = folded(told.fold(), &other)?;
        let differs = match row {
            Some(row) => (first.get(row) != rows.get(row)).then_some(row),
            None => differing(&first, &rows).map(Vec::as_slice),
        };
        if let Some(key) = differs {
            let (made, makes) = told.values(&first, &rows, key);
            let arrived = format!("{} make {made}", touching(told, events, key));
            let ordered = format!("{name}, {}, they make {makes}", touching(told, &other, key));
            return Err(format!("row {} depends on the order of arrival: {arrived}; {ordered}", shown(key)));
        }
    }
    Ok(())
}

/// A row at which two ways of folding differ, if there is one.
fn differing<'a>(one: &'a Rows, other: &'a Rows) -> Option<&'a Vec<u8>> {
    let keys: BTreeSet<&Vec<u8>> = one.keys().chain(other.keys()).collect();
    keys.into_iter().find(|key| one.get(*key) != other.get(*key))
}

/// The events that touch a row, in this order.
fn touching(told: Told<'_>, events: &[EventRef<'_>], key: &[u8]) -> String {
    let touches = |event: &&EventRef<'_>| {
        let mut keys = Keys::default();
        told.fold().reads().keys(told.fold(), event, &mut keys);
        keys.iter().any(|touched| touched == key)
    };
    let event = |event: &EventRef<'_>| format!("{} {}", event.dot, tell::event(told.events, event));
    let list: Vec<String> = events.iter().filter(touches).map(event).collect();
    match list.len() {
        0..=EVENTS_TOLD => list.join(", "),
        count => format!("{count} events"),
    }
}

/// The message of the panic for which an event was put aside, if it was.
fn panicked(cause: &Cause) -> Option<String> {
    match cause {
        Cause::Panicked(message) => Some(message.clone()),
        _ => None,
    }
}

fn one_by_one(fold: &dyn Fold, events: &[EventRef<'_>]) -> Result<Rows, String> {
    let mut rows = Rows::new();
    for event in events {
        let mut keys = Keys::default();
        fold.reads().keys(fold, event, &mut keys);
        if let Some(panic) = keys.refused().and_then(panicked) {
            return Err(format!("it panics: {panic}"));
        }
        let keys: BTreeSet<&[u8]> = keys.iter().collect();
        for key in keys {
            let old = rows.get(key).cloned();
            let mut panic = None;
            let mut aside = |_: &EventRef<'_>, cause| panic = panicked(&cause).or(panic.take());
            let new = fold.fold(key, old.as_deref(), std::slice::from_ref(event), &mut aside);
            if let Some(panic) = panic {
                return Err(format!("it panics: {panic}"));
            }
            let new = new.map_err(|error| format!("a row that it wrote cannot be read back: {error}"))?;
            rows.extend(new.map(|new| (key.to_vec(), new)));
        }
    }
    Ok(rows)
}
