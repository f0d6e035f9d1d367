//! After healing all logs hold the same bundles, and all replicas have the same rows.

use bytes::Bytes;
use syncline::format::Bundle;
use syncline::projection::Keys;
use syncline::store::{Limit, Row};
use syncline::{Dot, EventStore};

use super::{log, pure};
use crate::finding::{Finding, Law};
use crate::image::Image;
use crate::rows::stored;
use crate::stack::ViewUnderTest;
use crate::tell::{apart, shown};
use crate::world::World;

/// At most this number of bundles of a row is printed.
const DOTS_TOLD: usize = 8;

fn unequal(detail: String) -> Finding {
    Finding { law: Law::EqualAfterHealing, detail }
}

/// Same heads, and same voids among what both have held.
pub(crate) fn logs(world: &World) -> Result<(), Finding> {
    let disks = world.disks();
    let Some((first, others)) = disks.split_first() else { return Ok(()) };
    let ours = first.with_image(Image::clone);
    let (heads, voids) = (ours.heads(), &ours.voids);
    for other in others {
        other.with_image(|image| {
            let theirs = image.heads();
            for (one, another, ours, theirs) in [(first, other, &heads, &theirs), (other, first, &theirs, &heads)] {
                let ahead = ours.iter().find(|(origin, head)| theirs.get(*origin).seq < head.seq);
                if let Some((origin, head)) = ahead {
                    let at = theirs.get(origin).seq;
                    let detail = format!(
                        "{} has bundle {} of {origin}, {} ends at {at}",
                        one.log.name, head.seq, another.log.name
                    );
                    return Err(unequal(detail));
                }
            }
            if heads != theirs {
                return Err(unequal(format!(
                    "{} and {} hold different histories of an origin",
                    first.log.name, other.log.name
                )));
            }
            let differs = |dot: &&Dot| ours.has_held(**dot) && image.has_held(**dot);
            if let Some(dot) = voids.symmetric_difference(&image.voids).find(differs) {
                let (void, full) = if voids.contains(dot) { (first, other) } else { (other, first) };
                let detail = format!(
                    "bundle {dot} is void in the log of {}, and not in that of {}",
                    void.log.name, full.log.name
                );
                return Err(unequal(detail));
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The same rows everywhere, to the byte.
pub(crate) fn rows(world: &World) -> Result<(), Finding> {
    for view in world.stack.views_of(true) {
        let mut first: Option<(usize, Vec<Row>)> = None;
        for (index, place) in world.places.iter().enumerate().filter(|(_, place)| !place.left) {
            let rows = stored(&*place.device.disk.peek(), &view.id)?;
            match &first {
                None => first = Some((index, rows)),
                Some((one, ours)) => {
                    if let Some(key) = difference(ours, &rows) {
                        return Err(unequal(told(world, view, &key, [(*one, ours), (index, &rows)])));
                    }
                }
            }
        }
    }
    Ok(())
}

/// How a row differs between two devices: its values, and in which order each has folded which bundles into it.
fn told(world: &World, view: &ViewUnderTest, key: &[u8], sides: [(usize, &Vec<Row>); 2]) -> String {
    let mut told = format!("row {} of {} differs", shown(key), view.id);
    let value = |rows: &[Row]| rows.iter().find(|row| row.key == key).map(|row| (view.tell)(&row.value));
    let [one, other] = sides.map(|(_, rows)| value(rows).unwrap_or("nothing".into()));
    let (one, other) = apart(&one, &other);
    for ((index, _), value) in sides.into_iter().zip([one, other]) {
        told += &format!("; device {index} has {value}");
        let store = world.places[index].device.disk.peek();
        let dots = touching(&*store, view, key);
        if (1..=DOTS_TOLD).contains(&dots.len()) {
            told += &format!(" from bundles {}", dots.join(", "));
        }
    }
    if let Some(why) = pure::why(world, view, key) {
        told += &format!(". The projection is why: {why}");
    }
    told
}

/// The bundles that touch a row, in the order of the log.
fn touching(store: &dyn EventStore, view: &ViewUnderTest, key: &[u8]) -> Vec<String> {
    let runs = log::runs(store, Limit::PAGE).unwrap_or_default();
    let touches = |bundle: &Bundle<'_>| {
        bundle.events().flatten().any(|event| {
            let mut keys = Keys::default();
            view.fold.keys(&event, &mut keys);
            keys.iter().any(|touched| touched == key)
        })
    };
    let bundles = runs.iter().flat_map(|run| run.bundles()).filter(touches);
    bundles.map(|bundle| bundle.dot.to_string()).collect()
}

/// The first key at which two lists of rows differ.
pub(crate) fn difference(ours: &[Row], theirs: &[Row]) -> Option<Bytes> {
    let at = ours.iter().zip(theirs).position(|(one, other)| one != other);
    let at = at.or_else(|| (ours.len() != theirs.len()).then(|| ours.len().min(theirs.len())))?;
    let keys = [ours.get(at), theirs.get(at)];
    keys.into_iter().flatten().map(|row| row.key.clone()).min()
}
