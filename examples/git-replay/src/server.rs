//! The server of the replay: a real one on a loopback socket, with accounts, over a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use syncline::authority::accounts::Accounts;
use syncline::authority::{Name, Role};
use syncline::store::Durability;
use syncline::{Service, SpaceId};
use syncline_http::{RouterOptions, Server, Shutdown, router};
use syncline_sqlite::SqliteOptions;
use tokio::task::JoinHandle;

use crate::member::Failure;

/// The space that the history is replayed into.
pub(crate) fn space() -> SpaceId {
    SpaceId::new("history").expect("the name is well formed")
}

/// What a device needs to reach the server.
pub(crate) struct Access {
    pub(crate) device: String,
    pub(crate) url: String,
    pub(crate) token: String,
}

/// A running server.
pub(crate) struct Running {
    pub(crate) file: PathBuf,
    url: String,
    accounts: Arc<dyn Accounts>,
    owner: Name,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

impl Running {
    /// Starts a server on a free port, with its file in `folder`.
    pub(crate) async fn start(folder: &Path, durability: Durability) -> Result<Self, Failure> {
        let file = folder.join("server.sqlite");
        let storage = SqliteOptions::new(&file).durability(durability).open()?;
        let accounts = Arc::new(storage.accounts(Arc::new(syncline_os::wall_clock)));
        let owner = Name::new("replay")?;
        accounts.add_user(&owner).await?;
        accounts.add_space(&space(), &owner).await?;
        accounts.grant(&space(), &owner, Role::Owner).await?;
        let service = Service::new(Arc::new(storage), accounts.clone(), Arc::new(syncline_os::wall_clock));
        let server = Server::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", server.address());
        let shutdown = Shutdown::new();
        let serving = tokio::spawn(server.serve(router(Arc::new(service), RouterOptions::default()), shutdown.clone()));
        Ok(Self { file, url, accounts, owner, shutdown, serving })
    }

    /// Registers a device and gives it a token.
    pub(crate) async fn admit(&self, device: String) -> Result<Access, Failure> {
        let (name, token) = (Name::new(device.clone())?, syncline_os::token());
        self.accounts.add_device(&self.owner, &name).await?;
        self.accounts.add_token(&self.owner, &name, &token.hash(), None).await?;
        Ok(Access { device, url: self.url.clone(), token: token.reveal() })
    }

    /// Stops the server in order.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.shutdown.begin();
        Ok(self.serving.await?)
    }
}
