//! Ann and Bob travel. Both write while they are offline, then their devices sync.
//!
//! You will see the same balances and the same list on both devices.

use std::sync::Arc;

use expenses::{Balances, Bill, Expense, Months};
use syncline::authority::{AllowAll, Principal};
use syncline::store::RowRange;
use syncline::{MemoryStorage, Replica, Service, SpaceId, Storage};
use syncline_memory::MemoryTransport;
use syncline_sqlite::SqliteStorage;

type Failure = Box<dyn std::error::Error>;

async fn device(storage: &dyn Storage, space: &SpaceId) -> Result<Replica, Failure> {
    let stack = Replica::compose(space.clone(), storage.open(space).await?).clock(syncline_os::wall_clock);
    Ok(stack.projection(Balances).projection(Months).open(syncline_os::replica_id()).await?)
}

fn bill(id: &str, payer: &str) -> Bill {
    let sharers = vec!["ann".to_owned(), "bob".to_owned()];
    Bill { id: id.to_owned(), month: "2026-11".to_owned(), payer: payer.to_owned(), sharers }
}

#[allow(clippy::print_stdout, reason = "a program")]
async fn show(name: &str, replica: &Replica) -> Result<(), Failure> {
    println!("{name}:");
    for (person, balance) in replica.view(Balances)?.all(RowRange::all()).await? {
        println!("  {} has {} cents to get", String::from_utf8_lossy(&person), balance.cents());
    }
    for (_, item) in replica.view(Months)?.all(Months::range("2026-11")).await? {
        if let Some((what, cents, category)) = item.shown() {
            println!("  {what}: {cents} cents, {}", category.unwrap_or("no category"));
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let (space, folder) = (SpaceId::new("trip")?, tempfile::tempdir()?);
    let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
    let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock)));
    let someone = Principal { user: "ann".parse()?, device: "phone".parse()? };
    let server = MemoryTransport::trusted(service, someone);
    let phone = device(&SqliteStorage::at(folder.path().join("phone.sqlite"))?, &space).await?;
    let laptop = device(&SqliteStorage::at(folder.path().join("laptop.sqlite"))?, &space).await?;

    // Offline: each write is durable on its device when it returns. Events of one write arrive everywhere together.
    let (train, dinner) = (bill("1", "ann"), bill("2", "bob"));
    let bought = Expense::Added { bill: train.clone(), what: "train".to_owned(), cents: 12_000 };
    phone.write(&[bought, Expense::Categorised { bill: train.clone(), category: "travel".to_owned() }]).await?;
    laptop.write(&[Expense::Added { bill: dinner, what: "dinner".to_owned(), cents: 4_501 }]).await?;
    for replica in [&phone, &laptop, &phone] {
        replica.sync(&server).await?;
    }

    // The ticket was cheaper, and at the same time Bob pays back.
    phone.write(&[Expense::Amended { bill: train, cents: 9_000 }]).await?;
    laptop.write(&[Expense::Paid { from: "bob".to_owned(), to: "ann".to_owned(), cents: 1_000 }]).await?;
    for replica in [&phone, &laptop, &phone] {
        replica.sync(&server).await?;
    }
    show("phone", &phone).await?;
    show("laptop", &laptop).await
}
