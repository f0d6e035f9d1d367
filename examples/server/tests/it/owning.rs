//! Whose replicas are, over restore, import and move.

use std::fs;

use syncline::protocol::{Answer, Code, Push, Reply, Request};
use syncline::replica::SyncError;
use syncline::store::Limit;
use syncline::{Replica, ReplicaId, Seq, Transport, TransportError};

use crate::stores::Database;
use crate::world::{Home, Serving, note, notes, replica};

fn id(byte: u8) -> String {
    format!("{byte:02x}").repeat(16)
}

/// A home where Ann and Bob write to `notes`, and their tokens.
fn shared() -> (Home, String, String) {
    let home = Home::new();
    let ann = home.set_up();
    let bob = home.ok("setup --user bob --device phone --space notes").trim().to_owned();
    (home, ann, bob)
}

async fn writes(replica: &Replica, texts: &[&str]) {
    for text in texts {
        replica.write(&[note(text)]).await.unwrap();
    }
}

/// Syncs, and makes sure that everything was exchanged.
async fn sync(serving: &Serving, token: &str, replica: &Replica) {
    let report = replica.sync(&serving.transport(token)).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
}

/// Pushes the bundles of a replica behind `after`, as a device that says that the replica is its own.
async fn forge(serving: &Serving, token: &str, replica: &Replica, byte: u8, after: u64) -> Result<Answer, Code> {
    let origin = ReplicaId::from_bytes([byte; 16]).unwrap();
    let stored = replica.store().read_origin(origin, Seq::new(after), Limit::PAGE).await.unwrap();
    let push = Push { runs: stored.into_iter().map(|stored| stored.run).collect() };
    match serving.transport(token).call(Request::Push(notes(), Some(origin), push)).await {
        Ok(answer) => Ok(answer),
        Err(TransportError::Refused(problem)) => Err(problem.code),
        Err(error) => panic!("{error}"),
    }
}

fn foreign(byte: u8) -> Code {
    Code::Forbidden { origins: vec![ReplicaId::from_bytes([byte; 16]).unwrap()] }
}

#[tokio::test]
async fn a_restored_backup_gives_nobodys_replica_away() {
    let (home, ann, bob) = shared();
    let (one, two) = (replica(1).await, replica(2).await);
    let serving = home.serve();
    writes(&two, &["from before"]).await;
    sync(&serving, &bob, &two).await;
    home.ok("backup before.sqlite");
    // Ann comes only after the backup, and Bob reads what she writes.
    writes(&one, &["milk", "bread", "salt"]).await;
    sync(&serving, &ann, &one).await;
    sync(&serving, &bob, &two).await;
    serving.stop();
    home.ok("restore before.sqlite --replace");

    let serving = home.serve();
    assert_eq!(home.ok("claim list notes"), format!("{}  bob/phone  1 bundle\n", id(2)));
    sync(&serving, &bob, &two).await;
    let listed = home.ok("claim list notes");
    assert!(listed.contains(&format!("{}  -  3 bundles", id(1))), "Bob brought them back for her: {listed}");
    sync(&serving, &ann, &one).await;
    assert!(one.status().await.unwrap().in_sync());
    writes(&one, &["pepper"]).await;
    sync(&serving, &ann, &one).await;
    let listed = home.ok("claim list notes");
    assert_eq!(listed, format!("{}  ann/laptop  4 bundles\n{}  bob/phone  1 bundle\n", id(1), id(2)));
    assert_eq!(one.status().await.unwrap().pending, 0);
    // Nobody writes on in her name.
    writes(&one, &["last"]).await;
    assert_eq!(forge(&serving, &bob, &one, 1, 4).await.unwrap_err(), foreign(1));
}

#[tokio::test]
async fn an_imported_log_belongs_to_those_who_wrote_it() {
    let (home, ann, bob) = shared();
    let (one, two) = (replica(1).await, replica(2).await);
    let serving = home.serve();
    writes(&one, &["milk"]).await;
    writes(&two, &["bread"]).await;
    for _ in 0..2 {
        sync(&serving, &ann, &one).await;
        sync(&serving, &bob, &two).await;
    }
    home.ok("export notes notes.synclog");
    serving.stop();
    let database = Database::new();
    for store in [format!("sqlite:{}", home.path("other.sqlite").display()), database.name.clone()] {
        // Bob is there before, Ann not.
        let on = |line: &str| home.ok(&format!("{line} --store {store}"));
        on("user add bob");
        on("device add bob phone");
        on("import notes.synclog");
        let listed = on("claim list notes");
        assert_eq!(listed, format!("{}  ann/laptop  1 bundle\n{}  bob/phone  1 bundle\n", id(1), id(2)));
        assert!(on("list").contains("device  ann/laptop  0 valid tokens"), "she is there, and nobody can be her yet");
        on("space add notes --owner bob");
        let bob = on("token create bob phone").trim().to_owned();
        let serving = home.serve_on(&store);
        writes(&one, &["next"]).await;
        let refused = forge(&serving, &bob, &one, 1, 1).await.unwrap_err();
        assert_eq!(refused, foreign(1));
        let ann = on("setup --user ann --device laptop --space notes").trim().to_owned();
        sync(&serving, &ann, &one).await;
        sync(&serving, &bob, &two).await;
        serving.stop();
    }
}

#[tokio::test]
async fn a_moved_log_belongs_to_those_who_wrote_it() {
    let (home, ann, _) = shared();
    let one = replica(1).await;
    let serving = home.serve();
    writes(&one, &["milk"]).await;
    sync(&serving, &ann, &one).await;
    for to in ["sqlite:moved.sqlite", "redb:moved.redb"] {
        home.ok(&format!("move notes --to {to}"));
        home.ok(&format!("verify notes --against {to}"));
    }
    let expected = format!("{}  ann/laptop  1 bundle\n", id(1));
    assert_eq!(home.ok("claim list notes --store sqlite:moved.sqlite"), expected);
    serving.stop();
    assert_eq!(home.ok("claim list notes --store redb:moved.redb"), expected, "the accounts stayed");
}

#[tokio::test]
async fn a_replica_is_given_back_by_a_command_and_its_device_goes_on() {
    let (home, ann, _) = shared();
    let one = replica(1).await;
    let serving = home.serve();
    writes(&one, &["milk"]).await;
    sync(&serving, &ann, &one).await;
    // Somebody has mixed something up.
    home.ok(&format!("claim move {} bob phone", id(1)));
    writes(&one, &["bread", "salt", "pepper"]).await;
    let error = one.sync(&serving.transport(&ann)).await.unwrap_err();
    let SyncError::NotOwner { problem, report } = &error else { panic!("{error}") };
    assert_eq!((&problem.code, report.stopped.as_ref()), (&foreign(1), Some(problem)));
    let status = one.status().await.unwrap();
    assert_eq!((status.pending, status.peer.unwrap().stopped.as_ref()), (3, Some(problem)));
    // The message says what to do.
    let remedy = format!("claim move {} ann laptop", id(1));
    assert!(error.to_string().ends_with(&remedy), "{error}");
    let ran = home.run(&remedy);
    assert!(
        ran.code == 0 && ran.err.contains("belongs to ann/laptop from now on; it belonged to bob/phone"),
        "{ran:?}"
    );
    sync(&serving, &ann, &one).await;
    assert!(one.status().await.unwrap().in_sync());

    for serving in [Some(serving), None] {
        let ran = home.run(&format!("claim release {}", id(1)));
        assert!(ran.code == 0 && ran.err.contains("has no owner now; it belonged to ann/laptop"), "{ran:?}");
        assert_eq!(home.ok("claim list notes"), format!("{}  -  4 bundles\n", id(1)));
        let said = home.fails(1, &format!("claim release {}", id(1)));
        assert!(said.contains(&format!("no claim of replica `{}`", id(1))), "{said}");
        for (device, unknown) in [("eve phone", "no user `eve`"), ("ann watch", "no device `watch`")] {
            let said = home.fails(1, &format!("claim move {} {device}", id(1)));
            assert!(said.contains(unknown), "{said}");
        }
        assert!(home.fails(1, "claim list nowhere").contains("no space `nowhere`"));
        home.ok(&format!("claim move {} ann laptop", id(1)));
        drop(serving);
    }
    for wrong in ["claim release 1", "claim move", "claim", "claim release 00000000000000000000000000000000"] {
        assert_eq!(home.run(wrong).code, 2, "{wrong}");
    }
    for line in ["claim --help", "claim list --help", "claim release --help", "claim move --help"] {
        assert!(home.ok(line).contains("eplica"), "{line}");
    }
}

#[tokio::test]
async fn a_refused_push_of_many_replicas_leaves_no_claim() {
    let (home, ann, _) = shared();
    let serving = home.serve();
    let mut runs = Vec::new();
    for byte in 1..=60 {
        let one = replica(byte).await;
        writes(&one, &["milk", "bread"]).await;
        let origin = ReplicaId::from_bytes([byte; 16]).unwrap();
        let from = Seq::new(u64::from(byte == 60));
        runs.extend(
            one.store().read_origin(origin, from, Limit::PAGE).await.unwrap().into_iter().map(|stored| stored.run),
        );
    }
    for own in [None, Some(runs[0].origin())] {
        let pushed = serving.transport(&ann).call(Request::Push(notes(), own, Push { runs: runs.clone() })).await;
        assert!(matches!(&pushed, Err(TransportError::Refused(problem)) if matches!(problem.code, Code::Gap { .. })));
        assert!(home.ok("list").contains("device  ann/laptop  1 valid token  no replica yet"));
    }
    runs.pop();
    let pushed = serving.transport(&ann).call(Request::Push(notes(), Some(runs[0].origin()), Push { runs })).await;
    assert!(matches!(pushed.unwrap().reply, Reply::Push(_)));
    assert!(home.ok("list").contains(&format!("device  ann/laptop  1 valid token  {}\n", id(1))));
}

#[test]
fn files_of_earlier_versions_are_imported_without_claims() {
    let home = Home::new();
    home.ok("user add ann");
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../engine/tests/it/golden/portable-v1.synclog");
    fs::copy(golden, home.path("old.synclog")).unwrap();
    let ran = home.run("import old.synclog");
    assert_eq!(ran.code, 0, "{ran:?}");
    let listed = home.ok("claim list team");
    assert_eq!(listed.lines().filter(|line| line.contains("  -  ")).count(), 2, "{listed}");
}
