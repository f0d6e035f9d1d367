//! What devices write, and how the lab's own views fold it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline::format::Stamp;
use syncline::format::time::STAMP_BYTES;
use syncline::projection::{Keys, Reads, RowState};
use syncline::{Event, EventRef, EventType, Projection, Unreadable, ViewId};

use crate::rng::{Rng, mix};
use crate::rows::Rows;

/// An event that the lab's policy refuses. Add one to a bundle to have it refused.
pub const POISON: EventType = EventType::new("lab.poison", 1);
/// Sets a key to a value.
pub(crate) const SET: EventType = EventType::new("lab.set", 1);
/// Tags a key; folded by the newer version only.
pub(crate) const TAG: EventType = EventType::new("lab.tag", 1);

/// What a device writes next: one bundle's events.
pub(crate) type Writes = Arc<dyn Fn(&mut Rng, &Rows) -> Vec<Event> + Send + Sync>;

/// The lab's own events: one to three per bundle, on few keys, so that writers meet.
pub(crate) fn writes(rng: &mut Rng) -> Vec<Event> {
    let count = 1 + rng.below(8).saturating_sub(5);
    let event = |rng: &mut Rng| {
        let event_type = if rng.chance(120) { TAG } else { SET };
        let mut payload = vec![b'a' + rng.below(6) as u8];
        payload.extend_from_slice(&printable(rng.bits()));
        Event::new(event_type, payload)
    };
    (0..count).map(|_| event(rng)).collect()
}

/// Four letters and digits made of these bits.
pub(crate) fn printable(bits: u64) -> [u8; 4] {
    const SIGNS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    std::array::from_fn(|place| SIGNS[(bits >> (59 - 5 * place)) as usize % SIGNS.len()])
}

/// A view of the lab's own: per key the last value, and a digest of every event that was folded.
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    view: ViewId,
    event_type: EventType,
}

impl Cells {
    /// Folds [`SET`].
    pub(crate) fn of_set() -> Self {
        Self { view: ViewId::new("lab.sets@1").expect("the name is well formed"), event_type: SET }
    }

    /// Folds [`TAG`].
    pub(crate) fn of_tag() -> Self {
        Self { view: ViewId::new("lab.tags@1").expect("the name is well formed"), event_type: TAG }
    }
}

/// One row: shows lost, repeated and misordered events alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    pub(crate) last: Option<Stamp>,
    pub(crate) value: [u8; 4],
    pub(crate) count: u64,
    /// Made from the stamps of all events, in no order.
    pub(crate) digest: u64,
}

impl Cell {
    pub(crate) fn fold(&mut self, stamp: Stamp, value: [u8; 4]) {
        if self.last.is_none_or(|last| stamp > last) {
            (self.last, self.value) = (Some(stamp), value);
        }
        self.count += 1;
        self.digest ^= digest(stamp);
    }
}

/// A value that empties a list.
const EMPTIES: u8 = b'a';

/// A view of the lab's own whose rows grow: per key all values since the last one that empties it. For histories that are to reach
/// the limits of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lists;

/// One row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct List {
    emptied: Option<Stamp>,
    values: BTreeMap<Stamp, [u8; 4]>,
}

impl Projection for Lists {
    type State = List;

    fn view(&self) -> ViewId {
        ViewId::new("lab.lists@1").expect("the name is well formed")
    }

    fn reads(&self) -> Reads {
        Reads::types([SET])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        if let Some((key, _)) = read(event.payload) {
            keys.push(key);
        }
    }

    fn apply(&self, _: &[u8], row: &mut List, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let (_, value) = read(event.payload).ok_or_else(|| Unreadable::new("it is not of the lab's form"))?;
        if value[0] == EMPTIES {
            row.emptied = row.emptied.max(Some(event.stamp));
        }
        row.values.insert(event.stamp, value);
        let emptied = row.emptied;
        row.values.retain(|stamp, _| Some(*stamp) > emptied);
        Ok(())
    }
}

/// A number for a stamp.
fn digest(stamp: Stamp) -> u64 {
    let bytes = stamp.to_bytes();
    let word = |chunk: &[u8]| chunk.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    bytes.chunks(8).fold(0, |digest, chunk| mix(digest ^ word(chunk)))
}

/// Reads an event of the lab's own: its key and its value.
pub(crate) fn read(payload: &[u8]) -> Option<(&[u8], [u8; 4])> {
    let (key, value) = payload.split_at_checked(1)?;
    Some((key, value.try_into().ok()?))
}

impl Projection for Cells {
    type State = Cell;

    fn view(&self) -> ViewId {
        self.view.clone()
    }

    fn reads(&self) -> Reads {
        Reads::types([self.event_type.clone()])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        if let Some((key, _)) = read(event.payload) {
            keys.push(key);
        }
    }

    fn apply(&self, _: &[u8], row: &mut Cell, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let (_, value) = read(event.payload).ok_or_else(|| Unreadable::new("it is not of the lab's form"))?;
        row.fold(event.stamp, value);
        Ok(())
    }
}

impl RowState for Cell {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.last.map(|stamp| stamp.to_bytes().to_vec()).unwrap_or_default();
        bytes.extend_from_slice(&self.value);
        bytes.extend_from_slice(&self.count.to_be_bytes());
        bytes.extend_from_slice(&self.digest.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let cut = || Unreadable::new("the row is cut off");
        let (stamp, rest) = bytes.split_first_chunk::<STAMP_BYTES>().ok_or_else(cut)?;
        let (value, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (count, digest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let digest = digest.try_into().map_err(|_| cut())?;
        Ok(Self {
            last: Stamp::from_bytes(*stamp),
            value: *value,
            count: u64::from_be_bytes(*count),
            digest: u64::from_be_bytes(digest),
        })
    }
}
