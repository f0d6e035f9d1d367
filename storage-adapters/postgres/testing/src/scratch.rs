//! A schema for one test.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

/// The name of a schema that nobody else uses.
#[derive(Debug)]
pub struct Scratch {
    url: String,
    schema: String,
    /// It lies on a server that continues when the tests are over.
    is_left: bool,
}

impl Scratch {
    pub(crate) fn new(url: String, is_left: bool) -> Self {
        static NAMED: AtomicU64 = AtomicU64::new(0);
        let number = NAMED.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let schema = format!("test_{:x}_{:x}_{number}", now.as_micros(), process::id());
        Self { url, schema, is_left }
    }

    /// How to connect to its server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// A connection of the test's own, by which names without a schema are names in this one.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().expect("the server's URL reads");
        let options =
            options.options([("search_path", &self.schema)]).application_name("a test").disable_statement_logging();
        PgConnection::connect_with(&options).await.expect("the server answers")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_left {
            return;
        }
        // The test's own runtime may be the one that runs this, and must not be blocked by itself.
        let (url, schema) = (self.url.clone(), self.schema.clone());
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&url).await?;
                let delete = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
                connection.execute(AssertSqlSafe(delete)).await.map(drop)
            })
        });
        if let Ok(Err(error)) = deleting.join() {
            eprintln!("schema {} is left behind: {error}", self.schema);
        }
    }
}
