//! How every connection is set up, and what the server promises.

use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use syncline::store::{Durability, Retry, StoreError};

use crate::connect::Connector;
use crate::error::{Fault, backend};
use crate::options::PostgresOptions;

/// Bytes of a schema's name; with `syncline_` before it, it names the channel of announcements, which takes 63.
const SCHEMA_BYTES_MAX: usize = 48;
/// How long a server that starts waits for another one that is changing the tables.
const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// What all statements here have in common: they find their rows by a key, so that one plan, made once, is right for all
/// parameters and all statistics. A plan that reads whole tables would be one that was made while they were empty.
const PLANNING: [(&str, &str); 7] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
];

/// The connection that brings the tables up to date and asks what the server promises.
///
/// # Errors
/// Where the URL or the schema's name cannot be read.
pub(crate) fn first(options: &PostgresOptions) -> Result<Connector, StoreError> {
    check_schema(&options.schema)?;
    let parsed = PgConnectOptions::from_str(&options.url);
    let parsed = parsed.map_err(|error| backend(Retry::Never, format!("the database's URL does not read: {error}")))?;
    let named = parsed.get_application_name().is_some();
    let parsed = if named { parsed } else { parsed.application_name("syncline") };
    let connector = Connector::new(parsed.disable_statement_logging(), options.connect_timeout);
    let connector = connector.with("search_path", &*options.schema);
    let connector = connector.with("lock_timeout", millis(MIGRATION_LOCK_TIMEOUT));
    let connector = connector.with("default_transaction_isolation", "read committed");
    Ok(if options.asynchronous { connector.with("synchronous_commit", "off") } else { connector })
}

/// The connections that serve requests. The server's `synchronous_commit`, once found, is made theirs, so that no later change
/// of its configuration makes a promise untrue.
pub(crate) fn working(first: Connector, options: &PostgresOptions, promise: &Promise) -> Connector {
    let statement_timeout = millis(options.statement_timeout);
    let settings = [
        ("lock_timeout", millis(options.lock_timeout)),
        ("statement_timeout", statement_timeout.clone()),
        ("idle_in_transaction_session_timeout", statement_timeout),
        ("synchronous_commit", promise.synchronous_commit.clone()),
    ];
    let planning = PLANNING.map(|(name, value)| (name, value.to_owned()));
    settings.into_iter().chain(planning).fold(first, |connector, (name, value)| connector.with(name, value))
}

/// Whole milliseconds, as the server takes them; the least that is not for ever where there would be none.
fn millis(span: Duration) -> String {
    let millis = span.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
    millis.to_string()
}

fn check_schema(name: &str) -> Result<(), StoreError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let starts_well = !name.starts_with("pg_") && name.starts_with(|first: char| !first.is_ascii_digit());
    if plain && starts_well && name.len() <= SCHEMA_BYTES_MAX {
        return Ok(());
    }
    let rule = "it takes 1 to 48 of a-z 0-9 _ and does not start with a digit or `pg_`";
    Err(backend(Retry::Never, format!("`{name}` cannot be a schema's name: {rule}")))
}

/// What the server does with a commit.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    synchronous_commit: String,
    /// The server flushes its log at all, and heals pages that a power cut has torn.
    safe: bool,
}

impl Promise {
    /// Asks the server, which must be one that Syncline can work with.
    ///
    /// # Errors
    /// Where it takes no writes, or its text is not Unicode.
    pub(crate) async fn ask(connection: &mut PgConnection) -> crate::error::Result<Self> {
        // Servers that only speak Postgres' language may not have the second and the third.
        let select = "SELECT current_setting('synchronous_commit'), coalesce(current_setting('fsync', true), 'on'),
            coalesce(current_setting('full_page_writes', true), 'on'), current_setting('transaction_read_only'),
            current_setting('server_encoding')";
        let (synchronous_commit, fsync, full_page_writes, read_only, encoding): (
            String,
            String,
            String,
            String,
            String,
        ) = sqlx::query_as(select).fetch_one(connection).await?;
        let refusal = match (&*read_only, &*encoding) {
            ("on", _) => "the server takes no writes; connect to the primary".to_owned(),
            (_, "UTF8") => return Ok(Self { synchronous_commit, safe: fsync == "on" && full_page_writes == "on" }),
            _ => format!("the database's encoding is {encoding}; create one with ENCODING 'UTF8'"),
        };
        Err(Fault::Store(backend(Retry::Never, refusal)))
    }

    /// What a returned commit survives.
    pub(crate) fn durability(&self) -> Durability {
        if self.safe && self.synchronous_commit != "off" { Durability::Synced } else { Durability::Process }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_names_that_break_the_rule_are_refused() {
        for name in ["", "Notes", "1a", "pg_x", "a-b", "a\"b", &"a".repeat(49)] {
            assert!(check_schema(name).is_err(), "{name}");
        }
        assert!(check_schema("_team_7").is_ok());
    }

    #[test]
    fn timeouts_are_rounded_up_so_that_short_ones_are_not_for_ever() {
        assert_eq!(millis(Duration::ZERO), "0");
        assert_eq!(millis(Duration::from_nanos(1)), "1");
        assert_eq!(millis(Duration::from_secs(3)), "3000");
        assert_eq!(millis(Duration::MAX), i32::MAX.to_string());
    }

    #[test]
    fn only_what_reaches_the_disk_before_the_answer_is_synced() {
        let durability = |synchronous_commit: &str, safe| {
            Promise { synchronous_commit: synchronous_commit.into(), safe }.durability()
        };
        for setting in ["on", "local", "remote_write", "remote_apply"] {
            assert_eq!(durability(setting, true), Durability::Synced);
        }
        assert_eq!(durability("off", true), Durability::Process);
        assert_eq!(durability("on", false), Durability::Process);
    }

    #[test]
    fn a_url_that_does_not_read_is_told_without_its_password() {
        let error =
            first(&PostgresOptions::new("postgres://user:secret@host:nonsense/db")).map(drop).unwrap_err().to_string();
        assert!(error.contains("URL") && !error.contains("secret"), "{error}");
    }
}
