//! Loro: one document with one map, in memory.

use std::path::Path;

use loro::{ExportMode, LoroDoc, LoroValue};

use crate::Failure;
use crate::plan::Change;
use crate::round::{Replica, State};

pub(crate) const NAME: &str = "Loro 1.17";
const MAP: &str = "attributes";

pub(crate) struct Loro(LoroDoc);

impl Replica for Loro {
    fn create(_: &Path, number: u64) -> Result<Self, Failure> {
        let doc = LoroDoc::new();
        doc.set_peer_id(number)?;
        Ok(Self(doc))
    }

    fn write(&mut self, bundle: &[Change]) -> Result<(), Failure> {
        let map = self.0.get_map(MAP);
        for change in bundle {
            map.insert(&change.key(), change.value.as_str())?;
        }
        self.0.commit();
        Ok(())
    }

    fn merge(&mut self, other: &mut Self) -> Result<(), Failure> {
        self.fetch(other)
    }

    fn fetch(&mut self, hub: &mut Self) -> Result<(), Failure> {
        let updates = hub.0.export(ExportMode::all_updates())?;
        self.0.import(&updates)?;
        Ok(())
    }

    fn state(&mut self) -> Result<State, Failure> {
        let LoroValue::Map(map) = self.0.get_map(MAP).get_value() else { return Err("the map is no map".into()) };
        let text = |(key, value): (&String, &LoroValue)| match value {
            LoroValue::String(text) => Ok((key.clone(), text.to_string())),
            other => Err(format!("{key} holds {other:?}").into()),
        };
        map.iter().map(text).collect()
    }
}
