//! Tables that somebody has laid hands on.

use syncline::store::{Limit, Storage, StoreError};
use syncline::{Cursor, Seq};
use syncline_conformance::{Author, Subject, appends, dot, voids};
use syncline_postgres_testing::Scratch;

use crate::fixture::{by_hand, notes, open, scratch};

/// Three runs of one origin at positions 1 to 2, 3 to 4, 5 to 6.
async fn written() -> (Scratch, Subject, Author) {
    let scratch = scratch();
    let storage = open(&scratch).await;
    let store = notes(&storage).await;
    let mut ann = Author::new(1);
    for _ in 0..3 {
        store.commit(appends([ann.write(2)])).await;
    }
    (scratch, store, ann)
}

/// Reads everything in both ways, and gives what fails.
async fn failures(store: &Subject, ann: &Author) -> Vec<StoreError> {
    let log = match store.store().status().await {
        Ok(status) => status.log,
        Err(error) => return vec![error],
    };
    let page = store.store().read(Cursor::start(log), Limit::PAGE).await;
    let origin = store.store().read_origin(ann.origin(), Seq::ZERO, Limit::PAGE).await;
    page.map(drop).err().into_iter().chain(origin.map(drop).err()).collect()
}

fn assert_corrupt(errors: &[StoreError], count: usize, at: &str) {
    assert_eq!(errors.len(), count, "{errors:?}");
    for error in errors {
        assert!(matches!(error, StoreError::Corrupt { .. }) && error.to_string().contains(at), "{error}");
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_run_is_noticed() {
    let (scratch, store, ann) = written().await;
    let flip = |bit: u32| format!("UPDATE runs SET run = set_bit(run, {bit}, 1 - get_bit(run, {bit})) WHERE last = 4");
    let bits = 8 * store.page(2, Limit::items(2)).await.runs[0].run.as_bytes().len() as u32;
    for bit in (0..bits).step_by(5) {
        by_hand(&scratch, flip(bit)).await;
        assert_corrupt(&failures(&store, &ann).await, 2, "space notes, run up to 4");
        by_hand(&scratch, flip(bit)).await;
    }
    assert_corrupt(&failures(&store, &ann).await, 0, "");
}

#[tokio::test]
async fn a_run_that_is_cut_or_of_another_place_is_noticed() {
    for damage in [
        "UPDATE runs SET run = substring(run FROM 1 FOR octet_length(run) - 1) WHERE last = 4",
        "UPDATE runs SET run = '' WHERE last = 4",
        "UPDATE runs SET run = (SELECT run FROM runs WHERE last = 2) WHERE last = 4",
        "UPDATE runs SET previous = (SELECT previous FROM runs WHERE last = 2) WHERE last = 4",
        "UPDATE runs SET previous = '\\x00' WHERE last = 4",
    ] {
        let (scratch, store, ann) = written().await;
        by_hand(&scratch, damage).await;
        assert_corrupt(&failures(&store, &ann).await, 2, "run");
    }
}

#[tokio::test]
async fn a_run_that_is_gone_is_noticed_wherever_it_was() {
    for last in [2, 4, 6] {
        let (scratch, store, ann) = written().await;
        by_hand(&scratch, format!("DELETE FROM runs WHERE last = {last}")).await;
        assert_corrupt(&failures(&store, &ann).await, 2, "missing");
    }
}

#[tokio::test]
async fn an_entry_that_an_index_has_lost_makes_no_answer_short_and_is_found_by_the_check() {
    let (scratch, store, mut ann) = written().await;
    let storage = open(&scratch).await;
    assert!(storage.check().await.unwrap().contains("CREATE EXTENSION amcheck"));
    by_hand(&scratch, "CREATE EXTENSION amcheck").await;
    assert!(storage.check().await.unwrap().contains("tables, by amcheck"));
    let keep = |kept| format!("UPDATE pg_index SET indisready = {kept} WHERE indexrelid = 'runs_by_origin'::regclass");
    by_hand(&scratch, keep(false)).await;
    store.commit(appends([ann.write(2)])).await;
    by_hand(&scratch, keep(true)).await;
    let error = store.store().read_origin(ann.origin(), Seq::new(6), Limit::PAGE).await.unwrap_err();
    assert_corrupt(&[error], 1, "missing");
    assert_corrupt(&[storage.check().await.unwrap_err()], 1, "checking tables and indices");
}

#[tokio::test]
async fn a_head_that_an_index_has_lost_is_noticed() {
    let (scratch, store, ann) = written().await;
    by_hand(&scratch, "DELETE FROM heads").await;
    assert_corrupt(&failures(&store, &ann).await, 1, "its heads tell of 0 bundles");
}

#[tokio::test]
async fn a_head_that_does_not_read_back_is_noticed() {
    for damage in [
        "UPDATE heads SET chain = '\\x00'",
        "UPDATE heads SET seq = -1",
        "UPDATE heads SET origin = decode(repeat('00', 16), 'hex')",
        "UPDATE spaces SET clock = ''",
        "UPDATE spaces SET head = -1",
        "UPDATE spaces SET log = ''",
        "INSERT INTO views VALUES ('notes', 'no view', 1)",
        "DELETE FROM spaces",
    ] {
        let (scratch, store, ann) = written().await;
        by_hand(&scratch, damage).await;
        assert_corrupt(&failures(&store, &ann).await, 1, "");
    }
}

#[tokio::test]
async fn a_void_of_a_bundle_that_is_gone_changes_nothing() {
    let (scratch, store, ann) = written().await;
    by_hand(&scratch, "DELETE FROM runs WHERE last = 4").await;
    assert_corrupt(&[store.refusal(voids([dot(&ann, 1), dot(&ann, 3)])).await], 1, "bundle");
    assert_eq!(store.status().await.revision.get(), 3);
    store.commit(voids([dot(&ann, 1)])).await;
}

#[tokio::test]
async fn tables_that_are_gone_are_told_with_advice() {
    let (scratch, store, _) = written().await;
    by_hand(&scratch, "DROP TABLE runs CASCADE").await;
    let log = store.status().await.log;
    let error = store.store().read(Cursor::start(log), Limit::PAGE).await.unwrap_err();
    assert!(error.to_string().contains("restore them"), "{error}");
    let error = store.refusal(appends([Author::new(2).write(1)])).await;
    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
}
