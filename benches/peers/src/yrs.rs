//! Yrs: one document with one map, in memory. It drops values that were overwritten.

use std::path::Path;

use yrs::updates::decoder::Decode;
use yrs::{Doc, Map, MapRef, ReadTxn, StateVector, Transact, Update};

use crate::Failure;
use crate::plan::Change;
use crate::round::{Replica, State};

pub(crate) const NAME: &str = "Yrs 0.28, no history";

pub(crate) struct Yrs {
    doc: Doc,
    map: MapRef,
}

impl Replica for Yrs {
    fn create(_: &Path, number: u64) -> Result<Self, Failure> {
        let doc = Doc::with_client_id(number);
        let map = doc.get_or_insert_map("attributes");
        Ok(Self { doc, map })
    }

    fn write(&mut self, bundle: &[Change]) -> Result<(), Failure> {
        let mut transaction = self.doc.transact_mut();
        for change in bundle {
            self.map.insert(&mut transaction, change.key(), change.value.as_str());
        }
        Ok(())
    }

    fn merge(&mut self, other: &mut Self) -> Result<(), Failure> {
        self.fetch(other)
    }

    fn fetch(&mut self, hub: &mut Self) -> Result<(), Failure> {
        let update = hub.doc.transact().encode_state_as_update_v2(&StateVector::default());
        self.doc.transact_mut().apply_update(Update::decode_v2(&update)?)?;
        Ok(())
    }

    fn state(&mut self) -> Result<State, Failure> {
        let transaction = self.doc.transact();
        let entries = self.map.iter(&transaction);
        Ok(entries.map(|(key, value)| (key.to_owned(), value.to_string(&transaction))).collect())
    }
}
