//! Devices and a server in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use expenses::{Balances, Bill};
use syncline::authority::{AllowAll, Principal};
use syncline::replica::Compose;
use syncline::store::RowRange;
use syncline::{EventStore, MemoryStorage, MemoryStore, Replica, Service, SpaceId};
use syncline_memory::MemoryTransport;

pub(crate) fn server() -> MemoryTransport {
    let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
    let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock)));
    MemoryTransport::trusted(service, Principal { user: "ann".parse().unwrap(), device: "phone".parse().unwrap() })
}

pub(crate) fn store() -> Arc<dyn EventStore> {
    Arc::new(MemoryStore::new(syncline_os::log_id()))
}

/// A device that lacks its projections yet.
pub(crate) fn compose(store: &Arc<dyn EventStore>) -> Compose {
    Replica::compose(SpaceId::new("trip").unwrap(), store.clone()).clock(syncline_os::wall_clock)
}

pub(crate) async fn sync(replicas: &[&Replica], server: &MemoryTransport) {
    for replica in replicas {
        replica.sync(server).await.unwrap();
    }
}

pub(crate) fn bill(id: &str, payer: &str, sharers: &[&str]) -> Bill {
    let sharers = sharers.iter().map(|sharer| (*sharer).to_owned()).collect();
    Bill { id: id.to_owned(), month: "2026-11".to_owned(), payer: payer.to_owned(), sharers }
}

/// What everybody has to get, in cents.
pub(crate) async fn balances(replica: &Replica) -> BTreeMap<String, i128> {
    let rows = replica.view(Balances).unwrap().all(RowRange::all()).await.unwrap();
    rows.into_iter().map(|(key, row)| (String::from_utf8(key.to_vec()).unwrap(), row.cents())).collect()
}
