//! What holds for every store on files that takes one process at a time, beside the laws: it says that it is in use, is there again when it
//! is opened again, and bears a full disk.

use std::path::{Path, PathBuf};

use syncline::store::{Limit, RowRange, Storage, StoreError, WriteBatch};
use syncline::{Cursor, Position, Seq};

use crate::{Author, Image, Scratch, Subject, appends, dot, placed, puts, run, space, unpack, view, voids};

/// Makes each of these a test of its own. The expression is a function that opens a path, which may not exist yet, and gives a storage
/// with a `Debug` form, or an error.
///
/// A test file with several suites gives each a module of its own.
#[macro_export]
macro_rules! file_store_suite {
    ($open:expr) => {
        #[test]
        fn a_second_open_is_told_that_the_store_is_in_use_by_any_handle() {
            $crate::file_store::a_second_open_is_told_that_the_store_is_in_use_by_any_handle($open);
        }

        #[test]
        fn everything_is_there_again_however_often_it_is_reopened_at_once() {
            $crate::file_store::everything_is_there_again_however_often_it_is_reopened_at_once($open);
        }

        #[cfg(unix)]
        #[test]
        fn another_process_is_told_that_the_store_is_in_use_until_it_is_closed() {
            let test = "another_process_is_told_that_the_store_is_in_use_until_it_is_closed";
            let name = $crate::elsewhere::name(module_path!(), test);
            $crate::file_store::another_process_is_told_that_the_store_is_in_use_until_it_is_closed(&name, $open);
        }

        #[cfg(unix)]
        #[test]
        fn a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged() {
            let test = "a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged";
            let name = $crate::elsewhere::name(module_path!(), test);
            $crate::file_store::a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged(&name, $open);
        }
    };
}

/// Opens a path.
pub type Open<S> = fn(&Path) -> Result<S, StoreError>;

/// A place for a store, which is deleted with what is returned beside it.
fn place() -> (Scratch, PathBuf) {
    let scratch = Scratch::default();
    let path = scratch.renew().join("store");
    (scratch, path)
}

/// Writes something of everything to one space: runs, voids, rows and a view. Always the same.
///
/// # Panics
/// If the store fails.
pub async fn fill(storage: &dyn Storage) -> Image {
    let store = Subject::open(storage, "notes").await;
    let (mut ann, mut bob, todo) = (Author::new(1), Author::new(2), view("todo@1"));
    for round in 0..12u8 {
        let rows = puts(&todo, &[(vec![round], vec![b'v'; 200]), (vec![round % 3, round], vec![round; 10])]);
        let views = vec![(todo.clone(), Position::new(9 * u64::from(round)))];
        store.commit(WriteBatch { rows, views, ..appends([ann.write(8), bob.write(1)]) }).await;
    }
    store.commit(voids([dot(&ann, 7), dot(&bob, 12)])).await;
    store.image(&[todo]).await
}

/// All that a storage says of what [`fill`] has written, the log in both ways of reading.
///
/// # Errors
/// The first that the store gives.
///
/// # Panics
/// If the two ways of reading show two logs.
pub async fn read_all(storage: &dyn Storage) -> Result<Image, StoreError> {
    let store = storage.open(&space("notes")).await?;
    let (status, todo) = (store.status().await?, view("todo@1"));
    let log = unpack(&store.read(Cursor::start(status.log), Limit::PAGE).await?.runs);
    let mut own = Vec::new();
    for (origin, _) in status.heads.iter() {
        own.extend(unpack(&store.read_origin(origin, Seq::ZERO, Limit::PAGE).await?));
    }
    own.sort_by_key(|placed| placed.position);
    assert!(own == log, "both ways of reading show one log");
    let rows = store.scan(&todo, RowRange::all(), Limit::PAGE).await?;
    Ok(Image { status, log, rows: vec![(todo, rows)] })
}

async fn image(storage: &dyn Storage) -> Image {
    read_all(storage).await.expect("the store reads")
}

/// The storage and every store of it keep it in use, and the last that goes closes it.
///
/// # Panics
/// If that does not hold.
pub fn a_second_open_is_told_that_the_store_is_in_use_by_any_handle<S: Storage>(open: Open<S>) {
    run::law(async {
        let (_scratch, path) = place();
        let first = open(&path).expect("it can be created");
        let store = Subject::open(&first, "notes").await;
        assert!(matches!(open(&path), Err(StoreError::InUse { .. })));
        drop(first);
        assert!(matches!(open(&path), Err(StoreError::InUse { .. })), "a store keeps it in use");
        drop(store);
        open(&path).expect("nobody has it open");
    });
}

/// To close and to open changes nothing, and needs no pause.
///
/// # Panics
/// If that does not hold.
pub fn everything_is_there_again_however_often_it_is_reopened_at_once<S: Storage>(open: Open<S>) {
    run::law(async {
        let (_scratch, path) = place();
        let written = fill(&open(&path).expect("it can be created")).await;
        for _ in 0..10 {
            let storage = open(&path).expect("nobody has it open");
            assert_eq!(image(&storage).await, written);
        }
    });
}

/// The lock holds between processes, and is gone with its holder.
///
/// # Panics
/// If that does not hold.
#[cfg(unix)]
pub fn another_process_is_told_that_the_store_is_in_use_until_it_is_closed<S: Storage>(test: &str, open: Open<S>) {
    use crate::elsewhere;

    if let Some(path) = elsewhere::path() {
        return elsewhere::say(format_args!("{:?}", open(&path)));
    }
    run::law(async {
        let (_scratch, path) = place();
        let storage = open(&path).expect("it can be created");
        let written = fill(&storage).await;
        let said = elsewhere::says(test, &path);
        assert!(said.starts_with("Err(InUse") && said.contains("AnotherProcess"), "{said}");
        assert_eq!(image(&storage).await, written);
        drop(storage);
        let said = elsewhere::says(test, &path);
        assert!(said.starts_with("Ok"), "{said}");
        assert_eq!(image(&open(&path).expect("the other process has ended")).await, written);
    });
}

/// Nothing needs repair when there is room again, and writing goes on.
///
/// # Panics
/// If that does not hold.
#[cfg(unix)]
pub fn a_full_disk_is_an_error_and_costs_nothing_that_was_acknowledged<S: Storage>(test: &str, open: Open<S>) {
    use crate::elsewhere;

    if let Some(path) = elsewhere::path() {
        let mut count = 0;
        run::law(async { count = write_until_full(&open(&path).expect("there is some room")).await });
        return elsewhere::say(count);
    }
    run::law(async {
        let (_scratch, path) = place();
        let acknowledged: usize = elsewhere::says_in_little_room(test, &path).parse().expect("a count");
        let store = Subject::open(&open(&path).expect("there is room again"), "notes").await;
        let (log, written) = (store.log().await, bundles());
        assert!(log.len() >= acknowledged && acknowledged > 5, "{} of {acknowledged}", log.len());
        assert!(log == placed(1, &written)[..log.len()]);
        store.commit(appends([written[log.len()].clone()])).await;
    });
}

/// More than fits.
fn bundles() -> Vec<syncline::format::VerifiedRun> {
    let mut ann = Author::new(1);
    (1..=200u8).map(|round| ann.write_bodies(&[vec![round; 20_000]])).collect()
}

/// Writes until a commit fails. How many did not.
async fn write_until_full(storage: &dyn Storage) -> usize {
    let (store, written) = (Subject::open(storage, "notes").await, bundles());
    for (count, next) in written.iter().enumerate() {
        if let Err(error) = store.store().commit(appends([next.clone()])).await {
            assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
            // If the store does not know what its files hold now, everything says so until it is opened again.
            match store.store().status().await {
                Ok(_) => assert!(
                    store.log().await == placed(1, &written[..count]),
                    "what was acknowledged, and nothing else"
                ),
                Err(error) => assert!(matches!(error, StoreError::Poisoned { .. }), "{error:?}"),
            }
            return count;
        }
    }
    panic!("the disk was never full")
}
