//! Syncline with attribute rows, on SQLite and in memory. A fresh replica syncs with a service in the same process.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use futures_executor::block_on;
use syncline::attributes::{Attribute, Attributes, Op, Value};
use syncline::authority::AllowAll;
use syncline::format::run::VerifiedRun;
use syncline::store::{Durability, Limit, RowRange, Storage, WriteBatch};
use syncline::{Cursor, MemoryStorage, Service, SpaceId};
use syncline_memory::MemoryTransport;
use syncline_sqlite::SqliteOptions;

use crate::Failure;
use crate::plan::Change;
use crate::round::{Replica, State};

pub(crate) const MEMORY: &str = "Syncline in memory";
pub(crate) const SQLITE: &str = "Syncline on SQLite";

/// What a replica keeps its data in.
pub(crate) trait Store {
    fn open(folder: &Path, number: u64) -> Result<Arc<dyn Storage>, Failure>;
}

pub(crate) struct InMemory;
pub(crate) struct InFile;

impl Store for InMemory {
    fn open(_: &Path, _: u64) -> Result<Arc<dyn Storage>, Failure> {
        Ok(Arc::new(MemoryStorage::new(syncline_os::log_id)))
    }
}

impl Store for InFile {
    fn open(folder: &Path, number: u64) -> Result<Arc<dyn Storage>, Failure> {
        let file = folder.join(format!("syncline-{number}.sqlite"));
        Ok(Arc::new(SqliteOptions::new(file).durability(Durability::Process).open()?))
    }
}

pub(crate) type Memory = Syncline<InMemory>;
pub(crate) type Sqlite = Syncline<InFile>;

/// A replica, and the storage below it.
pub(crate) struct Syncline<S> {
    storage: Arc<dyn Storage>,
    replica: syncline::Replica,
    store: PhantomData<S>,
}

fn space() -> SpaceId {
    SpaceId::new("peers").expect("the name is well formed")
}

impl<S: Store> Replica for Syncline<S> {
    fn create(folder: &Path, number: u64) -> Result<Self, Failure> {
        let storage = S::open(folder, number)?;
        let store = block_on(storage.open(&space()))?;
        let stack = syncline::Replica::compose(space(), store).clock(syncline_os::wall_clock).projection(Attributes);
        let replica = block_on(stack.open(syncline_os::replica_id()))?;
        Ok(Self { storage, replica, store: PhantomData })
    }

    fn write(&mut self, bundle: &[Change]) -> Result<(), Failure> {
        let event = |change: &Change| {
            let attribute = Attribute::new(&change.entity, &change.attribute)?;
            Ok::<_, Failure>(Op::set(&attribute, Value::from(change.value.as_str())))
        };
        let events = bundle.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        block_on(self.replica.write(&events))?;
        Ok(())
    }

    /// Copies the other's log, as a relay stores what is pushed to it.
    fn merge(&mut self, other: &mut Self) -> Result<(), Failure> {
        let (from, to) = (other.replica.store(), self.replica.store());
        let mut cursor = Cursor::start(block_on(from.status())?.log);
        loop {
            let page = block_on(from.read(cursor, Limit::PAGE))?;
            for stored in &page.runs {
                let head = block_on(to.status())?.heads.get(stored.run.origin());
                let runs = vec![VerifiedRun::verify(stored.run.clone(), head)?];
                block_on(to.commit(WriteBatch { runs, ..WriteBatch::default() }))?;
            }
            if page.is_last() {
                return Ok(());
            }
            cursor = page.next;
        }
    }

    fn fetch(&mut self, hub: &mut Self) -> Result<(), Failure> {
        let service = Service::new(hub.storage.clone(), Arc::new(AllowAll), Arc::new(syncline_os::wall_clock));
        let transport = block_on(MemoryTransport::new(Arc::new(service), "anyone"))?;
        block_on(self.replica.sync(&transport))?;
        Ok(())
    }

    fn state(&mut self) -> Result<State, Failure> {
        let rows = block_on(self.replica.attributes()?.present(RowRange::all()))?;
        let text = |(attribute, row): &(Attribute, syncline::attributes::AttributeRow)| {
            let key = String::from_utf8(attribute.key().to_vec())?.replace('\0', "/");
            let json = row.value().unwrap_or_default().into_owned();
            Ok((key, json.trim_matches('"').to_owned()))
        };
        rows.iter().map(text).collect()
    }
}
