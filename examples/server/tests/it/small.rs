//! Logs that stay small: snapshots and trims, by command and by the server itself.

use std::sync::Arc;

use syncline::attributes::{Attribute, Attributes, Op, Value};
use syncline::{LogId, MemoryStore, Replica, ReplicaId};

use crate::world::{Home, Serving, compose};

/// A device whose program has the attributes view.
async fn device(byte: u8) -> Replica {
    let store = Arc::new(MemoryStore::new(LogId::from_bytes([byte; 16]).unwrap()));
    compose(store).projection(Attributes).open(ReplicaId::from_bytes([byte; 16]).unwrap()).await.unwrap()
}

async fn write(replica: &Replica, entity: &str, value: &str) {
    let title = Attribute::new(entity, "title").unwrap();
    replica.write(&[Op::set(&title, Value::string(value).unwrap())]).await.unwrap();
}

async fn titles(replica: &Replica) -> usize {
    replica.view(Attributes).unwrap().all(syncline::store::RowRange::all()).await.unwrap().len()
}

async fn filled(serving: &Serving, token: &str) -> Replica {
    let one = device(1).await;
    for number in 0..20 {
        write(&one, &format!("todo/{number}"), "milk").await;
    }
    one.sync(&serving.transport(token)).await.unwrap();
    one
}

#[tokio::test]
async fn a_log_is_trimmed_up_to_a_snapshot_and_a_new_device_begins_with_it() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    assert_eq!(home.ok("trim notes --dry-run"), "space notes: no log yet\n");
    let one = filled(&serving, &token).await;
    let nothing = home.ok("trim notes --dry-run");
    assert!(nothing.starts_with("space notes: 0 bundles would go, up to position 0 of 20\n"), "{nothing}");
    assert!(nothing.contains("no snapshot can take the place of bundles; make one"), "{nothing}");
    let made = home.ok("snapshot make notes");
    assert!(made.contains("20 bundles, 20 rows of attributes@1"), "{made}");
    assert_eq!(home.ok("snapshot list notes"), made);
    let planned = home.ok("trim notes --keep 5 --dry-run");
    assert!(planned.starts_with("space notes: 15 bundles would go, up to position 15 of 20\n"), "{planned}");
    let done = home.ok("trim notes --keep 5");
    assert!(done.starts_with("space notes: 15 bundles are gone, up to position 15 of 20\n"), "{done}");
    let two = device(2).await;
    let report = two.sync(&serving.transport(&token)).await.unwrap();
    assert_eq!(report.bootstrapped.map(|taken| (taken.bundles, taken.kept)), Some((20, 0)), "{report:?}");
    assert_eq!((titles(&one).await, titles(&two).await), (20, 20));
    write(&two, "todo/new", "bread").await;
    two.sync(&serving.transport(&token)).await.unwrap();
    one.sync(&serving.transport(&token)).await.unwrap();
    assert_eq!(titles(&one).await, 21);
    assert!(home.ok("verify notes").contains("whole"));
    assert!(home.ok("status").contains("21 bundles of 2 origins, the first 15 trimmed"), "{}", home.ok("status"));
    assert_eq!(home.ok("log notes").lines().count(), 6);
    assert!(home.fails(1, "export notes notes.log").contains("keeps only what lies behind position 15"));
}

#[tokio::test]
async fn a_snapshot_of_views_that_the_server_does_not_know_is_refused_by_the_command_line() {
    let home = Home::new();
    home.set_up();
    let refused = home.run("snapshot make notes --view shopping");
    assert!(refused.code == 2 && refused.err.contains("attributes"), "{refused:?}");
    let error = home.fails(2, "serve --trim-keep 5");
    assert!(error.contains("--snapshot-every"), "{error}");
}

#[tokio::test]
async fn what_a_trim_deletes_is_in_the_archive_and_comes_back_from_there() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    let one = filled(&serving, &token).await;
    let whole = home.ok("export notes whole.log");
    home.ok("snapshot make notes");
    // The server that runs was started without an archive. It uses the one that the command names.
    home.ok("trim notes --keep 12 --archive kept");
    home.ok("trim notes --keep 5 --archive kept");
    assert_eq!(home.ok("archive list --archive kept"), "space notes: 2 segments, up to position 15\n");
    let verified = home.ok("archive verify notes --archive kept");
    assert_eq!(verified, "space notes: 15 bundles in 2 segments, all of them right; the log follows\n");
    write(&one, "todo/new", "bread").await;
    one.sync(&serving.transport(&token)).await.unwrap();
    drop(serving);
    assert_eq!(home.ok("archive verify notes --archive kept"), verified);
    let exported = home.ok("export notes again.log --archive kept");
    assert!(exported.starts_with("space notes: 21 bundles") && exported != whole, "{exported}");
    assert!(home.fails(1, "export notes again.log").contains("name the archive"));
    // All is lost but the archive.
    let restored = home.ok("archive restore notes restored.log --archive kept");
    assert!(restored.starts_with("space notes: 15 bundles"), "{restored}");
    home.ok("import restored.log --database new.sqlite");
    assert!(home.ok("verify notes --database new.sqlite").contains("whole"));
    let alone = home.ok("archive verify notes --archive kept --database nothing.sqlite");
    assert!(alone.ends_with("all of them right; there is no log\n"), "{alone}");
}

#[tokio::test]
async fn an_archive_that_lost_a_segment_names_the_bundle_and_nothing_is_written() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    filled(&serving, &token).await;
    home.ok("snapshot make notes");
    home.ok("trim notes --keep 12 --archive kept");
    home.ok("trim notes --keep 5 --archive kept");
    let segments = std::fs::read_dir(home.path("kept/notes")).unwrap();
    let first = segments.map(|entry| entry.unwrap().path()).min().unwrap();
    std::fs::rename(&first, home.path("aside")).unwrap();
    for command in ["archive verify notes --archive kept", "archive restore notes lost.log --archive kept"] {
        let error = home.fails(1, command);
        assert!(error.contains("no segment with bundle 1"), "{error}");
    }
    assert!(!home.path("lost.log").exists());
    std::fs::rename(home.path("aside"), &first).unwrap();
    home.ok("archive verify notes --archive kept");
    assert!(home.fails(1, "archive verify notes").contains("--archive"));
}
