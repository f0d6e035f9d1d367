//! Asking by hand: any headers, any bytes, and sockets that say only half of it.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use http::StatusCode;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use syncline_http::{BINARY, PROBLEM_JSON, PROBLEM_TYPE_PREFIX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::people::ANN;
use crate::site::Site;

/// How long a server may take to close a connection before the test calls it a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The value of a header, empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem document, which must have this status and type.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), PROBLEM_JSON, "{text}");
        let document: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document["type"], format!("{PROBLEM_TYPE_PREFIX}{kind}"), "{text}");
        assert_eq!(document["status"], status, "{text}");
        assert_eq!(document["request_id"], self.header("x-request-id"), "{text}");
        assert!(document["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{text}");
        assert!(document["title"].as_str().is_some_and(|title| !title.is_empty()), "{text}");
        document
    }
}

/// A plain HTTP client. One for all tests, since making one is slow; it keeps no connection, since each test has a runtime of
/// its own.
pub(crate) fn http() -> &'static Client {
    static HTTP: LazyLock<Client> = LazyLock::new(|| {
        // Without TLS, but reqwest wants a provider all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
    });
    &HTTP
}

/// Sends what has been built.
pub(crate) async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Reply { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

/// A post of these bytes in binary form, by the owner.
pub(crate) fn post(site: &Site, route: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    http().post(site.route(route)).bearer_auth(ANN).header("content-type", BINARY).body(body)
}

/// The same in JSON.
pub(crate) fn post_json(site: &Site, route: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    http().post(site.route(route)).bearer_auth(ANN).header("content-type", "application/json").body(body)
}

/// A question of the owner's.
pub(crate) fn get(site: &Site, route: &str) -> RequestBuilder {
    http().get(site.route(route)).bearer_auth(ANN)
}

/// A socket that says exactly what it is told to.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// The same, of a peer whose system takes next to nothing before it reads.
    pub(crate) async fn connect_with_small_buffer(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    /// Says as much as the server takes.
    pub(crate) async fn try_say(&mut self, text: impl AsRef<[u8]>) {
        let _ = self.0.write_all(text.as_ref()).await;
    }

    pub(crate) async fn say(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.unwrap();
    }

    /// Says `text` again and again until the server has had enough.
    pub(crate) async fn say_until_cut(&mut self, text: &[u8]) {
        let flood = async { while self.0.write_all(text).await.is_ok() {} };
        timeout(PATIENCE, flood).await.expect("the server closes the connection");
    }

    /// Says a little, again and again but with pauses, until the server has had enough.
    pub(crate) async fn trickle_until_cut(&mut self, drop: &str) {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        let trickle = async {
            while self.0.write_all(drop.as_bytes()).await.is_ok() {
                pace.tick().await;
            }
        };
        timeout(PATIENCE, trickle).await.expect("the server closes the connection");
    }

    /// All that the server says until it closes the connection.
    pub(crate) async fn hear_to_the_end(&mut self) -> String {
        let mut heard = Vec::new();
        let end = timeout(PATIENCE, self.0.read_to_end(&mut heard)).await.expect("the server closes the connection");
        // A reset closes it, too.
        let _ = end;
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// What the server says until `text` has come.
    pub(crate) async fn hear(&mut self, text: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(text) {
            let mut part = [0; 4096];
            let read = timeout(PATIENCE, self.0.read(&mut part)).await.expect("the server answers").unwrap();
            assert!(read > 0, "the server closed the connection after {heard:?}");
            heard.push_str(&String::from_utf8_lossy(&part[..read]));
        }
        heard
    }
}
