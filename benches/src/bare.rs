//! The same work by hand on each bare library: no engine, no second thread.
//!
//! What is stored is what the adapters store, in the places where they store it: for each bundle the encoded run with the
//! chain hash before it, found by position and by origin; each origin's head; the space's own row; the attribute rows. One
//! call is one transaction, as durable as the adapter's, with the same settings. What it leaves out is what an engine is
//! for: it checks nothing, hashes nothing (if a hash or a checksum stands in ours, it writes zeros of that length or
//! nothing), packs nothing, reads nothing before it writes, and knows that nobody else writes.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use syncline::format::time::STAMP_BYTES;
use syncline::store::Durability;

use crate::place::{Backend, Place};
use crate::workload::Change;
use crate::{Failure, State};

mod encode;
mod pairs;
mod postgres;
mod redb;
mod sled;
mod sqlite;

pub(crate) use sqlite::connect;

/// Where a chain hash stands in ours.
const NO_HASH: [u8; 32] = [0; 32];
/// A key and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// Bundles of others that one transaction takes.
const ARRIVING: usize = 1_000;

/// One bundle in the log.
#[derive(Debug)]
struct Entry {
    position: u64,
    author: u8,
    seq: u64,
    time: [u8; 8],
    run: Vec<u8>,
}

/// One transaction.
#[derive(Debug, Default)]
struct Batch {
    /// At least one.
    entries: Vec<Entry>,
    /// Sorted by key, each once.
    rows: Vec<Pair>,
    /// Rows may be older than those stored, which then stay. Values begin with their time, so that bytes tell.
    may_be_late: bool,
    /// How far the view is folded if it has rows at all.
    folded: Option<String>,
}

impl Batch {
    fn last(&self) -> &Entry {
        self.entries.last().expect("a transaction has a bundle")
    }

    /// The last entry of each author.
    fn heads(&self) -> impl Iterator<Item = &Entry> {
        let last: BTreeMap<u8, &Entry> = self.entries.iter().map(|entry| (entry.author, entry)).collect();
        last.into_values()
    }
}

/// A bundle of some author, as it arrives from a peer.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Who wrote it: from 1.
    pub author: u8,
    /// When.
    pub time: u64,
    /// What.
    pub changes: Vec<Change>,
}

#[derive(Debug)]
enum Library {
    Sqlite(sqlite::Sqlite),
    Redb(redb::Redb),
    Sled(sled::Sled),
    Postgres(Box<postgres::Postgres>),
}

/// Does the same with each library.
macro_rules! each {
    ($library:expr, $bare:ident => $work:expr, $postgres:ident => $remote:expr) => {
        match $library {
            Library::Sqlite($bare) => $work,
            Library::Redb($bare) => $work,
            Library::Sled($bare) => $work,
            Library::Postgres($postgres) => $remote,
        }
    };
}

/// A log, with attribute rows if they are asked for, written by hand.
#[derive(Debug)]
pub struct ByHand {
    library: Library,
    position: u64,
    /// The last seq of each author.
    seqs: BTreeMap<u8, u64>,
}

impl ByHand {
    /// An empty log; `None` for memory, which is no library.
    ///
    /// # Errors
    /// [`Failure`] with the library's error.
    pub async fn create(place: &Place, durability: Durability) -> Result<Option<Self>, Failure> {
        let library = match place.backend() {
            Backend::Sqlite => Library::Sqlite(sqlite::Sqlite::create(place.path(), durability)?),
            Backend::Redb => Library::Redb(redb::Redb::create(place.path())?),
            Backend::Sled => Library::Sled(sled::Sled::open(place.path(), durability)?),
            Backend::Postgres => Library::Postgres(Box::new(postgres::Postgres::create(place, durability).await?)),
            Backend::Memory => return Ok(None),
        };
        Ok(Some(Self { library, position: 0, seqs: BTreeMap::new() }))
    }

    /// An empty log of a backend that is a library.
    ///
    /// # Errors
    /// [`Failure`] with the library's error. Always fails for memory, which has no bare library.
    pub async fn new(place: &Place, durability: Durability) -> Result<Self, Failure> {
        Ok(Self::create(place, durability).await?.ok_or("memory is no library")?)
    }

    /// Opens what is there and finds the end of the log, which is returned, too.
    ///
    /// # Errors
    /// [`Failure`] with the library's error. Always fails for memory, which has no bare library.
    pub async fn reopen(place: &Place, durability: Durability) -> Result<(Self, u64), Failure> {
        let mut library = match place.backend() {
            Backend::Sqlite => Library::Sqlite(sqlite::Sqlite::open(place.path(), durability)?),
            Backend::Redb => Library::Redb(redb::Redb::open(place.path())?),
            Backend::Sled => Library::Sled(sled::Sled::open(place.path(), durability)?),
            Backend::Postgres => Library::Postgres(Box::new(postgres::Postgres::open(place, durability).await?)),
            Backend::Memory => return Err("memory is no library".into()),
        };
        let position = each!(&mut library, bare => bare.head()?, postgres => postgres.head().await?);
        Ok((Self { library, position, seqs: [(1, position)].into() }, position))
    }

    /// Records these changes together as one bundle, and their rows with it if `rows`.
    ///
    /// # Errors
    /// [`Failure`] with the library's error.
    pub async fn write(&mut self, changes: &[Change], rows: bool) -> Result<(), Failure> {
        let mut batch = Batch::default();
        let time = now().to_be_bytes();
        self.push(&mut batch, 1, time, changes);
        if rows {
            let values =
                sorted(changes).map(|(index, change)| (change.key.clone(), encode::row(1, time, index, &change.value)));
            batch.rows.extend(values);
            batch.folded = Some(self.folded());
        }
        self.commit(&batch).await
    }

    /// Fills a log quickly, before it is measured: bundles of the one author that writes here.
    ///
    /// # Errors
    /// [`Failure`] with the library's error.
    pub async fn fill(&mut self, changes: &[Change], per_bundle: usize, rows: bool) -> Result<(), Failure> {
        let arrivals = changes.chunks(per_bundle).zip(now()..);
        let arrivals = arrivals.map(|(changes, time)| Arrival { author: 1, time, changes: changes.to_vec() });
        self.receive(&arrivals.collect::<Vec<_>>(), rows).await
    }

    /// Takes bundles in the order of arrival, many to a transaction, and folds them into their rows if `rows`.
    ///
    /// # Errors
    /// [`Failure`] with the library's error.
    pub async fn receive(&mut self, arrivals: &[Arrival], rows: bool) -> Result<(), Failure> {
        for arrivals in arrivals.chunks(ARRIVING) {
            let mut batch = Batch { may_be_late: true, ..Batch::default() };
            let mut latest: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
            for Arrival { author, time, changes } in arrivals {
                let time = time.to_be_bytes();
                self.push(&mut batch, *author, time, changes);
                for (index, change) in changes.iter().enumerate().filter(|_| rows) {
                    let value = encode::row(*author, time, index, &change.value);
                    let row = latest.entry(&change.key).or_default();
                    if *row < value {
                        *row = value;
                    }
                }
            }
            batch.rows.extend(latest.into_iter().map(|(key, value)| (key.to_vec(), value)));
            batch.folded = rows.then(|| self.folded());
            self.commit(&batch).await?;
        }
        Ok(())
    }

    fn push(&mut self, batch: &mut Batch, author: u8, time: [u8; 8], changes: &[Change]) {
        self.position += 1;
        let (position, seq) = (self.position, self.seqs.entry(author).or_default());
        *seq += 1;
        let run = encode::run(author, *seq, time, changes);
        batch.entries.push(Entry { position, author, seq: *seq, time, run });
    }

    fn folded(&self) -> String {
        format!("attributes@1 {}\n", self.position)
    }

    async fn commit(&mut self, batch: &Batch) -> Result<(), Failure> {
        each!(&mut self.library, bare => bare.commit(batch), postgres => postgres.commit(batch).await)
    }

    /// How many bundles there are.
    pub fn head(&self) -> u64 {
        self.position
    }

    /// Reads `count` bundles behind a position, at most: their bytes.
    ///
    /// # Errors
    /// [`Failure`] with the library's error.
    pub async fn read(&mut self, after: u64, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
        each!(&mut self.library, bare => bare.read(after, count), postgres => postgres.read(after, count).await)
    }

    /// Throws the rows away and folds them again from the log, in one transaction.
    ///
    /// # Errors
    /// [`Failure`] with the library's error.
    pub async fn rebuild(&mut self) -> Result<(), Failure> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for run in self.read(0, usize::MAX).await? {
            encode::fold(&run, &mut rows).ok_or("a run is malformed")?;
        }
        let folded = self.folded();
        each!(
            &mut self.library,
            bare => bare.replace_rows(&rows, &folded),
            postgres => postgres.replace_rows(&rows, &folded).await
        )
    }

    /// One attribute's row.
    ///
    /// # Errors
    /// [`Failure`] with the library's error.
    pub async fn row(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        each!(&mut self.library, bare => bare.row(key), postgres => postgres.row(key).await)
    }

    /// All attributes with their values.
    ///
    /// # Errors
    /// [`Failure`] with the library's error.
    pub async fn state(&mut self) -> Result<State, Failure> {
        let rows = each!(&mut self.library, bare => bare.rows()?, postgres => postgres.rows().await?);
        let value = |value: Vec<u8>| String::from_utf8(value[STAMP_BYTES..].to_vec());
        rows.into_iter().map(|(key, row)| Ok((key, value(row)?))).collect()
    }
}

/// The last change of each key with its index, in key order: each row is written once.
fn sorted(changes: &[Change]) -> impl Iterator<Item = (usize, &Change)> {
    let mut order: Vec<_> = changes.iter().enumerate().collect();
    order.sort_unstable_by(|(a_index, a), (b_index, b)| a.key.cmp(&b.key).then(b_index.cmp(a_index)));
    order.dedup_by(|(_, later), (_, kept)| later.key == kept.key);
    order.into_iter()
}

fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    elapsed.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_changes_of_a_key_the_later_is_kept() {
        let change = |key: &[u8], value: &str| Change { key: key.to_vec(), value: value.into() };
        let changes = [change(b"b", "1"), change(b"a", "2"), change(b"b", "3")];
        let kept: Vec<_> = sorted(&changes).map(|(index, change)| (index, &change.value[..])).collect();
        assert_eq!(kept, [(1, "2"), (2, "3")]);
    }
}
