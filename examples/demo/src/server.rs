//! The server between the devices: the same router, accounts and policy as a real one, with a switch.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client_view::Digest;
use client_view::client::compose;
use client_view::policy::NoShouting;
use syncline::authority::accounts::{Accounts, AccountsError};
use syncline::authority::{Name, Role};
use syncline::store::Storage;
use syncline::{Replica, Service, SpaceId};
use syncline_http::{RouterOptions, ServerOptions, Shutdown, router};
use syncline_sqlite::{SqliteAccounts, SqliteStorage};
use tokio::net::TcpListener;
use tokio::sync::{RwLock, watch};
use tokio::task::JoinHandle;

use crate::DemoError;

/// A server on loopback with its store in one SQLite file. It can be stopped and started, and keeps its address.
#[derive(Debug)]
pub struct Server {
    file: PathBuf,
    space: SpaceId,
    address: SocketAddr,
    running: RwLock<Option<Running>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Running {
    accounts: SqliteAccounts,
    /// Keeps the views of the application over the server's log, so that its state can be compared with that of the devices. A server
    /// does not need any.
    replica: Replica,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

impl Server {
    /// Starts a server on a free port, with its store in this file.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn start(file: PathBuf, space: SpaceId, changed: watch::Sender<u64>) -> Result<Self, DemoError> {
        let listener = listen(([127, 0, 0, 1], 0).into()).await?;
        let address = listener.local_addr().map_err(DemoError::Listen)?;
        let running = RwLock::new(Some(Running::begin(&file, &space, listener).await?));
        Ok(Self { file, space, address, running, changed })
    }

    /// Where it listens, as `http://127.0.0.1:8550`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether it runs.
    pub async fn is_running(&self) -> bool {
        self.running.read().await.is_some()
    }

    /// Stops it: every connection breaks, and the store is closed. What it has acknowledged is on the disk.
    ///
    /// # Cancel
    /// It is stopped, or stops soon.
    pub async fn stop(&self) {
        let running = self.running.write().await.take();
        if let Some(Running { shutdown, serving, .. }) = running {
            shutdown.begin();
            // A panic of the server was told already.
            let _ = serving.await;
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Starts it again, at the same address.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn start_again(&self) -> Result<(), DemoError> {
        let mut running = self.running.write().await;
        if running.is_none() {
            let listener = listen(self.address).await?;
            *running = Some(Running::begin(&self.file, &self.space, listener).await?);
        }
        drop(running);
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Lets a user's device in, as a member of the space, and returns a new token for it. The device's earlier tokens count no more.
    ///
    /// # Errors
    /// [`DemoError::Accounts`], [`DemoError::Stopped`].
    pub async fn admit(&self, user: &Name, device: &Name) -> Result<String, DemoError> {
        let accounts = self.running.read().await.as_ref().map(|running| running.accounts.clone());
        let accounts = accounts.ok_or(DemoError::Stopped)?;
        unless_exists(accounts.add_user(user).await)?;
        unless_exists(accounts.add_device(user, device).await)?;
        unless_exists(accounts.add_space(&self.space, user).await)?;
        accounts.grant(&self.space, user, Role::Owner).await?;
        accounts.revoke_tokens(user, device).await?;
        let token = syncline_os::token();
        accounts.add_token(user, device, &token.hash(), None).await?;
        Ok(token.reveal())
    }

    /// Looks at the server's log through the views of the application. None while it is stopped.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn look<T>(
        &self,
        look: impl AsyncFnOnce(&Replica) -> Result<T, DemoError>,
    ) -> Result<Option<T>, DemoError> {
        // Who stops the server waits for this look, which waits for the store alone.
        let running = self.running.read().await;
        let Some(running) = &*running else { return Ok(None) };
        running.replica.catch_up().await?;
        look(&running.replica).await.map(Some)
    }

    /// The digests of its log and of what the views show of it, and how many bundles the log has. None while it is stopped.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn digest(&self) -> Result<Option<(Digest, u64)>, DemoError> {
        self.look(async |replica| Ok((Digest::of(replica).await?, replica.status().await?.head.get()))).await
    }
}

impl Running {
    async fn begin(file: &PathBuf, space: &SpaceId, listener: TcpListener) -> Result<Self, DemoError> {
        let storage = SqliteStorage::at(file)?;
        let accounts = storage.accounts(Arc::new(syncline_os::wall_clock)).await?;
        let stack = compose(space.clone(), storage.open(space).await?);
        let replica =
            stack.shared_with_service().clock(syncline_os::wall_clock).open(syncline_os::replica_id()).await?;
        let service = Service::new(Arc::new(storage), Arc::new(accounts.clone()), Arc::new(syncline_os::wall_clock));
        let routes = router(Arc::new(service.with_policy(Arc::new(NoShouting))), RouterOptions::default());
        let server = syncline_http::Server::new(listener).map_err(DemoError::Listen)?;
        // It is stopped as if it were killed: nobody gets time to finish.
        let server = server.with_options(ServerOptions::default().with_grace(Duration::ZERO));
        let shutdown = Shutdown::new();
        let serving = tokio::spawn(server.serve(routes, shutdown.clone()));
        Ok(Self { accounts, replica, shutdown, serving })
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, DemoError> {
    TcpListener::bind(address).await.map_err(DemoError::Listen)
}

fn unless_exists(added: Result<(), AccountsError>) -> Result<(), AccountsError> {
    match added {
        Err(AccountsError::Exists { .. }) => Ok(()),
        added => added,
    }
}
