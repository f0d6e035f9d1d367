//! The server and the three devices, with the links between them.

use std::path::Path;
use std::sync::Arc;

use client_view::{Client, Mode, Setup};
use syncline::authority::Name;
use syncline::{SpaceId, Transport};
use syncline_http::HttpTransport;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{DemoError, Link, Messages, Server};

/// The devices: the user, the user's name for the device, and what people call it.
const DEVICES: [(&str, &str, &str); 3] =
    [("ann", "laptop", "Ann's laptop"), ("ann", "phone", "Ann's phone"), ("bob", "laptop", "Bob's laptop")];

/// Ann's laptop, in the list of devices.
pub const ANNS_LAPTOP: usize = 0;
/// Ann's phone.
pub const ANNS_PHONE: usize = 1;
/// Bob's laptop.
pub const BOBS_LAPTOP: usize = 2;

/// The server and the three devices.
#[derive(Debug)]
pub struct Stage {
    /// The server.
    pub server: Server,
    /// The devices, each with its link to the server.
    pub seats: Vec<Seat>,
    changed: watch::Sender<u64>,
    following: Vec<JoinHandle<()>>,
}

/// A device, and its link to the server.
#[derive(Debug)]
pub struct Seat {
    /// The device.
    pub client: Client,
    /// Its link to the server.
    pub link: Link,
}

/// How a stage is set.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Where all files are kept. It is made if it is not there.
    pub folder: &'a Path,
    /// The origin whose pages may show those of the devices in a frame.
    pub framed_by: Option<&'a str>,
    /// When the devices sync.
    pub mode: Mode,
    /// What lies between a device and the way to the server. For tests that put something faulty there.
    pub between: fn(Arc<dyn Transport>) -> Arc<dyn Transport>,
}

impl<'a> Plan<'a> {
    /// Devices that sync when they are asked to, with their files in `folder`.
    pub fn new(folder: &'a Path) -> Self {
        Self { folder, framed_by: None, mode: Mode::OnDemand, between: |way| way }
    }
}

impl Stage {
    /// Starts the server, opens the devices, and links them.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn set(plan: &Plan<'_>) -> Result<Self, DemoError> {
        let changed = watch::Sender::new(0);
        let space = SpaceId::new("household").expect("the name is well formed");
        std::fs::create_dir_all(plan.folder).map_err(DemoError::Folder)?;
        let server = Server::start(plan.folder.join("server.sqlite"), space.clone(), changed.clone()).await?;
        let mut seats = Vec::new();
        for (user, device, name) in DEVICES {
            let folder = plan.folder.join(format!("{user}-{device}"));
            let framed_by = plan.framed_by.map(str::to_owned);
            let client = Client::open(Setup { framed_by, ..Setup::new(folder, space.clone(), name) }).await?;
            let [user, device] = [user, device].map(|name| Name::new(name).expect("the name is well formed"));
            let token = server.admit(&user, &device).await?;
            // What fails shows at once. It is the devices that try again.
            let way = HttpTransport::builder(&server.url(), &token).attempts(1).build()?;
            let link = Link::over((plan.between)(Arc::new(way)), Messages::new(changed.clone()));
            client.set_mode(plan.mode);
            client.connect(Arc::new(link.clone()));
            seats.push(Seat { client, link });
        }
        let following = seats.iter().map(|seat| tokio::spawn(follow(seat.client.changes(), changed.clone()))).collect();
        Ok(Self { server, seats, changed, following })
    }

    /// Follows all of it: the number moves on whenever something has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.following.iter().for_each(JoinHandle::abort);
    }
}

/// Passes on that a device has changed.
async fn follow(mut device: watch::Receiver<u64>, changed: watch::Sender<u64>) {
    while device.changed().await.is_ok() {
        changed.send_modify(|count| *count += 1);
    }
}
