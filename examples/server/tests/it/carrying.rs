//! `export` and `import`.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::world::{Home, Ran, Serving, note, push, replica};

/// A home whose space holds these notes, and the server that took them.
async fn written(notes: &[&str]) -> (Home, Serving) {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    push(&serving, &token, 1, notes).await;
    (home, serving)
}

/// A home whose log fills several frames, without a running server.
async fn long() -> Home {
    let texts: Vec<String> = (b'a'..=b'z').map(|letter| char::from(letter).to_string().repeat(150_000)).collect();
    let (home, serving) = written(&texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    serving.stop();
    home
}

/// Files of the home by name, those of the database apart.
fn files(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path(".")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = entries.filter(|name| !name.contains(".sqlite") && name != "server.log").collect();
    files.sort();
    files
}

/// Runs a command line that takes these bytes on its standard input.
fn fed(home: &Home, line: &str, bytes: &[u8]) -> Ran {
    let mut command = home.command(line.split_whitespace());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    // It may have stopped reading.
    let _ = to.write_all(bytes);
    drop(to);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test]
async fn an_export_is_the_same_with_and_without_a_running_server_and_prints_its_digest() {
    let (home, serving) = written(&["milk", "bread"]).await;
    let served = home.ok("export notes served.synclog");
    serving.stop();
    let alone = home.ok("export notes alone.synclog");
    assert_eq!(served, alone);
    let file = fs::read(home.path("alone.synclog")).unwrap();
    assert_eq!(file, fs::read(home.path("served.synclog")).unwrap());
    let digest: String = file[file.len() - 32..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(alone, format!("space notes: 2 bundles, digest {digest}\n"));
}

#[tokio::test]
async fn an_export_goes_to_standard_output_too() {
    let (home, serving) = written(&["milk"]).await;
    home.ok("export notes notes.synclog");
    let file = fs::read(home.path("notes.synclog")).unwrap();
    for serving in [Some(serving), None] {
        let output = home.command(["export", "notes", "-"]).output().unwrap();
        assert_eq!(output.stdout, file);
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("space notes: 1 bundle, digest "));
        drop(serving);
    }
}

#[tokio::test]
async fn an_imported_log_is_the_one_that_was_exported() {
    let (home, serving) = written(&["milk", "bread"]).await;
    let exported = home.ok("export notes notes.synclog");
    let file = fs::read(home.path("notes.synclog")).unwrap();
    drop(serving);
    for is_served in [false, true] {
        let other = Home::new();
        other.ok("user add bob");
        let serving = is_served.then(|| other.serve());
        fs::write(other.path("notes.synclog"), &file).unwrap();
        let ran = other.run("import notes.synclog");
        assert_eq!((ran.code, ran.out), (0, format!("{}, 2 of them new\n", exported.trim())));
        assert!(ran.err.contains("nobody may use space notes yet; next: space add notes --owner USER"), "{}", ran.err);
        assert_eq!(other.ok("log notes"), home.ok("log notes"));
        assert_eq!(other.ok("export notes again.synclog"), exported);
        assert_eq!(fs::read(other.path("again.synclog")).unwrap(), file);
        drop(serving);
        other.ok("space add notes --owner bob");
        other.ok("device add bob phone");
        let token = other.ok("token create bob phone").trim().to_owned();
        let serving = other.serve();
        assert_eq!(replica(2).await.sync(&serving.transport(&token)).await.unwrap().pulled, 2);
    }
}

#[tokio::test]
async fn an_import_comes_from_standard_input_too() {
    let home = long().await;
    home.ok("export notes notes.synclog");
    let file = fs::read(home.path("notes.synclog")).unwrap();
    for is_served in [false, true] {
        let other = Home::new();
        let serving = is_served.then(|| other.serve());
        let ran = fed(&other, "import -", &file);
        assert!(ran.code == 0 && ran.out.contains("26 bundles, ") && ran.out.contains("26 of them new"), "{ran:?}");
        drop(serving);
        assert!(other.ok("verify").contains("26 bundles of 1 origin"));
    }
}

#[tokio::test]
async fn an_import_that_breaks_off_is_continued_by_the_same_command() {
    let home = long().await;
    home.ok("export notes notes.synclog");
    let file = fs::read(home.path("notes.synclog")).unwrap();
    for is_served in [false, true] {
        let other = Home::new();
        let serving = is_served.then(|| other.serve());
        let said = fed(&other, "import -", &file[..2_500_000]).one_line();
        assert!(said.contains("ends early at byte 2500000") && said.contains("fetch the whole file"), "{said}");
        let held = other.ok("log notes").lines().count();
        assert!((1..26).contains(&held), "{held}");
        let ran = fed(&other, "import -", &file);
        assert!(ran.out.contains(&format!("{} of them new", 26 - held)), "{ran:?}");
        assert!(fed(&other, "import -", &file).out.contains(" 0 of them new"));
        drop(serving);
        other.ok("export notes again.synclog");
        assert_eq!(fs::read(other.path("again.synclog")).unwrap(), file);
    }
}

#[tokio::test]
async fn a_killed_import_is_continued_by_the_same_command() {
    let home = long().await;
    home.ok("export notes notes.synclog");
    let file = fs::read(home.path("notes.synclog")).unwrap();
    let other = Home::new();
    for cut in [1_200_000, 2_400_000, 3_600_000] {
        let mut child = other.command(["import", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&file[..cut]).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(fed(&other, "import -", &file).out.contains("26 bundles"));
    other.ok("export notes again.synclog");
    assert_eq!(fs::read(other.path("again.synclog")).unwrap(), file);
}

#[tokio::test]
async fn a_damaged_file_is_named_with_the_place_and_nothing_of_it_is_kept() {
    let (home, serving) = written(&["milk", "bread"]).await;
    home.ok("export notes notes.synclog");
    drop(serving);
    let mut file = fs::read(home.path("notes.synclog")).unwrap();
    let middle = file.windows(5).position(|window| window == b"bread").unwrap();
    file[middle] ^= 1;
    for is_served in [false, true] {
        let other = Home::new();
        other.ok("user add bob");
        let serving = is_served.then(|| other.serve());
        fs::write(other.path("bad.synclog"), &file).unwrap();
        let said = other.fails(1, "import bad.synclog");
        assert!(said.contains("frame 2 of the portable log") && said.contains("its hash differs"), "{said}");
        assert!(said.contains("bad.synclog: ") || said.contains("what was sent: "), "{said}");
        assert!(other.fails(1, "log notes").contains("no space `notes`"));
        fs::write(other.path("bad.synclog"), "notes").unwrap();
        assert!(other.fails(1, "import bad.synclog").contains("not a portable log"));
        drop(serving);
    }
}

#[tokio::test]
async fn another_log_of_the_same_name_is_refused_and_stays_as_it_was() {
    let (home, serving) = written(&["milk"]).await;
    home.ok("export notes notes.synclog");
    drop(serving);
    let (other, serving) = written(&["bread"]).await;
    fs::copy(home.path("notes.synclog"), other.path("notes.synclog")).unwrap();
    for serving in [Some(serving), None] {
        let before = other.ok("log notes");
        let said = other.fails(1, "import notes.synclog");
        assert!(said.contains("another bundle at position 1"), "{said}");
        assert_eq!(other.ok("log notes"), before);
        drop(serving);
    }
}

#[tokio::test]
async fn an_export_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it() {
    let (home, serving) = written(&["milk"]).await;
    fs::write(home.path("notes.synclog"), "before").unwrap();
    for serving in [Some(serving), None] {
        let said = home.fails(1, "export nowhere notes.synclog");
        assert!(said.contains("no log of space `nowhere`") && said.contains("status"), "{said}");
        drop(serving);
    }
    home.ok("space add empty --owner ann");
    assert!(home.fails(1, "export empty notes.synclog").contains("nothing was pushed to it yet"));
    assert_eq!(
        (fs::read(home.path("notes.synclog")).unwrap(), files(&home)),
        (b"before".to_vec(), vec!["notes.synclog".into()])
    );
    let said = home.fails(1, "export notes nowhere/notes.synclog");
    assert!(said.contains("nowhere/notes.synclog cannot be written"), "{said}");
    assert!(home.fails(1, "import nowhere.synclog").contains("nowhere.synclog cannot be read"));
    assert!(Home::new().fails(1, "export notes notes.synclog").contains("no database at syncline.sqlite"));
}

#[tokio::test]
async fn devices_push_on_while_a_log_is_exported() {
    let (home, serving) = written(&["first"]).await;
    let token = home.ok("token create ann laptop").trim().to_owned();
    let writer = push(&serving, &token, 3, &["second"]).await;
    let transport = serving.transport(&token);
    let pushing = tokio::spawn(async move {
        for _ in 0..20 {
            writer.write(&[note("more")]).await.unwrap();
            writer.sync(&transport).await.unwrap();
        }
    });
    let home = tokio::task::spawn_blocking(move || {
        for number in 0..5 {
            home.ok(&format!("export notes {number}.synclog"));
        }
        home
    });
    let home = home.await.unwrap();
    pushing.await.unwrap();
    // Each is a whole log, and a beginning of the next.
    let other = Home::new();
    for number in 0..5 {
        fs::copy(home.path(&format!("{number}.synclog")), other.path("next.synclog")).unwrap();
        other.ok("import next.synclog");
    }
    serving.stop();
    home.ok("export notes last.synclog");
    fs::copy(home.path("last.synclog"), other.path("last.synclog")).unwrap();
    other.ok("import last.synclog");
    assert_eq!(other.ok("verify notes"), home.ok("verify notes"));
}
