//! Behind PgBouncer, which managed databases put before the server.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use syncline::NTP64;
use syncline::authority::accounts::Accounts;
use syncline::id::Revision;
use syncline::store::{Durability, Limit, Retry, Storage, WriteBatch};
use syncline_conformance::{Author, Content, appends, dot, placed, puts, store_suite, view, voids};
use syncline_postgres::PostgresOptions;
use syncline_postgres_testing::{Pooler, Scratch, Server};

use crate::conformance::Postgres;
use crate::fixture::{by_hand, notes, open, options, until_it_works};

/// What a pooler may be told to do with parameters that it does not know.
const IGNORES: [&str; 3] =
    ["", "ignore_startup_parameters = extra_float_digits", "ignore_startup_parameters = options,extra_float_digits"];

/// How to open a schema by way of a pooler.
fn through(pooler: &Pooler, scratch: &Scratch) -> PostgresOptions {
    PostgresOptions::new(pooler.url()).schema(scratch.schema())
}

/// Another program behind the same pooler.
async fn stranger(pooler: &Pooler) -> PgConnection {
    let options: PgConnectOptions = pooler.url().parse().unwrap();
    let options = options.extra_float_digits(None).application_name("a stranger");
    PgConnection::connect_with(&options).await.unwrap()
}

/// A schema of the shared server behind a pooler in transaction mode.
fn pooled(scratch: &Scratch) -> PostgresOptions {
    static POOLER: OnceLock<Option<Pooler>> = OnceLock::new();
    let settings = "pool_mode = transaction\ndefault_pool_size = 20";
    let pooler = POOLER.get_or_init(|| Pooler::start(Server::shared_own(), settings));
    // Without a pooler, which `Pooler::start` says, the laws are those of the server alone.
    let options = pooler.as_ref().map_or_else(|| options(scratch), |pooler| through(pooler, scratch));
    options.poll_interval(Duration::from_millis(20))
}

store_suite!(Postgres::new(Server::shared_own, pooled));

#[tokio::test(flavor = "multi_thread")]
async fn two_schemas_that_share_every_session_share_nothing_else() {
    for mode in ["transaction", "session"] {
        for ignores in IGNORES {
            // In session mode each connection needs a session, and finds there what another one has left.
            let size = if mode == "session" { 40 } else { 1 };
            let settings = format!(
                "pool_mode = {mode}\ndefault_pool_size = {size}\nserver_reset_query =\nserver_round_robin = 1\n{ignores}"
            );
            let server = Server::shared_own();
            let Some(pooler) = Pooler::start(server, &settings) else { return };
            let scratches = [server.scratch(), server.scratch()];
            let writing = scratches.iter().zip(1..).map(async |(scratch, byte)| {
                let storage = through(&pooler, scratch).open().await.unwrap();
                let (store, mut author, mut written) = (notes(&storage).await, Author::new(byte), Vec::new());
                for round in 0..10 {
                    written.push(author.write(1));
                    let rows = puts(&view("todo@1"), &[("count", [round])]);
                    let batch = appends([written[written.len() - 1].clone()]);
                    store.commit(WriteBatch { rows, ..batch }).await;
                    assert_eq!(store.log().await, placed(1, &written), "{settings}");
                    assert_eq!(store.row(&view("todo@1"), "count").await.unwrap()[0], round, "{settings}");
                }
                store.commit(voids([dot(&author, 3)])).await;
                let third = &store.log_after(2, Limit::items(1)).await[0];
                assert!(matches!(third.content, Content::Void { .. }), "{settings}");
                let accounts = storage.accounts(Arc::new(|| NTP64(1))).await.unwrap();
                accounts.add_user(&"ann".parse().unwrap()).await.unwrap();
                assert_eq!(accounts.list().await.unwrap().users.len(), 1, "{settings}");
                assert!(storage.check().await.is_ok(), "{settings}");
            });
            join_all(writing).await;
        }
    }
}

/// A trigger that lets nothing be committed unless the session is set as it must be.
fn guard(scratch: &Scratch) -> String {
    format!(
        "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('synchronous_commit') <> 'on' OR current_setting('transaction_isolation') <> 'read committed'
                OR current_setting('search_path') <> '{}' OR current_setting('lock_timeout') <> '10s'
            THEN RAISE 'the session is set otherwise'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER guard BEFORE UPDATE ON spaces FOR EACH ROW EXECUTE FUNCTION guard()",
        scratch.schema()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_leave_in_a_session_is_not_taken_for_ones_own_setting() {
    let server = Server::start();
    for mode in ["transaction", "session"] {
        // One server session, which everybody gets and nobody cleans.
        let settings = format!("pool_mode = {mode}\ndefault_pool_size = 1\nserver_reset_query =");
        let Some(pooler) = Pooler::start(&server, &settings) else { return };
        let (scratch, elsewhere) = (server.scratch(), server.scratch());
        drop(open(&elsewhere).await);
        let leave = format!(
            "SET synchronous_commit = off; SET search_path = {}; SET default_transaction_isolation = 'serializable';
            SET lock_timeout = 1; SET enable_seqscan = on",
            elsewhere.schema()
        );
        let pollute = async || {
            let mut stranger = stranger(&pooler).await;
            stranger.execute(AssertSqlSafe(leave.clone())).await.unwrap();
            // A statement by the name `sqlx_s_1` stays, too, if none is there yet.
            drop(sqlx::query("SELECT $1::text").bind("a name").execute(&mut stranger).await);
            stranger.close().await.unwrap();
        };
        pollute().await;
        let one_at_a_time = through(&pooler, &scratch).connections_max(std::num::NonZeroU32::MIN);
        let storage = one_at_a_time.open().await.unwrap();
        assert_eq!(storage.durability(), Durability::Synced);
        let store = notes(&storage).await;
        by_hand(&scratch, guard(&scratch)).await;
        let mut ann = Author::new(1);
        for round in 1..=3 {
            if mode == "transaction" {
                pollute().await;
            }
            store.commit(appends([ann.write(1)])).await;
            store.commit(voids([dot(&ann, round)])).await;
            assert_eq!(store.log().await.len() as u64, round);
        }
        assert!(notes(&open(&elsewhere).await).await.log().await.is_empty());
    }
}

#[tokio::test]
async fn settings_that_the_url_names_hold_behind_a_pooler_too() {
    let server = Server::start();
    for ignores in IGNORES {
        let Some(pooler) = Pooler::start(&server, &format!("pool_mode = transaction\n{ignores}")) else { return };
        let scratch = server.scratch();
        let url = format!("{}&options=-c%20synchronous_commit=off", pooler.url());
        let storage = PostgresOptions::new(url).schema(scratch.schema()).open().await.unwrap();
        assert_eq!(storage.durability(), Durability::Process);
        let asynchronous = through(&pooler, &scratch).asynchronous_commit().open().await.unwrap();
        assert_eq!(asynchronous.durability(), Durability::Process);
        assert_eq!(through(&pooler, &scratch).open().await.unwrap().durability(), Durability::Synced);
        let url = format!("{}&options=-e", pooler.url());
        let error = PostgresOptions::new(url).schema(scratch.schema()).open().await.unwrap_err();
        assert!(error.retry() == Retry::Never && error.to_string().contains("pooler"), "{error}");
    }
}

#[tokio::test]
async fn a_pooler_that_changes_sessions_within_a_transaction_is_refused_with_advice() {
    for ignores in IGNORES {
        let settings = format!("pool_mode = statement\n{ignores}");
        let Some(pooler) = Pooler::start(Server::shared_own(), &settings) else { return };
        let scratch = Server::shared_own().scratch();
        let error = through(&pooler, &scratch).open().await.unwrap_err();
        assert!(error.retry() == Retry::Never, "{error}");
        for part in ["pooler", "pool_mode = transaction"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_behind_a_pooler_is_woken_by_what_other_processes_commit() {
    for mode in ["transaction", "session"] {
        let server = Server::shared_own();
        let settings = format!("pool_mode = {mode}\ndefault_pool_size = 20");
        let Some(pooler) = Pooler::start(server, &settings) else { return };
        let scratch = server.scratch();
        let storage = through(&pooler, &scratch).poll_interval(Duration::from_millis(20)).open().await.unwrap();
        let (store, other) = (notes(&storage).await, notes(&open(&scratch).await).await);
        for round in 0..3 {
            let mut waiting = Box::pin(store.changed(Revision::new(round)));
            assert!(poll!(&mut waiting).is_pending());
            other.commit(WriteBatch::default()).await;
            assert_eq!(waiting.await, Revision::new(round + 1));
        }
        // And the other way round: who listens hears of commits that go through the pooler.
        let listening = options(&scratch).poll_interval(Duration::from_secs(3_600)).open().await.unwrap();
        let listening = notes(&listening).await;
        let mut waiting = Box::pin(listening.changed(Revision::new(3)));
        assert!(poll!(&mut waiting).is_pending());
        until_somebody_listens(&scratch).await;
        store.commit(WriteBatch::default()).await;
        assert_eq!(waiting.await, Revision::new(4));
    }
}

async fn until_somebody_listens(scratch: &Scratch) {
    let mut connection = scratch.connect().await;
    let select = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND application_name = $1";
    loop {
        let count: i64 = sqlx::query_scalar(select).bind(scratch.schema()).fetch_one(&mut connection).await.unwrap();
        if count > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_behind_a_pooler_is_found_again() {
    let server = Server::start();
    let Some(pooler) = Pooler::start(&server, "pool_mode = transaction") else { return };
    let scratch = server.scratch();
    let storage = through(&pooler, &scratch).open().await.unwrap();
    let store = notes(&storage).await;
    let (mut ann, mut written) = (Author::new(1), Vec::new());
    for _ in 0..3 {
        written.push(ann.write(1));
        store.commit(appends([written[written.len() - 1].clone()])).await;
        let before = store.status().await;
        server.restart();
        let after = until_it_works(async || store.store().status().await).await;
        assert_eq!((after.log, after.revision), (before.log, before.revision), "a restart is no failover");
        assert_eq!(store.log().await, placed(1, &written));
    }
}
