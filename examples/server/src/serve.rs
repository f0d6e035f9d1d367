//! `serve`: the server's life, from its first line to its last.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use syncline::Service;
use syncline::store::{Holder, StoreError};
use syncline_http::{Server, Shutdown, router};

use crate::cli::Folded;
use crate::config::{Place, Settings, Small};
use crate::control::Door;
use crate::failure::Failure;
use crate::logging::Logging;
use crate::metrics::{Metered, Metrics};
use crate::stack::{Reached, Stack, reach};
use crate::{small, spaces, time};

/// How long to wait before a store that is away is asked again, at first and at last.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often the server looks for logs that have grown.
const KEEP_SMALL_EVERY: Duration = Duration::from_secs(60);

mod stop;

use stop::Stop;

/// Serves until the process is told to stop, then lets running requests finish.
///
/// # Errors
/// [`Failure`] if the server cannot start; nothing is served then.
pub(crate) async fn run(settings: Settings) -> Result<(), Failure> {
    let Settings { place, listen, max_drift, router: router_options, server: server_options, .. } = &settings;
    let mut stop = Stop::listen().map_err(failed("signals cannot be listened to", "try again"))?;
    let logging = Logging::begin(settings.log_format, settings.log.clone());
    let logging = logging.map_err(failed("nothing can be logged", "raise the limit of processes"))?;
    let Some(stack) = open(place, &mut stop).await? else { return Ok(()) };
    let next = "stop the program that listens there, or choose another address with --listen";
    let server = Server::bind(listen).await.map_err(failed(format!("cannot listen on {listen}"), next))?;
    let server = server.with_options(server_options.clone());
    let next = "make the database's directory writable";
    let door = Door::open(place.paths()).await;
    let door = door.map_err(failed("administration cannot be offered", next))?;
    let administration = tokio::spawn(door.serve(stack.clone()));

    let metrics = Arc::new(Metrics::new(logging.lost()));
    let storage = Arc::new(Metered::new(stack.storage.clone(), metrics.clone()));
    let service = Service::new(storage, stack.accounts.clone(), Arc::new(time::now)).with_max_drift(*max_drift);
    let service = if settings.small.is_some() { service.with_devices_noted() } else { service };
    let keeping = settings.small.map(|small| tokio::spawn(keep_small(small, stack.clone())));
    let routes = metrics.around(router(Arc::new(service), router_options.clone()), server.load());

    let address = server.address();
    let port_file = settings.port_file.map(|path| PortFile::write(path, address)).transpose()?;
    announce(address, &stack)?;
    let shutdown = Shutdown::new();
    let mut serving = tokio::spawn(server.serve(routes, shutdown.clone()));
    stop.told().await;
    tracing::info!("asked to stop; running requests may finish");
    shutdown.begin();
    tokio::select! {
        _ = &mut serving => {}
        () = stop.told() => {
            tracing::warn!("asked again to stop; running requests are aborted");
            serving.abort();
            let _ = serving.await;
        }
    }
    keeping.inspect(tokio::task::JoinHandle::abort);
    administration.abort();
    // The file next to the database goes before the lock on the database does.
    let _ = administration.await;
    drop(port_file);
    tracing::info!("stopped");
    Ok(())
}

/// Makes snapshots and trims logs for as long as the server runs. A space that fails is left alone until the next time.
async fn keep_small(small: Small, stack: Stack) {
    loop {
        tokio::time::sleep(KEEP_SMALL_EVERY).await;
        let spaces = spaces::all(&stack).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the spaces cannot be listed; no snapshot is made for now");
            Vec::new()
        });
        for listed in spaces {
            let space = &listed.space;
            match small::keep_small(space, &[Folded::Attributes], small.every, small.keep, &stack).await {
                Ok(None) => {}
                Ok(Some((made, trimmed))) => {
                    let trimmed = trimmed.map_or(0, |plan| plan.bundles());
                    tracing::info!(%space, snapshot = %made.id, rows = made.rows, trimmed, "made a snapshot");
                }
                Err(error) => tracing::warn!(%space, %error, "no snapshot was made"),
            }
        }
    }
}

/// Opens the stores. Waits for those that are away: a server may start before its database does. `None` if it was told to
/// stop in the meantime.
async fn open(place: &Place, stop: &mut Stop) -> Result<Option<Stack>, Failure> {
    let mut pause = PAUSE_MIN;
    loop {
        let opening = tokio::select! {
            opening = reach(place) => opening,
            () = stop.told() => return Ok(None),
        };
        match opening {
            Ok(Reached::Here(stack)) => return Ok(Some(stack)),
            Ok(Reached::There(_)) => {
                let (backend, what) = (place.logs.scheme().as_str(), place.to_string());
                return Err(StoreError::InUse { backend, what, by: Holder::AnotherProcess }.into());
            }
            Err(failure) if failure.passes() => {
                tracing::warn!(error = %failure, again_in_ms = pause.as_millis(), "waiting for the store");
            }
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = PAUSE_MAX.min(pause * 2),
            () = stop.told() => return Ok(None),
        }
    }
}

/// Says that the server is ready, on standard output: the one line that goes there.
fn announce(address: SocketAddr, stack: &Stack) -> Result<(), Failure> {
    let (database, durability) = (&stack.place, stack.storage.durability());
    let line = format!("listening on http://{address}, database {database}, durability {durability}\n");
    // Nobody needs to read it, and nothing waits for it.
    let write = move || _ = io::stdout().write_all(line.as_bytes());
    let thread = std::thread::Builder::new().name("syncline-ready".into()).spawn(write);
    thread.map_err(failed("the program cannot start its threads", "raise the limit of processes"))?;
    tracing::info!(%address, %database, %durability, version = env!("CARGO_PKG_VERSION"), "listening");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "tokens and data are sent in the clear to other machines; put a proxy with TLS in front of it");
    }
    Ok(())
}

/// The file that says which port the server has, for as long as it has it.
#[derive(Debug)]
struct PortFile(PathBuf);

impl PortFile {
    /// Writes the file, whole: anyone who sees it may read it.
    fn write(path: PathBuf, address: SocketAddr) -> Result<Self, Failure> {
        let fresh = path.with_extension("new");
        let write = |fresh: &Path| {
            std::fs::write(fresh, format!("{}\n", address.port()))?;
            std::fs::rename(fresh, &path)
        };
        let what = format!("port file {} cannot be written", path.display());
        write(&fresh).map_err(failed(what, "choose another with --port-file"))?;
        Ok(Self(path))
    }
}

impl Drop for PortFile {
    fn drop(&mut self) {
        // Left behind, it names a port that nobody has; a script that waits for it starts by removing it.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn failed(what: impl Into<String>, next: &'static str) -> impl FnOnce(io::Error) -> Failure {
    let what = what.into();
    move |source| Failure::Machine { what, source, next }
}
