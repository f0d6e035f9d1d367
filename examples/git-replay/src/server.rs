//! The server of the replay: a real one on a loopback socket, with accounts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use syncline::authority::accounts::Accounts;
use syncline::authority::{Name, Role};
use syncline::store::Durability;
use syncline::{Service, SpaceId};
use syncline_any::{AnyOptions, AnyStorage, StoreName};
use syncline_http::{RouterOptions, Server, Shutdown, router};
use tokio::task::JoinHandle;

use crate::member::Failure;
use crate::stores::{self, Choice};

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
    /// Where its store lies, where that is on this machine.
    pub(crate) path: Option<PathBuf>,
    url: String,
    accounts: Arc<dyn Accounts>,
    owner: Name,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

impl Running {
    /// Starts a server on a free port, with its files in `folder`.
    pub(crate) async fn start(choice: &Choice, folder: &Path, durability: Durability) -> Result<Self, Failure> {
        let storage = stores::server(choice, folder, durability).await?;
        let path = storage.name().path().map(Path::to_owned);
        let accounts = accounts(&storage, folder).await?;
        let owner = Name::new("replay")?;
        accounts.add_user(&owner).await?;
        accounts.add_space(&space(), &owner).await?;
        accounts.grant(&space(), &owner, Role::Owner).await?;
        let service = Service::new(Arc::new(storage), accounts.clone(), Arc::new(syncline_os::wall_clock));
        let server = Server::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", server.address());
        let shutdown = Shutdown::new();
        let serving = tokio::spawn(server.serve(router(Arc::new(service), RouterOptions::default()), shutdown.clone()));
        Ok(Self { path, url, accounts, owner, shutdown, serving })
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

/// The accounts of the storage, or a file of their own next to it.
async fn accounts(storage: &AnyStorage, folder: &Path) -> Result<Arc<dyn Accounts>, Failure> {
    if let Some(accounts) = storage.accounts(Arc::new(syncline_os::wall_clock)).await? {
        return Ok(accounts);
    }
    let file = AnyOptions::new(StoreName::sqlite(folder.join("accounts.sqlite"))).open().await?;
    file.accounts(Arc::new(syncline_os::wall_clock)).await?.ok_or_else(|| "SQLite keeps accounts".into())
}
