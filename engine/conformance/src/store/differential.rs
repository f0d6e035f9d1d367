//! Random steps, taken by a store and by the memory store side by side: whatever can be observed must be the same.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use proptest::strategy::{Strategy, ValueTree};
use syncline::format::heads::Head;
use syncline::format::time::NTP64;
use syncline::store::memory::MemoryStore;
use syncline::store::{
    Durability, EventStore, Limit, LogStatus, Replacement, Rewrite, RowFold, RowKey, RowRange, RowWrite, Storage,
    StoreError, StoredRun, WriteBatch,
};
use syncline::{Cursor, Dot, Position, Seq, ViewId};

use crate::strategies::{
    AUTHORS, Anew, Change, Expectation, Flaw, KEYS, Step, Successor, VIEWS, cases, runner, seed, steps,
};
use crate::{Author, SPACE, StoreHarness, appends, dot, new_log_id, row_key, space, unpack, view};

/// How many smaller cases are tried before a failure is told.
const SHRINKS: usize = 300;

/// No bundle of a step takes more in a page, its run included, nor do the headers that a store counts before it joins runs.
const SLACK_BYTES: usize = 400;

/// The memory store is the plainest form of all laws. What no law names is still the same in every store.
pub async fn random_steps_are_seen_as_the_oracle_sees_them(harness: &dyn StoreHarness) {
    let (mut runner, strategy) = (runner(), steps());
    for case in 1..=cases() {
        let mut tree = strategy.new_tree(&mut runner).expect("steps can be made");
        let Err(mut failure) = Pair::take(harness, &tree.current()).await else { continue };
        let mut smallest = tree.current();
        for _ in 0..SHRINKS {
            if !tree.simplify() {
                break;
            }
            match Pair::take(harness, &tree.current()).await {
                Err(found) => (failure, smallest) = (found, tree.current()),
                Ok(()) if tree.complicate() => {}
                Ok(()) => break,
            }
        }
        let seed = seed();
        panic!("case {case} of SYNCLINE_CONFORMANCE_SEED={seed}: {failure}\nsteps: {smallest:#?}");
    }
}

/// A store and its oracle, with the same log id and so the same answers.
struct Pair {
    store: Arc<dyn EventStore>,
    oracle: MemoryStore,
    authors: [Author; AUTHORS],
}

/// Compares one answer.
fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}:\n found    {found:?}\n expected {expected:?}"))
}

/// An answer that can be compared: errors by what they say.
fn told<T>(answer: Result<T, StoreError>) -> Result<T, String> {
    answer.map_err(|error| format!("{error:?}"))
}

impl Pair {
    /// Takes the steps in a new storage, or says what differed.
    async fn take(harness: &dyn StoreHarness, steps: &[Step]) -> Result<(), String> {
        let mut storage = harness.fresh().await;
        let mut pair = Self::open(&*storage, None).await?;
        for (number, step) in (1..).zip(steps) {
            if matches!(step, Step::Reopen) && storage.durability() != Durability::Volatile {
                let oracle = (pair.oracle, pair.authors);
                drop((pair.store, storage));
                storage = harness.reopen().await.ok_or("a durable storage opens again")?;
                pair = Self::open(&*storage, Some(oracle)).await?;
            }
            pair.step(step).await.map_err(|difference| format!("step {number}, {difference}"))?;
        }
        Ok(())
    }

    async fn open(storage: &dyn Storage, oracle: Option<(MemoryStore, [Author; AUTHORS])>) -> Result<Self, String> {
        let store = told(storage.open(&space(SPACE)).await)?;
        let log = told(store.status().await)?.log;
        let author = |index| Author::new(index as u8 + 1);
        let (oracle, authors) = oracle.unwrap_or_else(|| (MemoryStore::new(log), std::array::from_fn(author)));
        Ok(Self { store, oracle, authors })
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Commit(change) => self.commit(change).await,
            Step::Fold(change, keys, declines) => self.fold(change, &keys_of(keys), *declines).await,
            Step::Read(after, limit) => self.read(*after, *limit).await,
            Step::ReadOrigin(author, after, limit) => self.read_origin(*author, *after, *limit).await,
            Step::Load(keys) => {
                let keys = keys_of(keys);
                same("load", told(self.store.load(&keys).await), told(self.oracle.load(&keys).await))
            }
            Step::Scan(view, range, limit) => self.scan(&view_of(*view), range, *limit).await,
            Step::Reopen => self.look().await,
        }
    }

    async fn commit(&mut self, change: &Change) -> Result<(), String> {
        let (batch, authors) = self.batch(change).await?;
        let found = told(self.store.commit(batch.clone()).await);
        let expected = told(self.oracle.commit(batch).await);
        if expected.is_ok() {
            self.authors = authors;
        }
        same("commit", found, expected)?;
        self.look().await
    }

    async fn fold(&mut self, change: &Change, keys: &[RowKey], declines: bool) -> Result<(), String> {
        let (batch, authors) = self.batch(change).await?;
        let fold = || -> RowFold {
            let own = keys.to_vec();
            RowFold::new(keys.to_vec(), move |stored| (!declines).then(|| lengthened(own, stored)))
        };
        let found = told(self.store.commit_folded(batch.clone(), fold()).await);
        let expected = told(self.oracle.commit_folded(batch, fold()).await);
        if matches!(expected, Ok(Some(_))) {
            self.authors = authors;
        }
        same("commit with a fold", found, expected)?;
        self.look().await
    }

    /// Compares everything there is to see.
    async fn look(&self) -> Result<(), String> {
        let status = told(self.oracle.status().await)?;
        same("status", told(self.store.status().await)?, status.clone())?;
        let (start, all) = (Cursor { log: status.log, position: status.base }, Limit::items(u32::MAX));
        let (found, expected) = (self.store.read(start, all).await, self.oracle.read(start, all).await);
        same("log", unpack(&told(found)?.runs), unpack(&told(expected)?.runs))?;
        for view in VIEWS.map(view) {
            let found = told(self.store.scan(&view, RowRange::all(), all).await);
            same("rows", found, told(self.oracle.scan(&view, RowRange::all(), all).await))?;
        }
        Ok(())
    }

    /// The batch that a change means in this state, and the authors once it is committed.
    async fn batch(&self, change: &Change) -> Result<(WriteBatch, [Author; AUTHORS]), String> {
        let (status, mut authors) = (told(self.oracle.status().await)?, self.authors.clone());
        let replace = change.replace.as_ref().map(|successor| replacement(successor, &status, &mut authors));
        let rewrite = match &change.rewrite {
            Some((author, after, how)) => Some(self.rewrite(&mut authors[*author], *after, *how).await?),
            None => None,
        };
        let mut runs = Vec::new();
        for (index, count, flaw) in &change.runs {
            let author = &mut authors[*index];
            match flaw {
                Flaw::None => {}
                Flaw::Gap => drop(author.write(1)),
                Flaw::Again => *author = Author::new(*index as u8 + 1),
                Flaw::Fork => {
                    let seqs = author.head().seq.get();
                    *author = Author::new(*index as u8 + 1);
                    let other: Vec<_> = (0..seqs).map(|seq| format!("another history {seq}")).collect();
                    (seqs > 0).then(|| author.write_bodies(&other));
                }
            }
            runs.push(author.write(*count));
        }
        let void = |(index, seq): &(usize, u64)| {
            let author = &authors[*index];
            dot(author, seq % (author.head().seq.get() + 2))
        };
        let row = |((view, key), value): &((usize, usize), _)| RowWrite {
            key: row_key(&view_of(*view), KEYS[*key]),
            value: Clone::clone(value),
        };
        let batch = WriteBatch {
            expected: match change.expected {
                Expectation::Any => None,
                Expectation::Current => Some(status.revision),
                Expectation::Wrong => Some(status.revision.plus(1)),
            },
            replace,
            rewrite,
            voids: change.voids.iter().map(void).collect(),
            clear: change.clear.iter().map(|view| view_of(*view)).collect(),
            rows: change.rows.iter().map(row).collect(),
            views: change.views.iter().map(|(view, position)| (view_of(*view), Position::new(*position))).collect(),
            clock: NTP64(change.clock),
            trim: change.trim.map(|base| Position::new(base % (status.head.get() + 2))),
            ..appends(runs)
        };
        Ok((batch, authors))
    }

    /// An author's tail behind a bundle, rewritten, and the author as they are then.
    async fn rewrite(&self, author: &mut Author, after: u64, how: Anew) -> Result<Rewrite, String> {
        let origin = author.origin();
        let after = Seq::new(after % (author.head().seq.get() + 1));
        let LogStatus { log, base, .. } = told(self.oracle.status().await)?;
        let kept = told(self.oracle.read(Cursor { log, position: base }, Limit::items(u32::MAX)).await)?;
        let mut tail = unpack(&kept.runs);
        let last = tail.iter().find(|placed| placed.dot == Dot { origin, seq: after }).cloned();
        tail.retain(|placed| placed.dot.origin == origin && placed.dot.seq > after);
        tail.sort_by_key(|placed| placed.dot);
        // The bundle that stays may be trimmed. What follows it tells its hash.
        let next = kept.runs.iter().find(|stored| stored.run.origin() == origin && stored.run.first() == after.plus(1));
        let chain = next.map_or(author.head().chain, |next| next.previous);
        let head = match (after, last) {
            (Seq::ZERO, _) => Head::NONE,
            (_, Some(last)) => Head { seq: after, chain: last.chain, time: last.time },
            (_, None) => Head { seq: after, chain, time: author.head().time },
        };
        *author = Author::resume(origin, head);
        let other = Author::new(origin.to_bytes()[0] + 100).origin();
        let mut other = Author::resume(other, told(self.oracle.status().await)?.heads.get(other));
        let writer = if how == Anew::Rehomed { &mut other } else { author };
        let places = tail.chunk_by(|a, b| a.position.plus(1) == b.position);
        let mut runs: Vec<_> = places.map(|places| (places[0].position, writer.write(places.len() as u64))).collect();
        if how == Anew::Short {
            runs.pop();
        }
        Ok(Rewrite { origin, after: head, runs })
    }

    async fn read(&self, after: u64, limit: Limit) -> Result<(), String> {
        let status = told(self.oracle.status().await)?;
        let after = Cursor { log: status.log, position: Position::new(after % (status.head.get() + 3)) };
        let all = told(self.oracle.read(after, Limit::items(u32::MAX)).await);
        let page = told(self.store.read(after, limit).await);
        let (page, all) = match (page, all) {
            (Ok(page), Ok(all)) => (page, all),
            (page, all) => return same("read", page.map(drop), all.map(drop)),
        };
        let bundles = unpack(&page.runs);
        check_cut(&bundles, &unpack(&all.runs), limit)?;
        let end = Cursor { position: after.position.plus(bundles.len() as u64), ..after };
        same("the page's end", (page.next, page.head), (end, status.head))
    }

    async fn read_origin(&self, author: usize, after: u64, limit: Limit) -> Result<(), String> {
        let author = &self.authors[author];
        let after = Seq::new(after % (author.head().seq.get() + 3));
        let all = told(self.oracle.read_origin(author.origin(), after, Limit::items(u32::MAX)).await);
        let found = told(self.store.read_origin(author.origin(), after, limit).await);
        match (found, all) {
            (Ok(found), Ok(all)) => check_cut(&unpack(&found), &unpack(&all), limit),
            // A page that is full before the first trimmed bundle does not meet it.
            (Ok(found), Err(_)) if is_full(&found, limit) => {
                let count = found.iter().map(|stored| stored.run.count()).sum::<u64>();
                let fits = Limit::items(u32::try_from(count).unwrap_or(u32::MAX));
                let fits = told(self.oracle.read_origin(author.origin(), after, fits).await)?;
                check_cut(&unpack(&found), &unpack(&fits), limit)
            }
            (found, all) => same("what an origin wrote", found.map(drop), all.map(drop)),
        }
    }

    async fn scan(&self, view: &ViewId, range: &RowRange, limit: Limit) -> Result<(), String> {
        let all = told(self.oracle.scan(view, range.clone(), Limit::items(u32::MAX)).await)?;
        let found = told(self.store.scan(view, range.clone(), limit).await)?;
        check_cut(&found, &all, limit)
    }
}

/// The replacement that a successor means in this state. The authors become as the new log knows them.
fn replacement(successor: &Successor, status: &LogStatus, authors: &mut [Author; AUTHORS]) -> Replacement {
    for (index, (author, more)) in authors.iter_mut().zip(successor.known).enumerate() {
        match more {
            None => *author = Author::new(index as u8 + 1),
            Some(0) => {}
            Some(more) => drop(author.write(more)),
        }
    }
    let known = authors.iter().filter(|author| author.head().seq > Seq::ZERO);
    let heads = known.map(|author| (author.origin(), author.head())).collect();
    Replacement { log: if successor.is_same { status.log } else { new_log_id() }, heads }
}

/// Each row one byte longer than it was. A row that was not there has one.
fn lengthened(keys: Vec<RowKey>, stored: Vec<Option<Bytes>>) -> Vec<RowWrite> {
    let longer = |value: Option<Bytes>| Some([&value.unwrap_or_default()[..], b"+"].concat().into());
    keys.into_iter().zip(stored).map(|(key, value)| RowWrite { key, value: longer(value) }).collect()
}

fn keys_of(indices: &[(usize, usize)]) -> Vec<RowKey> {
    indices.iter().map(|(view, key)| row_key(&view_of(*view), KEYS[*key])).collect()
}

fn view_of(index: usize) -> ViewId {
    view(VIEWS[index])
}

/// Whether it may be that no other bundle fits into a page.
fn is_full(runs: &[StoredRun], limit: Limit) -> bool {
    let bundles: u64 = runs.iter().map(|stored| stored.run.count()).sum();
    let bytes: usize = runs.iter().map(|stored| stored.run.as_bytes().len()).sum();
    bundles >= u64::from(limit.items) || bytes + SLACK_BYTES >= limit.bytes as usize
}

/// Checks that `found` is the beginning of `all`, cut within the limit and not short of one item.
fn check_cut<T: PartialEq + Debug>(found: &[T], all: &[T], limit: Limit) -> Result<(), String> {
    let most = (limit.items.max(1) as usize).min(all.len());
    let fits = found.len() <= most && (!found.is_empty() || all.is_empty());
    let full = limit.bytes < u32::MAX || found.len() == most;
    if !fits || !full {
        return Err(format!("{limit:?} cut {} items to {}", all.len(), found.len()));
    }
    same("items", found, &all[..found.len()])
}
