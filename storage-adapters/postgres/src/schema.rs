//! The format of the schema: its mark, its version and its tables.

use sqlx::Executor;
use syncline::store::{Retry, StoreError};

use crate::connection::Connection;
use crate::error::{Fault, Result, backend};
use crate::history::History;
use crate::work::Work;

/// What brings the tables of logs and rows from one version to the next, from 0. Never changed once released, only added to. Those
/// of accounts have a version of their own.
const MIGRATIONS: [&str; 3] = [
    concat!(include_str!("schema/log.sql"), include_str!("schema/views.sql")),
    include_str!("schema/history.sql"),
    include_str!("schema/base.sql"),
];

/// The version that this build writes, and the newest that it reads.
const NEWEST: u32 = MIGRATIONS.len() as u32;

/// The table that marks a schema as ours.
const MARK: &str = "CREATE TABLE syncline (format integer NOT NULL); INSERT INTO syncline VALUES (0)";

/// Brings the tables up to date and notes the server's history, all in one transaction. Of servers that start at once, one does it and
/// the others find it done.
///
/// # Errors
/// [`StoreError::UnsupportedFormat`] if another program or a newer build made the schema; nothing is changed then.
pub(crate) async fn migrate(connection: &mut Connection, schema: &str, history: Option<&History>) -> Result<()> {
    connection.start(Work::Transaction).await?;
    lock(connection, schema).await?;
    let version = match find(connection, schema).await? {
        Some(version) => version,
        None => {
            create(connection, schema).await?;
            0
        }
    };
    if version < NEWEST {
        for migration in &MIGRATIONS[version as usize..] {
            connection.execute(*migration).await?;
        }
        let newest = i32::try_from(NEWEST).expect("versions are few");
        sqlx::query("UPDATE syncline SET format = $1").bind(newest).execute(&mut *connection).await?;
    }
    if let Some(history) = history {
        connection.note(&history.now()).await?;
    }
    connection.end().await?;
    Ok(())
}

/// Waits until nobody else changes the tables of a schema, and lets nobody else do so until the transaction ends.
pub(crate) async fn lock(connection: &mut Connection, schema: &str) -> sqlx::Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('syncline schema ' || $1, 0))";
    sqlx::query(lock).bind(schema).execute(connection).await.map(drop)
}

/// The version of the schema's tables, `None` if it has none or does not exist.
async fn find(connection: &mut Connection, schema: &str) -> Result<Option<u32>> {
    let marked = "SELECT EXISTS (SELECT FROM information_schema.columns
        WHERE table_schema = $1 AND table_name = 'syncline' AND column_name = 'format' AND data_type = 'integer')";
    if !sqlx::query_scalar::<_, bool>(marked).bind(schema).fetch_one(&mut *connection).await? {
        return only_empty(connection, schema).await.map(|()| None);
    }
    let formats: Vec<i32> = sqlx::query_scalar("SELECT format FROM syncline").fetch_all(connection).await?;
    match formats[..] {
        [format] => match u32::try_from(format) {
            Ok(version) if version <= NEWEST => Ok(Some(version)),
            _ => Err(unsupported(schema, format.to_string())),
        },
        _ => Err(unsupported(schema, format!("unknown (its mark has {} rows)", formats.len()))),
    }
}

/// Refuses a schema that holds something already.
async fn only_empty(connection: &mut Connection, schema: &str) -> Result<()> {
    let relations = "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = $1 ORDER BY relname LIMIT 3";
    let names: Vec<String> = sqlx::query_scalar(relations).bind(schema).fetch_all(connection).await?;
    if names.is_empty() {
        return Ok(());
    }
    Err(unsupported(schema, format!("unknown (tables of another program: {}, …)", names.join(", "))))
}

/// Creates the schema, if it does not exist, and marks it.
async fn create(connection: &mut Connection, schema: &str) -> Result<()> {
    let exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    if !sqlx::query_scalar::<_, bool>(exists).bind(schema).fetch_one(&mut *connection).await? {
        // Its name was checked: it holds no quotes.
        let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""));
        let created = connection.execute(create).await;
        created.map_err(|error| {
            let why = format!(
                "schema `{schema}` cannot be created ({error}); create it, and grant its user all rights on it"
            );
            Fault::Store(backend(Retry::Never, why))
        })?;
    }
    connection.execute(MARK).await?;
    Ok(())
}

fn unsupported(schema: &str, found: String) -> Fault {
    StoreError::UnsupportedFormat { what: format!("schema `{schema}`"), found, newest: NEWEST }.into()
}
