//! The program itself: what it prints, and what it says when it cannot start.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_client-view"));
    command.arg("--folder").arg(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("TOKEN");
    command
}

/// A program that is killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, and reads the address that it prints.
fn started(command: &mut Command) -> (Running, String) {
    let mut child = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

/// What a program that does not start says.
fn failure(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn it_prints_one_address_and_the_same_one_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (mut running, address) = started(&mut program(folder.path()));
    let page = reqwest::get(&address).await.unwrap().text().await.unwrap();
    assert!(page.contains("This device"), "{page}");
    let port = address.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    let (_running, again) = started(program(folder.path()).args(["--port", &port]));
    assert_eq!(again, address, "a tab that is open goes on");
}

#[test]
fn a_folder_that_is_in_use_by_another_process_is_named_with_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, _) = started(&mut program(folder.path()));
    let said = failure(&mut program(folder.path()));
    assert!(said.contains("client.sqlite is in use by another process"), "{said}");
}

#[test]
fn a_server_without_a_token_is_named_with_where_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let said = failure(program(folder.path()).args(["--server", "http://127.0.0.1:1"]));
    assert!(said.contains("TOKEN") && said.contains("syncline-server setup"), "{said}");
    let said = failure(program(folder.path()).args(["--server", "not an address"]).env("TOKEN", "t"));
    assert!(said.contains("not an address"), "{said}");
}

#[test]
fn the_help_says_in_plain_words_what_it_does() {
    let output = Command::new(env!("CARGO_BIN_EXE_client-view")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for word in ["--server", "--token-env", "--space", "--folder", "--name", "--port", "It prints one address."] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

/// Reads what a child says until it ends.
fn rest(mut pipe: impl Read) -> String {
    let mut said = String::new();
    pipe.read_to_string(&mut said).unwrap();
    said
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_is_told_and_what_was_shown_as_saved_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    // No file may grow beyond a mebibyte, which is a full disk to whoever writes it.
    let mut cramped = Command::new("sh");
    cramped.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" --folder \"$1\""]);
    cramped.arg(env!("CARGO_BIN_EXE_client-view")).arg(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut running, address) = started(&mut cramped);
    let origin = address[..address.trim_end_matches('/').rfind('/').unwrap()].to_owned();
    let http = reqwest::Client::new();
    let add = |number: usize| {
        let body = format!("kind=task&title=number-{number}-{}", "x".repeat(20_000));
        let kind = "application/x-www-form-urlencoded";
        http.post(format!("{address}add"))
            .header("content-type", kind)
            .header("origin", &origin)
            .header("accept", "text/plain")
            .body(body)
    };
    let mut saved = 0;
    let said = loop {
        let answer = add(saved).send().await.unwrap();
        if !answer.status().is_success() {
            assert_eq!(answer.status(), reqwest::StatusCode::SERVICE_UNAVAILABLE);
            break answer.text().await.unwrap();
        }
        saved += 1;
        assert!(saved < 500, "the disk never fills");
    };
    assert!(saved > 5, "{saved}: {said}");
    assert!(said.contains("client.sqlite") || said.contains("reopen the store"), "what, and where: {said}");
    // Where the store asks to be opened again, the page has a button for it.
    let page = http.get(&address).send().await.unwrap();
    assert!(page.status().is_success() || page.text().await.unwrap().contains("Try again"));
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    drop(rest(running.0.stderr.take().unwrap()));

    // Room again: nothing needs repair.
    let (_running, address) = started(&mut program(folder.path()));
    for number in [0, saved - 1] {
        let page = reqwest::get(format!("{address}?find=number-{number}-")).await.unwrap().text().await.unwrap();
        assert!(page.contains(&format!("number-{number}-")), "{number} of {saved}");
    }
}
