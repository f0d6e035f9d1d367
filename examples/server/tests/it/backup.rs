//! `backup` and `restore`, with and without a running server.

use std::fs;

use crate::world::{Home, push, replica};

#[tokio::test]
async fn a_backup_of_a_served_database_brings_everything_back() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    let writer = push(&serving, &token, 1, &["milk", "bread"]).await;
    let said = home.ok("backup saved");
    assert!(said.contains("space notes: whole: 2 bundles") && said.contains("integrity_check"), "{said}");
    assert!(said.contains("backup of syncline.sqlite in saved"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(home.path("saved")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    writer.write(&[crate::world::note("later")]).await.unwrap();
    writer.sync(&serving.transport(&token)).await.unwrap();
    let said = home.fails_with_output(1, "restore saved --replace");
    assert!(said.contains("stop the server"), "{said}");
    serving.kill();
    assert!(home.path("syncline.sqlite-wal").exists(), "what a killed server leaves");
    let said = home.fails(1, "restore saved");
    assert!(said.contains("--replace"), "{said}");
    home.ok("restore saved --replace");

    let serving = home.serve();
    assert!(home.ok("verify").contains("whole: 2 bundles"));
    let report = writer.sync(&serving.transport(&token)).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(
        replica(2).await.sync(&serving.transport(&token)).await.unwrap().pulled,
        3,
        "the device brought it back"
    );
    let old = home.ok("verify --database syncline.sqlite.old");
    assert!(old.contains("whole: 3 bundles"), "{old}");
    let said = home.fails_with_output(1, "restore saved --replace");
    assert!(said.contains("stop the server"), "{said}");
    serving.stop();
    let mut left: Vec<_> = fs::read_dir(home.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.retain(|name| name.to_string_lossy().contains("partial"));
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_backup_copied_over_a_killed_database_by_hand_is_refused_at_the_start() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    push(&serving, &token, 1, &["milk"]).await;
    home.ok("backup saved");
    let many: Vec<String> = (0..1_200).map(|number| format!("{number} {}", "x".repeat(4_000))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    push(&serving, &token, 2, &many).await;
    push(&serving, &token, 3, &["last"]).await;
    serving.kill();
    fs::copy(home.path("saved"), home.database()).unwrap();
    for line in ["serve --listen 127.0.0.1:0", "verify"] {
        let said = home.fails(1, line);
        assert!(said.contains("syncline.sqlite-wal") && said.contains("remove"), "{said}");
    }
    home.ok("restore saved --replace");
    assert!(home.ok("verify").contains("whole: 1 bundle of"));
}

#[test]
fn a_damaged_backup_is_not_restored_and_a_new_home_takes_a_whole_one() {
    let home = Home::new();
    home.set_up();
    home.ok("backup saved");
    let mut bytes = fs::read(home.path("saved")).unwrap();
    let at = bytes.len() / 2;
    bytes[at..at + 3_000].fill(0xa5);
    fs::write(home.path("damaged"), bytes).unwrap();
    assert_eq!(home.run("restore damaged --replace").code, 1);
    home.ok("list");
    home.ok("restore saved --database other.sqlite");
    assert!(home.ok("list --database other.sqlite").contains("user    ann"));
    let said = home.fails(1, "restore nowhere --database third.sqlite");
    assert!(said.contains("there is no file nowhere"), "{said}");
}

#[test]
fn other_stores_are_told_how_they_are_saved() {
    let home = Home::new();
    let said = home.fails(1, "backup saved --store redb:notes.redb");
    assert!(said.contains("pg_dump") && said.contains("export"), "{said}");
}
