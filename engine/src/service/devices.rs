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

/// What was stored last of each device.
#[derive(Debug, Default)]
pub(super) struct Devices(Mutex<BTreeMap<(SpaceId, Principal), Noted>>);

#[derive(Debug, Clone, Copy)]
struct Noted {
    read: Cursor,
    at: NTP64,
}

impl Devices {
    /// Takes note of how far a device has read. Returns whether that is to be stored.
    fn is_due(&self, space: &SpaceId, device: &Principal, now: Noted) -> bool {
        let mut devices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (space.clone(), device.clone());
        let is_due = devices.get(&key).is_none_or(|noted| {
            let is_old = now.at >= after(noted.at, AGE);
            is_old || noted.read.log != now.read.log || now.read.position.since(noted.read.position) >= EVERY
        });
        if is_due {
            if devices.len() >= DEVICES_MAX {
                devices.pop_first();
            }
            devices.insert(key, now);
        }
        is_due
    }
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
    /// Notes how far a device has read a space.
    pub(super) async fn note_device(
        &self,
        space: &SpaceId,
        store: &dyn EventStore,
        device: &Principal,
        (read, own): (Cursor, Option<ReplicaId>),
    ) {
        let at = self.told();
        let Some(devices) = self.devices.as_ref().filter(|_| read.position > Position::ZERO) else { return };
        if !devices.is_due(space, device, Noted { read, at }) {
            return;
        }
        let key = format!("{}\0{}", device.user, device.device).into_bytes();
        let row = reserved::put(DEVICES, key.into(), &DeviceRow { device: device.clone(), read, own, seen: at.0 });
        // The answer does not depend on it, and the next request tries again in an hour.
        let _ = store.commit(WriteBatch { rows: vec![row], ..WriteBatch::default() }).await;
    }
}
