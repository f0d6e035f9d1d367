//! Files that are damaged.

use syncline::format::{Head, VerifiedRun};
use syncline::store::{Limit, Storage, WriteBatch};
use syncline::{Cursor, Position, StoreError};
use syncline_conformance::{Author, Placed, appends, dot, placed, puts, space, unpack, view, voids};
use syncline_sqlite::SqliteStorage;

use crate::file::{Place, subject};

/// A file with a few runs and rows, closed.
async fn filled(place: &Place) -> Vec<Placed> {
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let (mut ann, mut bob, mut written) = (Author::new(1), Author::new(2), Vec::new());
    for round in 0..20 {
        written.extend([ann.write(40), bob.write(1)]);
        let batch = appends(written[2 * round..].iter().cloned());
        let rows = puts(&view("todo@1"), &[(format!("key {round}"), "v".repeat(900))]);
        store.commit(WriteBatch { rows, ..batch }).await;
    }
    placed(1, &written)
}

/// All that the file still says, or the first error. What does not hash to its chain counts as an error: a peer notices.
async fn read_all(place: &Place) -> Result<Vec<Placed>, StoreError> {
    let storage = SqliteStorage::at(place.path())?;
    let store = storage.open(&space("notes")).await?;
    let status = store.status().await?;
    let mut cursor = Cursor::start(status.log);
    let (mut all, mut heads) = (Vec::new(), syncline::format::Heads::new());
    loop {
        let page = store.read(cursor, Limit::PAGE).await?;
        for stored in &page.runs {
            let verified = VerifiedRun::verify(stored.run.clone(), heads.get(stored.run.origin()));
            let verified = verified.map_err(|error| damaged(error.to_string()))?;
            if verified.previous() != stored.previous {
                return Err(damaged("another hash before the run".into()));
            }
            heads.set(stored.run.origin(), verified.head());
        }
        all.extend(unpack(&page.runs));
        if page.is_last() {
            return if heads == status.heads { Ok(all) } else { Err(damaged("other heads".into())) };
        }
        cursor = page.next;
    }
}

fn damaged(why: String) -> StoreError {
    StoreError::Corrupt { backend: "test", at: "the log".into(), why }
}

#[tokio::test]
async fn a_file_that_is_cut_off_anywhere_is_an_error_and_never_another_log() {
    let place = Place::new();
    filled(&place).await;
    let whole = std::fs::read(place.path()).unwrap();
    for length in
        [1, 15, 16, 60, 99, 100, 512, 4_095, 4_096, 10_000, whole.len() / 2, whole.len() - 4_096, whole.len() - 1]
    {
        std::fs::write(place.path(), &whole[..length]).unwrap();
        let error = read_all(&place).await.unwrap_err();
        let typed = matches!(error, StoreError::Corrupt { .. } | StoreError::UnsupportedFormat { .. });
        assert!(typed, "cut to {length}: {error:?}");
    }
}

#[tokio::test]
async fn a_damaged_page_gives_an_error_or_the_log_as_it_was() {
    let place = Place::new();
    let log = filled(&place).await;
    let whole = std::fs::read(place.path()).unwrap();
    let mut errors = 0;
    for start in (0..whole.len()).step_by(4_096) {
        let mut bytes = whole.clone();
        bytes[start + 1_000..start + 3_500].fill(0xa5);
        std::fs::write(place.path(), bytes).unwrap();
        match read_all(&place).await {
            Ok(read) => assert_eq!(read, log, "page at {start}"),
            Err(StoreError::Corrupt { .. }) => errors += 1,
            Err(other) => panic!("page at {start}: {other:?}"),
        }
    }
    assert!(errors > 3, "{errors}");
}

#[tokio::test]
async fn a_flipped_bit_gives_an_error_or_the_log_as_it_was() {
    let place = Place::new();
    let log = filled(&place).await;
    let whole = std::fs::read(place.path()).unwrap();
    let mut errors = 0;
    // A sample of the header, the file's version among it, and of all pages.
    for at in (0..100).step_by(3).chain([47]).chain((100..whole.len()).step_by(1_999)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(place.path(), bytes).unwrap();
        match read_all(&place).await {
            Ok(read) => assert_eq!(read, log, "byte {at}"),
            Err(StoreError::Corrupt { .. } | StoreError::UnsupportedFormat { .. }) => errors += 1,
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
    assert!(errors > 10, "{errors}");
}

#[tokio::test]
async fn a_run_that_does_not_read_back_is_named_by_space_and_position() {
    let place = Place::new();
    filled(&place).await;
    place.by_hand().execute("UPDATE runs SET run = x'0102' WHERE id & 0xffffffffff = 41", []).unwrap();
    let error = read_all(&place).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }));
    assert!(error.to_string().contains("space notes, the run that ends at position 41"), "{error}");
}

#[tokio::test]
async fn a_run_that_is_missing_ends_the_page_with_an_error() {
    for (at, missing) in [(41, 41), (40, 1), (20 * 41, 820)] {
        let place = Place::new();
        filled(&place).await;
        place.by_hand().execute("DELETE FROM runs WHERE id & 0xffffffffff = ?1", [at]).unwrap();
        let error = read_all(&place).await.unwrap_err();
        assert!(error.to_string().contains(&format!("position {missing}:")), "{error}");
    }
}

#[tokio::test]
async fn numbers_that_no_log_has_are_damage() {
    let wrong = [
        "UPDATE spaces SET revision = -1",
        "UPDATE spaces SET log = zeroblob(16)",
        "UPDATE spaces SET clock = x'00'",
        "UPDATE spaces SET folded = 'nonsense'",
        "UPDATE heads SET seq = -5",
        "UPDATE heads SET origin = zeroblob(16) WHERE id = 1",
        "UPDATE heads SET chain = x'01'",
        "UPDATE views SET name = 'no version'",
        "UPDATE runs SET previous = x''",
    ];
    for change in wrong {
        let place = Place::new();
        filled(&place).await;
        assert!(place.by_hand().execute(change, []).unwrap() > 0, "{change}");
        let error = read_all(&place).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{change}: {error:?}");
    }
}

#[tokio::test]
async fn damage_in_one_space_does_not_stop_another() {
    let place = Place::new();
    filled(&place).await;
    place.by_hand().execute("UPDATE runs SET run = x'00' WHERE seq = 40", []).unwrap();
    let storage = place.open();
    let (notes, other) = (subject(&storage, "notes").await, subject(&storage, "other").await);
    let void = voids([dot(&Author::new(1), 7)]);
    let (refused, done) = futures_util::join!(notes.refusal(void), other.commit(appends([Author::new(1).write(1)])));
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    assert_eq!(done.head, Position::new(1));
    assert_eq!(notes.status().await.heads.get(Author::new(9).origin()), Head::NONE);
}
