//! How far each device has read each space, noted so that a trim can tell what devices still need.
//!
//! It is noted in the space's own store, so all servers of one database know it. A device costs a commit when it comes first, and then
//! one each hour or each [`EVERY`] bundles that it reads. A note that cannot be stored changes no answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Service;
use crate::authority::Principal;
use crate::format::time::{NTP64, after};
use crate::id::{Cursor, Position, ReplicaId, SpaceId};
use crate::protocol::{Have, Pull, Reply};
use crate::reserved::{self, DEVICES, DeviceRow};
use crate::store::{EventStore, WriteBatch};

/// A note is stored again after so long.
const AGE: Duration = Duration::from_secs(60 * 60);
/// A note is stored again when the device has read so many bundles more.
const EVERY: u64 = 4_096;
/// Devices that are kept in mind. The notes of others are stored again when they come.
const DEVICES_MAX: usize = 16_384;

/// What was heard last of each device.
#[derive(Debug, Default)]
pub(super) struct Devices(Mutex<BTreeMap<(SpaceId, Principal), Heard>>);

#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    /// The device's own replica, if it has pushed.
    own: Option<ReplicaId>,
    /// What was stored of it.
    stored: Option<(Cursor, Option<ReplicaId>, NTP64)>,
}

impl Devices {
    /// Takes note of what a request tells of a device. Gives the row that is to be stored, if one is.
    fn hear(&self, space: &SpaceId, device: &Principal, told: Told, now: NTP64) -> Option<DeviceRow> {
        let mut devices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (space.clone(), device.clone());
        if devices.len() >= DEVICES_MAX && !devices.contains_key(&key) {
            devices.pop_first();
        }
        let heard = devices.entry(key).or_default();
        let read = match told {
            Told::Pushes(own) => {
                heard.own = Some(own);
                return None;
            }
            Told::Read(read) => read,
        };
        let is_known = heard.stored.is_some_and(|(known, own, at)| {
            let is_near = known.log == read.log && read.position.since(known.position) < EVERY;
            is_near && own == heard.own && now < after(at, AGE)
        });
        heard.stored = if is_known { heard.stored } else { Some((read, heard.own, now)) };
        let row = DeviceRow { device: device.clone(), read, own: heard.own, seen: now.0 };
        Some(row).filter(|_| !is_known)
    }
}

/// What a request tells of a device.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    /// It writes as this replica.
    Pushes(ReplicaId),
    /// It has read up to here.
    Read(Cursor),
}

/// The place up to which a device has read, if its pull and the answer tell.
pub(super) fn read_by(pull: &Pull, reply: &Reply) -> Option<Cursor> {
    let asked = match pull.have {
        Have::Cursor(cursor) | Have::Tail(cursor) => Some(cursor),
        Have::Heads(_) => None,
    };
    // If the last page is lost on the way, the device asks again, and may have to take a snapshot.
    let end = match reply {
        Reply::Pull(page) if page.next.position == page.head => Some(page.next),
        Reply::Tail(page) if page.next.position == page.head => Some(page.next),
        _ => None,
    };
    end.or(asked)
}

impl Service {
    /// Notes what a request has told of a device.
    pub(super) async fn note_device(&self, space: &SpaceId, store: &dyn EventStore, device: &Principal, told: Told) {
        let row = self.devices.as_ref().and_then(|devices| devices.hear(space, device, told, self.told()));
        let Some(row) = row.filter(|row| row.read.position > Position::ZERO) else { return };
        let key = format!("{}\0{}", device.user, device.device).into_bytes();
        let rows = vec![reserved::put(DEVICES, key.into(), &row)];
        // The answer does not depend on it, and the device comes again.
        let _ = store.commit(WriteBatch { rows, ..WriteBatch::default() }).await;
    }
}
