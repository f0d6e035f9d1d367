//! The Postgres server that is measured.

use std::env;
use std::panic;

use syncline_postgres_testing as testing;

/// A throw-away server, or somebody else's, or none if none is asked for.
#[derive(Debug)]
pub struct Server {
    url: Option<String>,
    /// Stopped and deleted when dropped.
    _own: Option<testing::Server>,
}

impl Server {
    /// No server.
    pub fn none() -> Self {
        Self { url: None, _own: None }
    }

    /// Uses the server that the variable names, or starts one that keeps what it acknowledges.
    ///
    /// # Errors
    /// Why there is none, in one line.
    pub async fn start() -> Result<Self, String> {
        if let Ok(url) = env::var(testing::URL_VARIABLE) {
            return Ok(Self { url: Some(url), _own: None });
        }
        // It is made for tests, which may fail with a panic. Here that is one line of the output.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let started = tokio::task::spawn_blocking(testing::Server::start).await;
        panic::set_hook(hook);
        match started {
            Ok(own) => Ok(Self { url: Some(own.url().to_owned()), _own: Some(own) }),
            Err(error) => Err(match error.try_into_panic() {
                Ok(panic) => message(&*panic).replace('\n', " "),
                Err(error) => error.to_string(),
            }),
        }
    }

    /// How to connect.
    pub fn url(&self) -> Option<String> {
        self.url.clone()
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "it failed".into())
}
