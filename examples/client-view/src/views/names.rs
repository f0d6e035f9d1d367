//! A view: what the devices are called.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syncline::crdt::Lww;
use syncline::projection::Keys;
use syncline::typed::{Meta, TypedProjection};
use syncline::{ReplicaId, Unreadable, ViewId};

use crate::Change;

/// One row, under the key [`Names::KEY`].
#[derive(Debug, Clone, Copy)]
pub struct Names;

impl Names {
    /// The key of the only row.
    pub const KEY: &[u8] = b"devices";
}

/// The names of all devices, by the identity under which they wrote them. Bundles that move to a new identity take the name along.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices(BTreeMap<ReplicaId, Lww<String>>);

impl Devices {
    /// What the device that writes as `replica` is called, if it has told.
    pub fn get(&self, replica: ReplicaId) -> Option<&str> {
        self.0.get(&replica).and_then(Lww::get).map(String::as_str)
    }
}

impl TypedProjection for Names {
    type Event = Change;
    type State = Devices;

    fn view(&self) -> ViewId {
        ViewId::new("names@1").expect("the name is well formed")
    }

    fn keys(&self, event: &Change, keys: &mut Keys) {
        if let Change::Named { .. } = event {
            keys.push(Self::KEY);
        }
    }

    fn apply(&self, _: &[u8], row: &mut Devices, event: &Change, meta: Meta) -> Result<(), Unreadable> {
        if let Change::Named { name } = event {
            row.0.entry(meta.dot.origin).or_default().set(meta.stamp, name.clone());
        }
        Ok(())
    }
}
