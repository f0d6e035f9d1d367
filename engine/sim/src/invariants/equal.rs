//! After healing all logs hold the same bundles, and all replicas have the same rows.

use bytes::Bytes;
use syncline::store::{Limit, Row, RowRange};
use syncline::{EventStore, ViewId};

use crate::finding::{Finding, Law};
use crate::stores::finish;
use crate::world::World;

fn unequal(detail: String) -> Finding {
    Finding { law: Law::EqualAfterHealing, detail }
}

/// Same heads, same voids.
pub(crate) fn logs(world: &World) -> Result<(), Finding> {
    let disks = world.disks();
    let Some((first, others)) = disks.split_first() else { return Ok(()) };
    let (heads, voids) = first.with_image(|image| (image.heads(), image.voids.clone()));
    for other in others {
        other.with_image(|image| {
            let theirs = image.heads();
            for (one, another, ours, theirs) in [(first, other, &heads, &theirs), (other, first, &theirs, &heads)] {
                let ahead = ours.iter().find(|(origin, head)| theirs.get(*origin).seq < head.seq);
                if let Some((origin, head)) = ahead {
                    let at = theirs.get(origin).seq;
                    let detail =
                        format!("{} has bundle {} of {origin}, {} ends at {at}", one.name, head.seq, another.name);
                    return Err(unequal(detail));
                }
            }
            if heads != theirs {
                return Err(unequal(format!(
                    "{} and {} hold different histories of an origin",
                    first.name, other.name
                )));
            }
            if voids != image.voids {
                let dot = voids.symmetric_difference(&image.voids).next().expect("the sets differ");
                return Err(unequal(format!("bundle {dot} is void in one of {} and {} only", first.name, other.name)));
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// All rows of one view, as they are stored.
pub(crate) fn stored(store: &dyn EventStore, view: &ViewId) -> Result<Vec<Row>, Finding> {
    let (mut rows, mut range): (Vec<Row>, _) = (Vec::new(), RowRange::all());
    loop {
        let page = finish(store.scan(view, range.clone(), Limit::PAGE));
        let page = page.map_err(|error| Finding { law: Law::StoreKeepsItsWord, detail: error.to_string() })?;
        let Some(last) = page.last() else { return Ok(rows) };
        if rows.last().is_some_and(|row| row.key >= page[0].key) {
            let detail = format!("a scan of {view} does not move on, or not in key order");
            return Err(Finding { law: Law::StoreKeepsItsWord, detail });
        }
        range = range.after(last.key.clone());
        rows.extend(page);
    }
}

/// The same rows everywhere, to the byte.
pub(crate) fn rows(world: &World) -> Result<(), Finding> {
    for view in &world.stack.views {
        let mut first: Option<(usize, Vec<Row>)> = None;
        for (index, place) in world.places.iter().enumerate().filter(|(_, place)| !place.left) {
            let rows = stored(&*place.device.disk.peek(), &view.id)?;
            match &first {
                None => first = Some((index, rows)),
                Some((one, ours)) => {
                    if let Some(key) = difference(ours, &rows) {
                        let key = String::from_utf8_lossy(&key).into_owned();
                        let detail = format!("row {key:?} of {} differs between devices {one} and {index}", view.id);
                        return Err(unequal(detail));
                    }
                }
            }
        }
    }
    Ok(())
}

/// The first key at which two lists of rows differ.
pub(crate) fn difference(ours: &[Row], theirs: &[Row]) -> Option<Bytes> {
    let at = ours.iter().zip(theirs).position(|(one, other)| one != other);
    let at = at.or_else(|| (ours.len() != theirs.len()).then(|| ours.len().min(theirs.len())))?;
    let keys = [ours.get(at), theirs.get(at)];
    keys.into_iter().flatten().map(|row| row.key.clone()).min()
}
