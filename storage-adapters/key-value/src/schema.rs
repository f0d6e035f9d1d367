//! The format of the layout, and the directory of spaces.

use std::ops::ControlFlow;

use bytes::Bytes;
use syncline::format::Heads;
use syncline::store::{Direction, StoreError};
use syncline::{LogId, Position, SpaceId};
use syncline_embedded::Found;

use crate::backend::{KeyValue, Snapshot};
use crate::changes::Changes;
use crate::error::{Fault, Result, damage};
use crate::keys::{self, Place, SpaceKey};
use crate::read;
use crate::record::{BASE_AT, Status, decode_head};

/// What the value of the format begins with.
const MARK: &[u8] = b"syncline";

/// The version of the layout that this build writes, and the newest that it reads. Since version 2 a space has a base.
const NEWEST: u32 = 2;

/// Looks whether a map is ours or may become so, and changes nothing. `what` names it in the error. Returns whether it is
/// empty.
///
/// # Errors
/// [`StoreError::UnsupportedFormat`] if another program or a newer build wrote it; those of the snapshot.
pub fn inspect(snapshot: &impl Snapshot, what: &str) -> Result<bool, StoreError> {
    version(snapshot, what).map(|version| version.is_none())
}

/// The version of the layout; `None` if the map is empty.
fn version(snapshot: &impl Snapshot, what: &str) -> Result<Option<u32>, StoreError> {
    let unsupported = |found: String| StoreError::UnsupportedFormat { what: what.into(), found, newest: NEWEST };
    match snapshot.get(&keys::format())? {
        // The mark is read as it is: a later format may check its values in another way.
        Some(value) => {
            match value.strip_prefix(MARK).and_then(|rest| rest.first_chunk()).copied().map(u32::from_be_bytes) {
                Some(version) if (1..=NEWEST).contains(&version) => Ok(Some(version)),
                Some(version) => Err(unsupported(version.to_string())),
                None => Err(unsupported(FOREIGN.into())),
            }
        }
        None => {
            let (all, mut empty) = (keys::all(), true);
            snapshot.range(&all.start..&all.end, Direction::Forward, &mut |_, _| {
                empty = false;
                ControlFlow::Break(())
            })?;
            if empty { Ok(None) } else { Err(unsupported(FOREIGN.into())) }
        }
    }
}

const FOREIGN: &str = "unknown (data of another program)";

/// Makes an empty map ours, and checks one that is. One of an earlier version is brought up to date.
pub(crate) fn prepare<K: KeyValue>(backend: &K, what: &str) -> Result<()> {
    let (snapshot, mut changes) = (backend.snapshot()?, Changes::default());
    match version(&snapshot, what)? {
        Some(NEWEST) => return spaces(&snapshot).map(drop),
        Some(_) => add_bases(&snapshot, &mut changes)?,
        None => changes.put(keys::count(), &[&0u32.to_be_bytes()]),
    }
    drop(snapshot);
    changes.put(keys::format(), &[MARK, &NEWEST.to_be_bytes()]);
    Ok(backend.write(&changes)?)
}

/// From version 1 to 2: no log has been trimmed.
fn add_bases(snapshot: &impl Snapshot, changes: &mut Changes) -> Result<()> {
    for name in spaces(snapshot)? {
        let place = place(snapshot, &name)?.ok_or_else(|| damage(DIRECTORY, "a space has no number"))?;
        let status = status_bytes(snapshot, &place)?;
        let parts = status.split_at_checked(BASE_AT).ok_or_else(|| damage(at_status(&place), "it is too short"))?;
        changes.put(place.key.status(), &[parts.0, &Position::ZERO.get().to_be_bytes(), parts.1]);
    }
    Ok(())
}

/// The spaces that exist, in the order of their names.
pub(crate) fn spaces(snapshot: &impl Snapshot) -> Result<Vec<SpaceId>> {
    let mut spaces = Vec::new();
    let at = |_: &[u8]| DIRECTORY.into();
    read::range(snapshot, &keys::names(), at, |key, _| {
        let name = std::str::from_utf8(keys::name_of(key)).ok().and_then(|name| SpaceId::new(name).ok());
        spaces.push(name.ok_or_else(|| damage(DIRECTORY, "a name does not read back"))?);
        Ok(ControlFlow::Continue(()))
    })?;
    let count = count(snapshot)?;
    if spaces.len() != count as usize {
        return Err(damage(DIRECTORY, format_args!("{} of {count} spaces are there", spaces.len())));
    }
    Ok(spaces)
}

/// Reads a space, if it exists.
pub(crate) fn find(snapshot: &impl Snapshot, name: &SpaceId) -> Result<Option<Found<SpaceKey>>> {
    let Some(place) = place(snapshot, name)? else { return Ok(None) };
    let (status, heads) = (status(snapshot, &place)?, heads(snapshot, &place)?);
    if heads.len() != status.heads as usize {
        let why = format!("{} of {} are there", heads.len(), status.heads);
        return Err(damage(place.at("the heads"), why));
    }
    let status = status.with_heads(heads);
    status.check().map_err(|why| damage(place.at("the heads"), why))?;
    Ok(Some(Found { key: place.key, status }))
}

/// Where a space lies, if it exists.
fn place(snapshot: &impl Snapshot, name: &SpaceId) -> Result<Option<Place>> {
    let number = read::get(snapshot, &keys::name(name.as_str()), || DIRECTORY.into())?;
    number.map(|number| Ok(Place { key: SpaceKey(number_in(&number)?), name: name.clone() })).transpose()
}

/// Creates a space.
pub(crate) fn create(snapshot: &impl Snapshot, changes: &mut Changes, name: &SpaceId, log: LogId) -> Result<SpaceKey> {
    let number = count(snapshot)?.checked_add(1).ok_or_else(too_many)?;
    changes.put(keys::name(name.as_str()), &[&number.to_be_bytes()]);
    changes.put(keys::count(), &[&number.to_be_bytes()]);
    changes.put(SpaceKey(number).status(), &[&Status::fresh(log).encode()]);
    Ok(SpaceKey(number))
}

/// What a space is at.
pub(crate) fn status(snapshot: &impl Snapshot, space: &Place) -> Result<Status> {
    let bytes = status_bytes(snapshot, space)?;
    Status::decode(&bytes).ok_or_else(|| damage(at_status(space), "it does not read back"))
}

fn status_bytes(snapshot: &impl Snapshot, space: &Place) -> Result<Bytes> {
    let bytes = read::get(snapshot, &space.key.status(), || at_status(space))?;
    bytes.ok_or_else(|| damage(at_status(space), "it is not there"))
}

fn at_status(space: &Place) -> String {
    space.at("its status")
}

fn heads(snapshot: &impl Snapshot, space: &Place) -> Result<Heads> {
    let at = |_: &[u8]| space.at("a head");
    let mut heads = Heads::new();
    read::range(snapshot, &space.key.heads(), at, |key, value| {
        let head = keys::origin_of(key).zip(decode_head(value));
        let (origin, head) = head.ok_or_else(|| damage(at(key), "it does not read back"))?;
        heads.set(origin, head);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(heads)
}

const DIRECTORY: &str = "the directory of spaces";

fn count(snapshot: &impl Snapshot) -> Result<u32> {
    let count = read::get(snapshot, &keys::count(), || DIRECTORY.into())?;
    number_in(&count.ok_or_else(|| damage(DIRECTORY, "its count is not there"))?)
}

fn number_in(value: &[u8]) -> Result<u32> {
    let number = value.try_into().map(u32::from_be_bytes);
    number.map_err(|_| damage(DIRECTORY, "a number does not read back"))
}

fn too_many() -> Fault {
    let max = u32::MAX as usize;
    Fault::Store(StoreError::TooLarge { what: "number of spaces", size: max.saturating_add(1), max })
}
