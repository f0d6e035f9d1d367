//! Interrupted imports, repeated ones, and those into a log that is another one.

use syncline::portable::Header;
use syncline::store::{StoreError, WriteBatch};
use syncline::{Dot, Seq};

use super::*;
use crate::world::block_on;

/// A log that fills several frames.
async fn long() -> (Writer, Arc<MemoryStore>) {
    let mut writer = Writer::default();
    let store = log((0..60).map(|number| writer.bundle(1 + number % 3 / 2, &[number; 60_000])).collect()).await;
    (writer, store)
}

#[test]
fn an_interrupted_import_is_continued_from_any_frame() {
    block_on(async {
        let (_, store) = long().await;
        let frames = frames(&store).await;
        let file = frames.concat();
        for whole in 1..frames.len() {
            let copy = memory();
            let stopped = import(&frames[..whole].concat(), &copy).await.unwrap_err();
            assert!(matches!(stopped, Stopped::Read(ReadError::Truncated { frame, .. }) if frame == whole as u64));
            let held = head(&copy).await.get();
            let imported = import(&file, &copy).await.unwrap();
            assert_eq!(imported.added, 60 - held, "{whole} frames had been imported");
            assert_eq!(export(&copy).await, file);
        }
    });
}

#[test]
fn an_import_goes_on_with_a_newer_file_that_cuts_the_runs_elsewhere() {
    block_on(async {
        let mut writer = Writer::default();
        let store = log(vec![writer.bundle(1, b"one"), writer.bundle(1, b"two")]).await;
        let copy = memory();
        import(&export(&store).await, &copy).await.unwrap();
        append(&*store, vec![writer.bundle(1, b"three"), writer.bundle(2, b"four")]).await;
        let newer = export(&store).await;
        assert_eq!(import(&newer, &copy).await.unwrap().added, 2);
        assert_eq!(export(&copy).await, newer);
    });
}

#[test]
fn importing_once_more_changes_nothing() {
    block_on(async {
        let (_, store) = long().await;
        let (file, copy) = (export(&store).await, memory());
        import(&file, &copy).await.unwrap();
        let before = copy.status().await.unwrap();
        assert_eq!(import(&file, &copy).await.unwrap().added, 0);
        assert_eq!(copy.status().await.unwrap(), before, "not even the revision");
    });
}

/// What an import into this log says; it must change nothing.
async fn refused(file: &[u8], copy: &Arc<MemoryStore>) -> ImportError {
    let before = copy.status().await.unwrap();
    let stopped = import(file, copy).await.unwrap_err();
    assert_eq!(copy.status().await.unwrap(), before);
    match stopped {
        Stopped::Import(error) => error,
        Stopped::Read(error) => panic!("{error}"),
    }
}

#[test]
fn a_log_that_is_no_beginning_of_the_files_is_refused_with_the_first_place_that_differs() {
    block_on(async {
        let mut writer = Writer::default();
        let store = log(vec![writer.bundle(1, b"one"), writer.bundle(2, b"two"), writer.bundle(1, b"three")]).await;
        let file = export(&store).await;
        let place = |error| match error {
            ImportError::NotABeginning { at } => at.get(),
            error => panic!("{error}"),
        };
        // Another body.
        let mut other = Writer::default();
        let copy = log(vec![other.bundle(1, b"one"), other.bundle(2, b"tvo")]).await;
        assert_eq!(place(refused(&file, &copy).await), 2);
        // Another order.
        let mut other = Writer { clock: 16, ..Writer::default() };
        let two = other.bundle(2, b"two");
        let one = Writer::default().bundle(1, b"one");
        assert_eq!(place(refused(&file, &log(vec![two, one]).await).await), 1);
        // Void here and not there.
        let mut other = Writer::default();
        let copy = log(vec![other.bundle(1, b"one"), other.bundle(2, b"two")]).await;
        let voids = vec![Dot { origin: id(2), seq: Seq::new(1) }];
        copy.commit(WriteBatch { voids, ..WriteBatch::default() }).await.unwrap();
        assert_eq!(place(refused(&file, &copy).await), 2);
        // Another log.
        let copy = log(vec![Writer::default().bundle(3, b"one")]).await;
        assert_eq!(place(refused(&file, &copy).await), 1);
    });
}

#[test]
fn a_log_that_goes_on_where_the_file_ends_is_refused() {
    block_on(async {
        let mut writer = Writer::default();
        let store = log(vec![writer.bundle(1, b"one")]).await;
        let older = export(&store).await;
        append(&*store, vec![writer.bundle(1, b"two")]).await;
        let error = refused(&older, &store).await;
        assert!(matches!(error, ImportError::Longer { log, file } if (log.get(), file.get()) == (2, 1)), "{error}");
    });
}

#[test]
fn somebody_else_who_writes_meanwhile_is_noticed() {
    block_on(async {
        let (_, store) = long().await;
        let (mut reader, copy) = (Reader::new(), memory());
        reader.push(&export(&store).await);
        let Some(Part::Header(header)) = reader.part().unwrap() else { panic!("a header comes first") };
        let mut importer = Importer::begin(copy.clone(), header).await.unwrap();
        importer.take(reader.part().unwrap().unwrap()).await.unwrap();
        append(&*copy, vec![Writer::default().bundle(9, b"mine")]).await;
        let error = importer.take(reader.part().unwrap().unwrap()).await.unwrap_err();
        assert!(matches!(error, ImportError::Store(StoreError::Conflict { .. })), "{error}");
    });
}

#[test]
fn an_import_without_the_files_end_is_not_taken_for_a_whole_one() {
    block_on(async {
        let (_, store) = long().await;
        let (mut reader, copy) = (Reader::new(), memory());
        reader.push(&export(&store).await);
        let mut importer = None;
        while let Some(part) = reader.part().unwrap() {
            match (part, &mut importer) {
                (Part::Header(header), _) => importer = Some(Importer::begin(copy.clone(), header).await.unwrap()),
                (Part::End(_), _) => {}
                (part, importer) => importer.as_mut().unwrap().take(part).await.unwrap(),
            }
        }
        let error = importer.unwrap().finish().await.unwrap_err();
        assert!(matches!(error, ImportError::Unfinished { at } if at.get() == 60), "{error}");
    });
}

#[test]
fn heads_other_than_announced_are_noticed_in_the_end() {
    block_on(async {
        let mut writer = Writer::default();
        let store = log(vec![writer.bundle(1, b"one")]).await;
        let mut reader = Reader::new();
        reader.push(&export(&store).await);
        let Some(Part::Header(header)) = reader.part().unwrap() else { panic!("a header comes first") };
        let lying = Header { heads: Writer::default().heads, ..header };
        let mut importer = Importer::begin(memory(), lying).await.unwrap();
        while let Some(part) = reader.part().unwrap() {
            importer.take(part).await.unwrap();
        }
        let error = importer.finish().await.unwrap_err();
        assert!(matches!(error, ImportError::HeadsDiffer), "{error}");
    });
}
