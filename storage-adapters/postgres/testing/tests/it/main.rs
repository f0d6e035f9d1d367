//! The servers of tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use sqlx::{Connection, Executor, PgConnection};
use syncline_postgres_testing::{Cluster, Server};

/// A program with a server, and the directory of the server.
fn start_program() -> (Child, String, PathBuf) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throw-away-postgres"));
    let program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut program = program.unwrap();
    let mut url = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let directory = url.trim().split_once("host=").unwrap().1.into();
    (program, url.trim().to_owned(), directory)
}

/// Waits for everybody who holds the program's error output: the program itself and the server's keeper.
fn wait_for_all(program: &mut Child) {
    let mut said = String::new();
    program.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    program.wait().unwrap();
    assert_eq!(said, "");
}

#[tokio::test]
async fn a_server_and_its_directory_are_gone_when_its_program_was_killed() {
    let (mut program, url, directory) = start_program();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    assert!(directory.exists());
    program.kill().unwrap();
    wait_for_all(&mut program);
    assert!(!directory.exists());
    assert!(connection.ping().await.is_err());
}

#[tokio::test]
async fn a_server_and_its_directory_are_gone_when_its_program_has_ended() {
    let (mut program, _, directory) = start_program();
    drop(program.stdin.take());
    wait_for_all(&mut program);
    assert!(!directory.exists());
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let server = Server::start();
    let scratch = server.scratch();
    let mut connection = scratch.connect().await;
    connection.execute("CREATE TABLE public.kept (value integer); INSERT INTO public.kept VALUES (7)").await.unwrap();
    server.restart();
    assert!(connection.ping().await.is_err());
    let kept: i32 =
        sqlx::query_scalar("SELECT value FROM public.kept").fetch_one(&mut scratch.connect().await).await.unwrap();
    assert_eq!(kept, 7);
}

#[tokio::test]
async fn scratch_schemas_of_one_server_have_names_of_their_own() {
    let server = Server::shared();
    let (one, other) = (server.scratch(), server.scratch());
    assert_ne!(one.schema(), other.schema());
    assert!(one.connect().await.ping().await.is_ok());
}

/// Connects as soon as the server answers.
async fn connect(cluster: &Cluster) -> PgConnection {
    loop {
        if let Ok(connection) = PgConnection::connect(&cluster.url()).await {
            return connection;
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_is_killed_on_a_copy_of_a_cluster_is_gone_and_recovers_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (home, data) = (folder.path().join("home"), folder.path().join("copy"));
    std::fs::create_dir(&home).unwrap();
    let cluster = Cluster::create(&home, &[], "fsync = off").unwrap();
    cluster.copy_to(&data).unwrap();
    let mut server = cluster.start_on(&data).unwrap();
    let mut connection = connect(&cluster).await;
    connection.execute("CREATE TABLE kept (value integer); INSERT INTO kept VALUES (7)").await.unwrap();
    server.kill().unwrap();
    assert!(connection.ping().await.is_err());
    // The socket of the dead server is still there, and nobody listens.
    assert!(PgConnection::connect(&cluster.url()).await.is_err());
    let _server = cluster.start_on(&data).unwrap();
    let kept: i32 = sqlx::query_scalar("SELECT value FROM kept").fetch_one(&mut connect(&cluster).await).await.unwrap();
    assert_eq!(kept, 7);
    assert!(cluster.log().contains("not properly shut down"), "{}", cluster.log());
}
