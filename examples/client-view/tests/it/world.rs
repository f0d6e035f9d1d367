//! A server with accounts, devices, and a browser of few words.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use client_view::policy::NoShouting;
use client_view::{Client, Serving, Setup};
use reqwest::header::{ACCEPT, CONTENT_TYPE, ORIGIN};
use reqwest::{Response, StatusCode};
use syncline::authority::Role;
use syncline::authority::accounts::Accounts;
use syncline::{NTP64, Service, SpaceId};
use syncline_http::{HttpTransport, RouterOptions, Server, Shutdown, router};
use syncline_sqlite::SqliteStorage;
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) fn space() -> SpaceId {
    SpaceId::new("household").unwrap()
}

/// A server with the users ann and bob, who have a device each.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    storage: SqliteStorage,
    /// Seconds that the server's clock is ahead.
    pub(crate) skew: Arc<AtomicI64>,
    port: u16,
    serving: Option<(Shutdown, JoinHandle<()>)>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = SqliteStorage::at(folder.path().join("server.sqlite")).unwrap();
        let accounts = storage.accounts(Arc::new(syncline_os::wall_clock)).await.unwrap();
        for user in ["ann", "bob"] {
            let (user, device) = (user.parse().unwrap(), "device".parse().unwrap());
            accounts.add_user(&user).await.unwrap();
            accounts.add_device(&user, &device).await.unwrap();
        }
        accounts.add_space(&space(), &"ann".parse().unwrap()).await.unwrap();
        accounts.grant(&space(), &"bob".parse().unwrap(), Role::Writer).await.unwrap();
        let mut world = Self { folder, storage, skew: Arc::default(), port: 0, serving: None };
        world.start().await;
        world
    }

    /// Starts the server, where it was before if it was stopped.
    pub(crate) async fn start(&mut self) {
        let skew = self.skew.clone();
        let clock = move || {
            let (now, skew) = (syncline_os::wall_clock(), skew.load(Ordering::Relaxed));
            NTP64(now.0.saturating_add_signed(skew << 32))
        };
        let accounts = Arc::new(self.storage.accounts(Arc::new(syncline_os::wall_clock)).await.unwrap());
        let service = Service::new(Arc::new(self.storage.clone()), accounts, Arc::new(clock));
        let service = Arc::new(service.with_policy(Arc::new(NoShouting)));
        let server = Server::bind(&format!("127.0.0.1:{}", self.port)).await.unwrap();
        self.port = server.address().port();
        let shutdown = Shutdown::new();
        let task = tokio::spawn(server.serve(router(service, RouterOptions::default()), shutdown.clone()));
        self.serving = Some((shutdown, task));
    }

    pub(crate) async fn stop(&mut self) {
        let (shutdown, task) = self.serving.take().unwrap();
        shutdown.begin();
        task.await.unwrap();
    }

    /// A new token of a user's device, valid for so many seconds from now.
    pub(crate) async fn token(&self, user: &str, seconds: i64) -> String {
        let token = syncline_os::token();
        let expires = NTP64(syncline_os::wall_clock().0.saturating_add_signed(seconds << 32));
        let accounts = self.storage.accounts(Arc::new(syncline_os::wall_clock)).await.unwrap();
        let (user, device) = (user.parse().unwrap(), "device".parse().unwrap());
        accounts.add_token(&user, &device, &token.hash(), Some(expires)).await.unwrap();
        token.reveal()
    }

    pub(crate) async fn revoke(&self, user: &str) {
        let accounts = self.storage.accounts(Arc::new(syncline_os::wall_clock)).await.unwrap();
        accounts.revoke_tokens(&user.parse().unwrap(), &"device".parse().unwrap()).await.unwrap();
    }

    /// The way to the server with a token. It does not try again, so that a test does not wait for it.
    pub(crate) fn way(&self, token: &str) -> Arc<HttpTransport> {
        let way = HttpTransport::builder(&format!("http://127.0.0.1:{}", self.port), token);
        Arc::new(way.attempts(1).build().unwrap())
    }

    /// The folder of a device.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A device that syncs when it is asked to.
    pub(crate) async fn device(&self, user: &str, name: &str) -> Client {
        let client = Client::open(Setup::new(self.home(name), space(), name)).await.unwrap();
        client.set_mode(client_view::Mode::OnDemand);
        client.connect(self.way(&self.token(user, 3_600).await));
        client
    }
}

/// Syncs the devices one after the other, twice, so that each has what the others have.
pub(crate) async fn sync(devices: &[&Client]) {
    for device in devices.iter().chain(devices) {
        device.sync_now().await.unwrap();
    }
}

/// Asserts that all have the same log and the same rows.
pub(crate) async fn assert_equal(devices: &[&Client]) {
    let first = devices[0].digest().await.unwrap();
    for device in devices {
        assert_eq!(device.digest().await.unwrap(), first, "{}", device.name());
        assert!(device.status().await.unwrap().in_sync(), "{}: {:?}", device.name(), device.status().await);
    }
}

/// A browser that has the page of one client open.
pub(crate) struct Browser {
    http: reqwest::Client,
    pub(crate) address: String,
    _serving: Serving,
}

impl Browser {
    pub(crate) async fn open(client: &Client) -> Self {
        let serving = client_view::serve(client, "127.0.0.1:0").await.unwrap();
        let _ = rustls_provider();
        let no_redirect = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(no_redirect).timeout(Duration::from_secs(60));
        Self { http: http.build().unwrap(), address: serving.address().to_owned(), _serving: serving }
    }

    /// Where the page comes from.
    pub(crate) fn origin(&self) -> &str {
        let key = self.address.trim_end_matches('/').rfind('/').unwrap();
        &self.address[..key]
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.address))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> reqwest::RequestBuilder {
        let kind = (CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.http.post(format!("{}{path}", self.address)).header(kind.0, kind.1).body(body.to_owned())
    }

    /// What a page says.
    pub(crate) async fn read(&self, path: &str) -> String {
        let answer = self.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    /// Sends a form as the page's script does.
    pub(crate) async fn send(&self, path: &str, body: &str) -> Response {
        let origin = self.origin().to_owned();
        self.post(path, body).header(ORIGIN, origin).header(ACCEPT, "text/plain").send().await.unwrap()
    }

    /// Sends a form that is taken. What the page then says.
    pub(crate) async fn act(&self, path: &str, body: &str) -> String {
        let answer = self.send(path, body).await;
        let (status, said) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{path} {body}: {said}");
        said
    }
}

/// The transport installs a provider when it is first made. A browser may come first.
fn rustls_provider() -> Option<HttpTransport> {
    HttpTransport::builder("http://127.0.0.1:1", "t").build().ok()
}
