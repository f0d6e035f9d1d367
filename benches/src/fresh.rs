//! Syncing a replica that has nothing yet, over HTTP on the loopback address, from SQLite to SQLite: ours and by hand.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use syncline::authority::AllowAll;
use syncline::format::Head;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder};
use syncline::protocol::{Push, Request};
use syncline::store::{Durability, Storage};
use syncline::{NTP64, Replica, Service, Transport};
use syncline_http::{HttpTransport, RouterOptions, Server, Shutdown, Traffic, router};
use syncline_sqlite::SqliteStorage;
use tokio::task::JoinHandle;

use crate::pipeline::{self, PipelineServer, PipelineStore, Record};
use crate::workload::{Change, Keys, Workload};
use crate::{Failure, State, ours};

/// Replicas that have written the log.
pub(crate) const AUTHORS: usize = 4;
/// Bundles that an author writes before it syncs.
const BUNDLES_PER_SYNC: usize = 50;
/// How long ago the first bundle was written, and how much later each next one: a million end just now.
const TIME_SPAN: u64 = 1 << 40;
const TIME_STEP: u64 = 1 << 20;

/// What to sync.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Which rows the events fall on.
    pub keys: Keys,
    /// How many events there are.
    pub events: usize,
    /// How many of them make a bundle.
    pub per_bundle: usize,
}

impl Plan {
    /// The changes in the order of writing, in the pieces that authors sync.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> {
        let mut workload = Workload::new(self.keys, 1);
        let (piece, mut left) = (BUNDLES_PER_SYNC * self.per_bundle, self.events);
        // Times rise from author to author, so that the latest write of a key is the same here and by hand.
        let mut time = syncline_os::wall_clock().0 - TIME_SPAN;
        let (authors, per_bundle) = ((0..AUTHORS).cycle(), self.per_bundle);
        authors.map_while(move |author| {
            let count = left.min(piece);
            left -= count;
            let changes = workload.take_changes(count);
            let bundles = changes.chunks(per_bundle).map(|bundle| {
                time += TIME_STEP;
                (time, bundle.to_vec())
            });
            let bundles: Vec<_> = bundles.collect();
            (count > 0).then_some(Piece { author, bundles })
        })
    }
}

/// What an author writes before it syncs.
#[derive(Debug)]
pub struct Piece {
    /// Which of the authors.
    pub author: usize,
    /// The time and the changes of each bundle.
    pub bundles: Vec<(u64, Vec<Change>)>,
}

/// One of our servers.
#[derive(Debug)]
pub struct OurServer {
    url: String,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

impl OurServer {
    /// Serves a storage on a free port of the loopback address, to anyone who asks.
    ///
    /// # Errors
    /// [`Failure`] if no port is free.
    pub async fn start(storage: impl Storage) -> Result<Self, Failure> {
        let service = Service::new(Arc::new(storage), Arc::new(AllowAll), Arc::new(syncline_os::wall_clock));
        let server = Server::bind("127.0.0.1:0").await?;
        let (url, shutdown) = (format!("http://{}", server.address()), Shutdown::new());
        let serving = tokio::spawn(server.serve(router(Arc::new(service), RouterOptions::default()), shutdown.clone()));
        Ok(Self { url, shutdown, serving })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A device's way to it.
    ///
    /// # Errors
    /// [`Failure`] if the HTTP client cannot be set up.
    pub fn transport(&self) -> Result<HttpTransport, Failure> {
        transport(&self.url)
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// If it panicked.
    pub async fn stop(self) -> Result<(), Failure> {
        self.shutdown.begin();
        Ok(self.serving.await?)
    }
}

/// A device's way to the server at `url`.
///
/// # Errors
/// [`Failure`] if the address is wrong or the HTTP client cannot be set up.
pub fn transport(url: &str) -> Result<HttpTransport, Failure> {
    Ok(HttpTransport::builder(url, "token").build()?)
}

/// Lets the plan's authors write, and push to `peer` in turns.
///
/// # Errors
/// [`Failure`] of the engine or the peer.
pub async fn write_log(plan: &Plan, peer: &dyn Transport) -> Result<(), Failure> {
    write_pieces(plan.pieces(), peer).await
}

/// Pushes these pieces to `peer`, one after the other. Those of one author stand in order.
///
/// # Errors
/// [`Failure`] of the engine or the peer.
pub async fn write_pieces(pieces: impl Iterator<Item = Piece>, peer: &dyn Transport) -> Result<(), Failure> {
    let mut authors = [(); AUTHORS].map(|()| (syncline_os::replica_id(), Head::NONE));
    for Piece { author, bundles } in pieces {
        let (origin, head) = &mut authors[author];
        let mut run = RunBuilder::new(*origin, head.seq.plus(1), head.chain);
        for (time, bundle) in bundles {
            let events = bundle.iter().map(Change::event).collect::<Result<Vec<_>, _>>()?;
            run.push(NTP64(time), Body::Full(&encode_body(&events)?));
        }
        let run = run.finish().ok_or("a piece without changes")?;
        *head = run.head();
        peer.call(Request::Push(ours::space(), None, Push { runs: vec![run.run().clone()] })).await?;
    }
    Ok(())
}

/// Writes the same events into a store of the pipeline.
///
/// # Errors
/// As SQLite says.
pub fn write_pipeline(plan: &Plan, store: &mut PipelineStore) -> Result<(), Failure> {
    let (mut time, mut seqs) = (0, [0; AUTHORS]);
    for Piece { author, bundles } in plan.pieces() {
        let payload = |change: &Change| {
            let mut payload = Vec::with_capacity(change.payload_bytes());
            change.put_payload(&mut payload);
            payload
        };
        let payloads: Vec<_> = bundles.iter().flat_map(|(_, changes)| changes).map(payload).collect();
        store.append(payloads.iter().map(|payload| {
            (time, seqs[author]) = (time + 1, seqs[author] + 1);
            Record { node: author as i64 + 1, seq: seqs[author], time, payload }
        }))?;
    }
    Ok(())
}

/// Both servers, with the same log.
#[derive(Debug)]
pub struct Sites {
    /// Ours.
    pub ours: OurServer,
    /// The one by hand.
    pub by_hand: PipelineServer,
}

impl Sites {
    /// Starts both on files in `folder`, after writing the log.
    ///
    /// # Errors
    /// [`Failure`] of the store, the engine or the server.
    pub async fn start(plan: &Plan, folder: &Path) -> Result<Self, Failure> {
        let storage = SqliteStorage::at(folder.join("server-ours.sqlite"))?;
        let ours = OurServer::start(storage).await?;
        write_log(plan, &ours.transport()?).await?;
        let mut store = PipelineStore::create(&folder.join("server-by-hand.sqlite"), Durability::Synced)?;
        write_pipeline(plan, &mut store)?;
        Ok(Self { ours, by_hand: PipelineServer::start(store).await? })
    }
}

/// One sync: how long it took and what went over the wire. The file is gone afterwards.
#[derive(Debug, Clone)]
pub struct Synced {
    /// From opening the file to the end of the sync.
    pub took: Duration,
    /// Bytes over the wire, headers apart.
    pub bytes: u64,
}

/// Syncs a fresh replica of ours into a file in `folder`.
///
/// # Errors
/// [`Failure`] of the store, the engine or the server.
pub async fn sync_ours(
    server: &OurServer,
    folder: &Path,
    durability: Durability,
) -> Result<(Replica, Synced), Failure> {
    let transport = server.transport()?;
    let start = Instant::now();
    let replica = ours::open_sqlite(&folder.join("ours.sqlite"), durability).await?;
    replica.sync(&transport).await?;
    let Traffic { sent, received, .. } = transport.traffic();
    Ok((replica, Synced { took: start.elapsed(), bytes: sent + received }))
}

/// Syncs a fresh copy by hand into a file in `folder`.
///
/// # Errors
/// [`Failure`] of SQLite or the server.
pub async fn sync_by_hand(
    server: &PipelineServer,
    folder: &Path,
    durability: Durability,
) -> Result<(PipelineStore, Synced), Failure> {
    let start = Instant::now();
    let (store, bytes) = pipeline::pull(server, &folder.join("by-hand.sqlite"), durability).await?;
    Ok((store, Synced { took: start.elapsed(), bytes: bytes as u64 }))
}

/// Syncs both, and returns both states.
///
/// # Errors
/// [`Failure`] of a store, the engine or a server.
pub async fn states(plan: &Plan, folder: &Path) -> Result<(State, State), Failure> {
    let sites = Sites::start(plan, folder).await?;
    let (replica, _) = sync_ours(&sites.ours, folder, Durability::Process).await?;
    let (store, _) = sync_by_hand(&sites.by_hand, folder, Durability::Process).await?;
    Ok((ours::state(&replica).await?, store.state()?))
}
