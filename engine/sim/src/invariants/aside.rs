//! Events that no view can read are put aside. That is no fault: an older program meets events of a newer one. But which events are
//! put aside depends on the log and on the version alone, so it must be the same everywhere, and status must count just these.

use std::collections::BTreeMap;

use syncline::format::Run;
use syncline::projection::Aside;
use syncline::tools::{UNREADABLE, read_note};
use syncline::{Dot, StoreError, ViewId};

use super::log::whole;
use super::rebuild::refold;
use crate::device::Device;
use crate::finding::{Finding, Law};
use crate::rows::stored;
use crate::tell;
use crate::world::World;

/// The bundle of an event, its index there, and the view that cannot read it. No view: the bundle itself cannot be read.
type Place = (Dot, u16, String);

/// The events that are put aside, and why.
type Asides = BTreeMap<Place, String>;

/// After healing, when every device has the newest version, all have put aside the events that a fold of their log puts aside.
pub(crate) fn alike(world: &World) -> Result<(), Finding> {
    let here = world.places.iter().filter(|place| !place.left);
    let devices: Vec<&Device> = here.map(|place| &*place.device).collect();
    let Some((first, others)) = devices.split_first() else { return Ok(()) };
    let log = whole(world)?;
    let noted = notes(world, first)?;
    for other in others {
        let theirs = notes(world, other)?;
        for (has, lacks, one, another) in [(&noted, &theirs, first, other), (&theirs, &noted, other, first)] {
            if let Some((place, why)) = only_in(has, lacks) {
                let (event, one, another) = (told(world, &log, place), one.index, another.index);
                return Err(unlike(format!(
                    "device {one} has put {event} aside ({why}), and device {another} has not"
                )));
            }
        }
    }
    let (expected, index) = (expected(world, &log)?, first.index);
    if let Some((place, why)) = only_in(&expected, &noted) {
        let event = told(world, &log, place);
        return Err(unlike(format!("device {index} has not put {event} aside, and a fold of its log does ({why})")));
    }
    if let Some((place, why)) = only_in(&noted, &expected) {
        let event = told(world, &log, place);
        return Err(unlike(format!("device {index} has put {event} aside ({why}), and a fold of its log reads it")));
    }
    Ok(())
}

/// An event that is put aside in the one and not in the other.
fn only_in<'a>(one: &'a Asides, other: &Asides) -> Option<(&'a Place, &'a String)> {
    one.iter().find(|(place, _)| !other.contains_key(place))
}

/// How many events each device must say that it has put aside. (That all have the same is checked before.)
pub(crate) fn count(world: &World) -> Result<u64, Finding> {
    if world.places.iter().all(|place| place.left) {
        return Ok(0);
    }
    Ok(expected(world, &whole(world)?)?.len() as u64)
}

fn unlike(detail: String) -> Finding {
    Finding { law: Law::AsideIsAlike, detail }
}

/// What a fold of a log puts aside, and why.
fn expected(world: &World, log: &[Run]) -> Result<Asides, Finding> {
    Ok(refold(world, log)?.aside.into_iter().map(place).collect())
}

/// What a device has noted for the views that it maintains, and why.
fn notes(world: &World, device: &Device) -> Result<Asides, Finding> {
    let view = ViewId::new(UNREADABLE).expect("the name is well formed");
    let rows = stored(&*device.disk.peek(), &view)?;
    let maintained = |view: &str| view.is_empty() || world.stack.views_of(true).any(|known| known.id.as_str() == view);
    let unreadable = |error: StoreError| unlike(format!("device {}: {error}", device.index));
    let notes = rows.iter().map(|row| read_note(row).map(place).map_err(unreadable)).collect::<Result<Asides, _>>()?;
    Ok(notes.into_iter().filter(|((_, _, view), _)| maintained(view)).collect())
}

fn place(Aside { view, dot, index, cause, .. }: Aside) -> (Place, String) {
    ((dot, index, view.as_ref().map_or("", ViewId::as_str).to_owned()), cause.to_string())
}

/// An event for people.
fn told(world: &World, log: &[Run], (dot, index, view): &Place) -> String {
    let bundles = log.iter().flat_map(|run| run.bundles()).filter(|bundle| bundle.dot == *dot);
    let mut events = bundles.flat_map(|bundle| bundle.events()).flatten();
    let event = events.find(|event| event.stamp.index == *index);
    let event = event.map(|event| format!(", {},", tell::event(world.stack.tell.as_ref(), &event))).unwrap_or_default();
    let whose = if view.is_empty() { "for all views".into() } else { format!("for {view}") };
    format!("event {index} of bundle {dot}{event} {whose}")
}
