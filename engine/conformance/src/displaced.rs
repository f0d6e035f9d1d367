//! What must follow if the files of an open store are deleted, moved or replaced.

use std::path::Path;

use syncline::StoreError;
use syncline::store::{Retry, Storage};

use crate::file_store::Open;
use crate::{Author, Scratch, Subject, appends, run};

/// Opens a store at a path with this name, writes to it, and does `act` to its path. From then on no commit is acknowledged, and
/// everyone who asks learns why. Otherwise a process acknowledges commits in files that nobody finds again.
///
/// # Panics
/// If that does not hold, or if a message does not contain `why`.
pub fn nothing_is_acknowledged_after<S: Storage>(name: &str, open: Open<S>, act: impl FnOnce(&Path), why: &str) {
    run::law(async {
        let scratch = Scratch::default();
        let path = scratch.renew().join(name);
        let storage = open(&path).expect("it can be created");
        let store = Subject::open(&storage, "notes").await;
        let mut ann = Author::new(1);
        store.commit(appends([ann.write(1)])).await;
        storage.ready().await.expect("nothing has happened to its files");
        act(&path);
        let error = storage.ready().await.expect_err("the storage is not ready without its files");
        assert!(error.to_string().contains(why), "{error}");
        let error = store.refusal(appends([ann.write(1)])).await;
        assert!(matches!(error, StoreError::Backend { retry: Retry::Never, .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
        let asked = store.store().status().await.expect_err("the store says so until it is opened again");
        for error in [store.refusal(appends([ann.write(1)])).await, asked] {
            assert!(matches!(&error, StoreError::Poisoned { why: told, .. } if told.contains(why)), "{error:?}");
        }
        assert!(matches!(storage.ready().await, Err(StoreError::Poisoned { .. })));
    });
}
