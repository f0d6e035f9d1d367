//! A log that nobody reads, or that cannot be written, changes nothing (law 16).

use std::fs::OpenOptions;
use std::io::{PipeReader, Read, Write, pipe};
use std::process::Command;
use std::thread;

use crate::world::{Home, Serving, note, push, replica};

/// What a pipe holds on Linux.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 65_536;

/// The server, told to log everything.
fn chatty(home: &Home) -> Command {
    let mut command = home.command(["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--log", "trace"]);
    command
}

/// Pushes and pulls many times, so that much is logged, and everything must be there afterwards.
async fn work(serving: &Serving, token: &str) {
    let writer = push(serving, token, 1, &["first"]).await;
    for _ in 0..60 {
        writer.write(&[note("again")]).await.unwrap();
        assert!(writer.sync(&serving.transport(token)).await.unwrap().is_complete());
        assert_eq!(serving.get("/healthz"), (200, "ok".to_owned()));
    }
    let reader = replica(2).await;
    reader.sync(&serving.transport(token)).await.unwrap();
    assert_eq!(reader.store().status().await.unwrap().head.get(), 61);
}

fn lost(serving: &Serving) -> u64 {
    let (_, metrics) = serving.get("/metrics");
    let mut values = metrics.lines().filter_map(|line| line.strip_prefix("syncline_log_lines_lost_total "));
    values.next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_log_whose_reader_has_gone_changes_nothing() {
    let home = Home::new();
    let token = home.set_up();
    let (reader, writer) = pipe().unwrap();
    let serving = home.serve_to(writer, chatty(&home));
    drop(reader);
    work(&serving, &token).await;
    assert!(lost(&serving) > 0);
    serving.stop();
    assert!(home.ok("verify").contains("61 bundles"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_on_a_full_disk_changes_nothing() {
    let home = Home::new();
    let token = home.set_up();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let serving = home.serve_to(full, chatty(&home));
    work(&serving, &token).await;
    assert!(lost(&serving) > 0);
    serving.stop();
}

/// More than a pipe and the waiting lines hold together. Each of these requests is logged in many lines.
async fn fill(serving: &Serving, token: &str) {
    work(serving, token).await;
    while lost(serving) == 0 {
        serving.get("/v1/spaces/notes/heads");
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_neither_requests_nor_the_end() {
    for signal in ["TERM", "INT"] {
        let home = Home::new();
        let token = home.set_up();
        let (_unread, writer) = pipe().unwrap();
        let serving = home.serve_to(writer, chatty(&home));
        fill(&serving, &token).await;
        serving.signal(signal);
        assert_eq!(serving.ended().code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_log_that_is_read_again_says_how_much_of_it_was_lost() {
    let home = Home::new();
    let token = home.set_up();
    let (unread, writer) = pipe().unwrap();
    let serving = home.serve_to(writer, chatty(&home));
    fill(&serving, &token).await;
    let reading = thread::spawn(move || read_until_end(unread));
    push(&serving, &token, 3, &["later"]).await;
    serving.stop();
    let log = reading.join().unwrap();
    assert!(log.contains("log lines were lost here"), "{} bytes", log.len());
    assert!(log.contains("stopped"));
}

fn read_until_end(mut pipe: PipeReader) -> String {
    let mut log = String::new();
    pipe.read_to_string(&mut log).unwrap();
    log
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn output_and_log_in_one_pipe_that_nobody_reads_change_nothing() {
    let home = Home::new();
    let token = home.set_up();
    let (_unread, mut writer) = pipe().unwrap();
    // Full from the beginning: not even the first line goes out.
    writer.write_all(&[b'x'; PIPE_BYTES]).unwrap();
    let mut command = chatty(&home);
    command.args(["--port-file", "port"]).stdout(writer.try_clone().unwrap()).stderr(writer);
    let serving = Serving::unheard(command, &home.path("port"));
    work(&serving, &token).await;
    serving.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_cannot_start_ends_though_nobody_reads_why() {
    let home = Home::new();
    let first = home.serve();
    let (_unread, mut writer) = pipe().unwrap();
    writer.write_all(&[b'x'; PIPE_BYTES]).unwrap();
    let mut second = home.command(["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.stderr(writer).status().unwrap().code(), Some(1));
    first.stop();
}
