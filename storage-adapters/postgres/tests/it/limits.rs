//! Time-outs and full things.

use std::num::NonZeroU32;
use std::time::Duration;

use syncline::store::{Retry, StoreError, WriteBatch};
use syncline_conformance::{Author, Subject, appends, placed};
use syncline_postgres_testing::Scratch;

use crate::fixture::{Holder, by_hand, notes, options, scratch};

/// Long enough for what is not held up, on a busy machine too.
const SHORT: Duration = Duration::from_secs(1);

/// Commits while another program holds the space, fails, and commits again.
async fn assert_fails_while_held(scratch: &Scratch, store: &Subject, told: &str) {
    let mut ann = Author::new(1);
    let written = [ann.write(1), ann.write(1)];
    store.commit(appends([written[0].clone()])).await;
    let holder = Holder::of(scratch).await;
    let error = store.refusal(appends([written[1].clone()])).await;
    assert!(matches!(error, StoreError::Backend { retry: Retry::Later, .. }), "{error:?}");
    assert!(error.to_string().contains(told), "{error}");
    holder.let_go().await;
    assert_eq!(store.log().await, placed(1, &written[..1]));
    store.commit(appends([written[1].clone()])).await;
    assert_eq!(store.log().await, placed(1, &written));
}

#[tokio::test]
async fn a_commit_that_waits_too_long_for_another_program_fails_and_changes_nothing() {
    let scratch = scratch();
    let storage = options(&scratch).lock_timeout(SHORT).open().await.unwrap();
    assert_fails_while_held(&scratch, &notes(&storage).await, "raise the lock timeout").await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_fails_and_changes_nothing() {
    let scratch = scratch();
    let storage = options(&scratch).lock_timeout(Duration::ZERO).statement_timeout(SHORT).open().await.unwrap();
    assert_fails_while_held(&scratch, &notes(&storage).await, "raise the statement timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_finds_no_connection_says_so() {
    let scratch = scratch();
    let options = options(&scratch).connections_max(NonZeroU32::MIN).connect_timeout(SHORT);
    let storage = options.open().await.unwrap();
    let store = notes(&storage).await;
    let mut holder = Holder::of(&scratch).await;
    let committing = tokio::spawn({
        let store = store.clone();
        async move { store.commit(WriteBatch::default()).await }
    });
    holder.somebody_waits(&scratch).await;
    let error = store.store().status().await.unwrap_err();
    assert!(matches!(error, StoreError::Backend { retry: Retry::Later, .. }), "{error:?}");
    assert!(error.to_string().contains("connections"), "{error}");
    holder.let_go().await;
    committing.await.unwrap();
    assert_eq!(store.status().await.revision.get(), 1);
}

#[tokio::test]
async fn a_full_disk_is_told_as_one_and_nothing_is_half_written() {
    let scratch = scratch();
    let storage = options(&scratch).open().await.unwrap();
    let store = notes(&storage).await;
    let mut ann = Author::new(1);
    let written = [ann.write(1), ann.write(1)];
    store.commit(appends([written[0].clone()])).await;
    // The server meets the full disk where it writes the runs, after it has moved the head.
    by_hand(
        &scratch,
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION fill()",
    )
    .await;
    let error = store.refusal(appends([written[1].clone()])).await;
    assert!(matches!(error, StoreError::Backend { retry: Retry::Later, .. }), "{error:?}");
    assert!(error.to_string().contains("disk is full"), "{error}");
    by_hand(&scratch, "DROP TRIGGER full_disk ON runs").await;
    assert_eq!(store.log().await, placed(1, &written[..1]));
    store.commit(appends([written[1].clone()])).await;
    assert_eq!(store.log().await, placed(1, &written));
}
