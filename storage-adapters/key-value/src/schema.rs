//! The format of the layout, and the directory of spaces.

use std::ops::ControlFlow;

use syncline::store::{Direction, StoreError};
use syncline::{LogId, SpaceId};

use crate::backend::{KeyValue, Snapshot};
use crate::changes::{Changes, Pending};
use crate::error::{Fault, Result, damage};
use crate::keys::{self, SpaceKey};
use crate::read;
use crate::record::Status;
use crate::space::{Place, Space};

/// What the value of the format begins with.
const MARK: &[u8] = b"syncline";

/// The version of the layout that this build writes, and the newest that it reads.
const NEWEST: u32 = 1;

/// Looks whether a map is ours or may become so, and changes nothing. `what` names it in the error. Returns whether it is
/// empty.
///
/// # Errors
/// [`StoreError::UnsupportedFormat`] where another program or a newer build wrote it; those of the snapshot.
pub fn inspect(snapshot: &impl Snapshot, what: &str) -> Result<bool, StoreError> {
    let unsupported = |found: String| StoreError::UnsupportedFormat { what: what.into(), found, newest: NEWEST };
    match snapshot.get(&keys::format())? {
        // The mark is read as it is: a later format may check its values in another way.
        Some(value) => match value.strip_prefix(MARK).and_then(|rest| rest.first_chunk()) {
            Some(version) if (1..=NEWEST).contains(&u32::from_be_bytes(*version)) => Ok(false),
            Some(version) => Err(unsupported(u32::from_be_bytes(*version).to_string())),
            None => Err(unsupported(FOREIGN.into())),
        },
        None => {
            let (all, mut empty) = (keys::all(), true);
            snapshot.range(&all.start..&all.end, Direction::Forward, &mut |_, _| {
                empty = false;
                ControlFlow::Break(())
            })?;
            if empty { Ok(true) } else { Err(unsupported(FOREIGN.into())) }
        }
    }
}

const FOREIGN: &str = "unknown (data of another program)";

/// Makes an empty map ours, and checks one that is.
pub(crate) fn prepare<K: KeyValue>(backend: &K, what: &str) -> Result<()> {
    let mut pending = Pending::new(backend.snapshot()?);
    if inspect(&pending, what)? {
        pending.put(keys::format(), &[MARK, &NEWEST.to_be_bytes()]);
        pending.put(keys::count(), &[&0u32.to_be_bytes()]);
        return Ok(backend.write(&pending.into_changes())?);
    }
    spaces(&pending).map(|_| ())
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

/// Reads a space. Where it does not exist, it is one with this log id, and there are changes that create it.
pub(crate) fn open(snapshot: impl Snapshot, name: &SpaceId, fresh: LogId) -> Result<(Space, Changes)> {
    let place = |key| Place { key: SpaceKey(key), name: name.clone() };
    let key = keys::name(name.as_str());
    if let Some(number) = read::get(&snapshot, &key, || DIRECTORY.into())? {
        return Ok((Space::read(&snapshot, place(number_in(&number)?))?, Changes::default()));
    }
    let number = count(&snapshot)?.checked_add(1).ok_or_else(too_many)?;
    let space = Space::fresh(place(number), fresh);
    let mut pending = Pending::new(snapshot);
    pending.put(key, &[&number.to_be_bytes()]);
    pending.put(keys::count(), &[&number.to_be_bytes()]);
    pending.put(space.place.key.status(), &[&Status::fresh(fresh).encode()]);
    Ok((space, pending.into_changes()))
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
