//! Events that a view has put aside: listed, counted while their view is maintained, and gone when the cause is.

use std::sync::Arc;

use crate::world::*;
use bytes::Bytes;
use syncline::authority::AllowAll;
use syncline::projection::{Aside, Cause, Keys, Reads};
use syncline::replica::ReplicaError;
use syncline::store::{EventStore, Limit, RowKey, RowWrite, WriteBatch};
use syncline::{Event, EventRef, EventType, Projection, Replica, Service, Unreadable, ViewId};

/// A version of a program that keeps words by their first letter, and cannot read `?` unless it is told how.
#[derive(Clone, Copy)]
struct Program {
    view: &'static str,
    versions: &'static [u16],
    reads_questions: bool,
}

const OLD: Program = Program { view: "words@1", versions: &[1], reads_questions: false };
const NEW_VIEW: Program = Program { view: "words@2", versions: &[1, 2], reads_questions: true };
const SAME_VIEW: Program = Program { view: "words@1", versions: &[1, 2], reads_questions: false };

fn event_type(version: u16) -> EventType {
    EventType::new("word.added", version)
}

fn word(version: u16, word: &str) -> Event {
    Event::new(event_type(version), word.to_owned())
}

impl Projection for Program {
    type State = std::collections::BTreeSet<String>;

    fn view(&self) -> ViewId {
        ViewId::new(self.view).unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types(self.versions.iter().map(|version| event_type(*version)))
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        keys.push(&event.payload[..1]);
    }

    fn apply(&self, _: &[u8], row: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        if event.payload == b"a?" && !self.reads_questions {
            return Err(Unreadable::new("a question is no word"));
        }
        row.insert(String::from_utf8_lossy(event.payload).into_owned());
        Ok(())
    }
}

fn open(store: &Arc<dyn EventStore>, programs: &[Program]) -> Replica {
    let compose = Replica::compose(space(), store.clone()).clock(Hand::at(100).reader());
    block_on(programs.iter().fold(compose, |compose, program| compose.projection(*program)).open(id(1))).unwrap()
}

fn store() -> Arc<dyn EventStore> {
    memory()
}

fn unreadable(replica: &Replica) -> u64 {
    block_on(replica.status()).unwrap().unreadable
}

fn listed(replica: &Replica) -> Vec<Aside> {
    block_on(replica.unreadable(None, Limit::PAGE)).unwrap()
}

fn count(replica: &Replica, program: Program) -> usize {
    let rows = block_on(replica.view(program).unwrap().all(syncline::store::RowRange::all())).unwrap();
    rows.iter().map(|(_, words)| words.len()).sum()
}

/// The notes in the store, whoever maintains their views.
fn stored(store: &Arc<dyn EventStore>, version: u16) -> usize {
    let view = ViewId::new(&format!("syncline.unreadable@{version}")).unwrap();
    block_on(store.scan(&view, syncline::store::RowRange::all(), Limit::PAGE)).unwrap().len()
}

fn in_sync(replica: &Replica) -> bool {
    block_on(replica.sync(&way(&service(&Hand::at(100))))).unwrap();
    block_on(replica.status()).unwrap().in_sync()
}

#[test]
fn what_is_put_aside_is_listed_with_its_view_its_kind_and_why() {
    let store = store();
    let other = Program { view: "others@7", versions: &[2], reads_questions: true };
    let replica = open(&store, &[OLD, other]);
    let first = block_on(replica.write(&[word(1, "apple"), word(1, "a?")])).unwrap().dot;
    let second = block_on(replica.write(&[word(2, "ant")])).unwrap().dot;
    let listed = listed_in_pages(&replica);
    let told: Vec<_> = listed
        .iter()
        .map(|aside| (aside.view.as_ref().unwrap().as_str(), aside.dot, aside.index, aside.event_type.clone().unwrap()))
        .collect();
    let others = [("others@7", first, 0, event_type(1)), ("others@7", first, 1, event_type(1))];
    assert_eq!(
        told,
        [
            others[0].clone(),
            others[1].clone(),
            ("words@1", first, 1, event_type(1)),
            ("words@1", second, 0, event_type(2))
        ]
    );
    assert_eq!(listed[0].cause, Cause::OtherVersion { version: 1, known: vec![2] });
    assert_eq!(listed[2].cause, Cause::Unreadable("a question is no word".into()));
    assert_eq!(unreadable(&replica), 4);
}

fn listed_in_pages(replica: &Replica) -> Vec<Aside> {
    let mut all: Vec<Aside> = Vec::new();
    loop {
        let page = block_on(replica.unreadable(all.last(), Limit::items(1))).unwrap();
        if page.is_empty() {
            assert_eq!(all, block_on(all_at_once(replica)));
            return all;
        }
        all.extend(page);
    }
}

async fn all_at_once(replica: &Replica) -> Vec<Aside> {
    let mut all: Vec<Aside> = Vec::new();
    loop {
        let page = replica.unreadable(all.last(), Limit::PAGE).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

#[test]
fn a_rebuilt_view_keeps_no_note_of_its_earlier_fold() {
    let store = store();
    block_on(open(&store, &[OLD]).write(&[word(1, "a?"), word(1, "apple")])).unwrap();
    let mended = Program { reads_questions: true, ..OLD };
    let replica = open(&store, &[mended]);
    assert_eq!(unreadable(&replica), 1, "the view has the same name, so nobody knows that its code is another");
    block_on(replica.rebuild(&ViewId::new("words@1").unwrap())).unwrap();
    assert_eq!((unreadable(&replica), stored(&store, 2), count(&replica, mended)), (0, 0, 2));
    assert!(in_sync(&replica));
}

#[test]
fn an_upgrade_to_a_new_version_of_a_view_ends_in_sync_and_the_old_rows_stay_until_they_are_dropped() {
    let store = store();
    block_on(open(&store, &[OLD]).write(&[word(1, "a?"), word(2, "ant"), word(1, "apple")])).unwrap();
    let replica = open(&store, &[NEW_VIEW]);
    assert_eq!((unreadable(&replica), listed(&replica), count(&replica, NEW_VIEW)), (0, vec![], 3));
    assert!(in_sync(&replica));
    let old = ViewId::new("words@1").unwrap();
    assert_eq!(block_on(replica.old_views()).unwrap(), std::slice::from_ref(&old));
    assert_eq!(unreadable(&open(&store, &[OLD])), 2, "the old version sees again what it cannot read");
    block_on(replica.drop_view(&old)).unwrap();
    block_on(replica.drop_view(&old)).unwrap();
    assert_eq!((block_on(replica.old_views()).unwrap(), stored(&store, 2)), (vec![], 0));
    let again = open(&store, &[OLD]);
    assert_eq!((unreadable(&again), count(&again, OLD)), (2, 1), "the log is as it was");
}

#[test]
fn a_view_that_is_maintained_or_the_engines_own_is_not_dropped() {
    let store = store();
    let replica = open(&store, &[OLD]);
    block_on(replica.write(&[word(1, "apple")])).unwrap();
    let maintained = block_on(replica.drop_view(&ViewId::new("words@1").unwrap()));
    assert!(matches!(maintained, Err(ReplicaError::Maintained { .. })), "{maintained:?}");
    let own = block_on(replica.drop_view(&ViewId::new("syncline.peers@1").unwrap()));
    assert!(matches!(own, Err(ReplicaError::NoSuchView { .. })), "{own:?}");
    block_on(replica.drop_view(&ViewId::new("nobodys@1").unwrap())).unwrap();
    assert_eq!(count(&replica, OLD), 1);
}

#[test]
fn a_program_that_reads_a_version_which_an_earlier_one_put_aside_folds_it_at_the_next_opening() {
    let store = store();
    block_on(open(&store, &[OLD]).write(&[word(1, "apple"), word(2, "ant"), word(3, "art")])).unwrap();
    let replica = open(&store, &[SAME_VIEW]);
    assert_eq!((unreadable(&replica), count(&replica, SAME_VIEW)), (1, 2));
    let newest = Program { versions: &[1, 2, 3], ..SAME_VIEW };
    let replica = open(&store, &[newest]);
    assert_eq!((unreadable(&replica), count(&replica, newest)), (0, 3));
    assert!(in_sync(&replica));
}

#[test]
fn stale_notes_of_an_earlier_build_are_gone_after_opening() {
    let store = store();
    let written = block_on(open(&store, &[OLD]).write(&[word(1, "apple"), word(1, "a?")])).unwrap();
    // Earlier builds noted by bundle, index and view, and kept the notes when a view was rebuilt or given up.
    let stale = |view: &str, index: u16| {
        let mut key = written.dot.origin.to_bytes().to_vec();
        key.extend_from_slice(&written.dot.seq.get().to_be_bytes());
        key.extend_from_slice(&index.to_be_bytes());
        key.extend_from_slice(view.as_bytes());
        let key = RowKey::new(ViewId::new("syncline.unreadable@1").unwrap(), Bytes::from(key));
        RowWrite { key, value: Some(Bytes::from_static(b"\x03why")) }
    };
    let rows = vec![stale("words@1", 0), stale("words@1", 1), stale("gone@1", 0), stale("", 0)];
    block_on(store.commit(WriteBatch { rows, ..WriteBatch::default() })).unwrap();
    let replica = open(&store, &[OLD]);
    let dots: Vec<_> = listed(&replica).iter().map(|aside| (aside.dot, aside.index)).collect();
    assert_eq!((dots, stored(&store, 1)), (vec![(written.dot, 1)], 0), "what is still so is still said");
}

#[test]
fn a_refused_bundle_takes_its_notes_along() {
    let clock = Hand::at(100);
    let strict = Service::new(storage(), Arc::new(AllowAll), Arc::new(clock.reader()));
    let strict = Arc::new(strict.with_policy(Arc::new(Forbids("?"))));
    let replica = open(&store(), &[OLD]);
    let refused = block_on(replica.write(&[word(1, "a?")])).unwrap();
    assert_eq!(unreadable(&replica), 1);
    block_on(replica.sync(&way(&strict))).unwrap();
    assert_eq!(unreadable(&replica), 0);
    block_on(replica.forget_dead_letter(refused.dot)).unwrap();
    block_on(replica.sync(&way(&strict))).unwrap();
    assert!(block_on(replica.status()).unwrap().in_sync());
}

#[test]
fn bundles_that_get_other_times_keep_their_notes() {
    let (now, ahead) = (Hand::at(1_000), Hand::at(1_000_000));
    let compose = Replica::compose(space(), memory()).clock(ahead.reader()).projection(OLD);
    let replica = block_on(compose.open(id(1))).unwrap();
    block_on(replica.write(&[word(1, "apple")])).unwrap();
    let dot = block_on(replica.write(&[word(1, "apple"), word(1, "a?")])).unwrap().dot;
    assert_eq!(block_on(replica.sync(&way(&service(&now)))).unwrap().restamped, 2);
    let status = block_on(replica.status()).unwrap();
    assert_eq!((status.unreadable, status.in_sync()), (1, false), "it is as unreadable as before");
    let listed = listed(&replica);
    assert_eq!((listed.len(), listed[0].index, listed[0].dot.seq), (1, 1, dot.seq));
}

#[test]
fn pending_bundles_are_listed_in_pages_until_a_peer_has_answered() {
    let replica = open(&store(), &[OLD]);
    let written: Vec<_> =
        ["apple", "bean", "corn"].iter().map(|name| block_on(replica.write(&[word(1, name)])).unwrap().dot).collect();
    let mut listed: Vec<syncline::replica::PendingBundle> = Vec::new();
    loop {
        let page = block_on(replica.pending(listed.last().map(|last| last.dot), Limit::items(2))).unwrap();
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    assert_eq!(listed.iter().map(|pending| pending.dot).collect::<Vec<_>>(), written);
    assert_eq!(listed[2].events, [word(1, "corn")]);
    assert!(in_sync(&replica));
    assert_eq!(block_on(replica.pending(None, Limit::PAGE)).unwrap(), []);
}
