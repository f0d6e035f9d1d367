//! The Postgres server that is measured.

use std::env;

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
        let started = tokio::task::spawn_blocking(testing::Server::try_start).await;
        let own = started.map_err(|error| error.to_string())?.map_err(|error| error.to_string().replace('\n', " "))?;
        Ok(Self { url: Some(own.url().to_owned()), _own: Some(own) })
    }

    /// How to connect.
    pub fn url(&self) -> Option<String> {
        self.url.clone()
    }
}
