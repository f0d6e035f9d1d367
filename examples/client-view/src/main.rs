//! The client view as a program: opens the store in a folder, serves its page on loopback, and prints the page's address.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use client_view::{Client, Setup};
use syncline::SpaceId;
use syncline_http::HttpTransport;

/// Keeps documents and tasks on this device, syncs them with a server, and shows both on a web page.
///
/// It prints one address. Open it in a browser on this machine. Press Ctrl-C to stop: what was shown as saved is saved.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The server's address, as http://127.0.0.1:8550. Without one nothing is synced.
    #[arg(long, value_name = "ADDRESS")]
    server: Option<String>,
    /// The environment variable that holds this device's token for the server.
    #[arg(long, value_name = "VARIABLE", default_value = "TOKEN")]
    token_env: String,
    /// The space to share.
    #[arg(long, default_value = "household")]
    space: SpaceId,
    /// The folder that keeps everything. It is made if it is not there.
    #[arg(long, default_value = "client-view-data")]
    folder: PathBuf,
    /// What this device is called, as "Ann's laptop".
    #[arg(long, default_value = "This device")]
    name: String,
    /// The port of the page. 0 takes any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Another store than the SQLite file in the folder, as redb:notes.redb. Copies and clones need the SQLite file.
    #[cfg(feature = "all-stores")]
    #[arg(long, value_name = "STORE")]
    store: Option<syncline_any::StoreName>,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
#[allow(clippy::print_stderr, reason = "a program")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("client-view: {failure}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout, reason = "a program")]
async fn run(options: Options) -> Result<(), Failure> {
    #[allow(unused_mut, reason = "changed with more stores alone")]
    let mut setup = Setup::new(&options.folder, options.space.clone(), &options.name);
    #[cfg(feature = "all-stores")]
    if let Some(store) = options.store.clone() {
        setup.storage = Some(Arc::new(syncline_any::AnyOptions::new(store).open().await?));
    }
    let server = options.server.as_deref().map(|server| transport(server, &options.token_env)).transpose()?;
    let client = Client::open(setup).await?;
    if let Some(server) = server {
        client.connect(Arc::new(server));
    }
    let serving = client_view::serve(&client, &format!("127.0.0.1:{}", options.port)).await?;
    println!("{}", serving.address());
    tokio::signal::ctrl_c().await?;
    serving.end().await;
    client.close().await;
    Ok(())
}

fn transport(server: &str, token_env: &str) -> Result<HttpTransport, Failure> {
    let token = std::env::var(token_env).map_err(|_| {
        format!(
            "the environment variable {token_env} holds no token for the server; `syncline-server setup` prints one, \
             and --token-env names another variable"
        )
    })?;
    Ok(HttpTransport::builder(server, token.trim()).build()?)
}
