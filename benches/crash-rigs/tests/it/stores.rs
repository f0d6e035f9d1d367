//! Stores that nobody crashes.

use syncline::store::WriteBatch;
use syncline_crash::check::check;
use syncline_crash::ledger::Ledger;
use syncline_crash::open::open;
use syncline_crash::script::Script;
use syncline_crash::setting::{Backend, Setting};

#[tokio::test]
async fn every_setting_opens_what_it_says_and_keeps_it_when_it_is_closed() {
    for setting in Setting::ALL.into_iter().filter(|setting| setting.backend != Backend::Postgres) {
        let folder = tempfile::tempdir().unwrap();
        let script = Script::new(3);
        let origin = script.origin(0, 1);
        {
            let storage = open(setting, folder.path(), None).await.unwrap();
            assert_eq!(storage.durability(), setting.durability(), "{setting}");
            let store = storage.open(&script.space(0)).await.unwrap();
            let next = script.next(origin, store.status().await.unwrap().heads.get(origin), 100);
            let clock = next.head().time;
            store.commit(WriteBatch { runs: vec![next], clock, ..WriteBatch::default() }).await.unwrap();
        }
        let storage = open(setting, folder.path(), None).await.unwrap();
        let mut ledger = Ledger::default();
        ledger.spaces.entry(0).or_default().writers.entry(1).or_default().ends.insert(100);
        let report = check(&*storage, script, &ledger).await.unwrap();
        assert_eq!((report.bundles, report.findings), (100, vec![]), "{setting}");
    }
}

#[tokio::test]
async fn a_postgres_store_needs_a_url() {
    let folder = tempfile::tempdir().unwrap();
    let setting: Setting = "postgres-synced".parse().unwrap();
    assert!(open(setting, folder.path(), None).await.is_err());
}
