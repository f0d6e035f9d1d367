//! The tables of accounts. They are in a schema once somebody has asked for accounts.

use sqlx::Executor;
use syncline::store::StoreError;

use crate::ask::Ask;
use crate::connection::Connection;
use crate::error::{Result, corrupt};
use crate::schema::lock;
use crate::work::Work;

/// What brings the tables from one version to the next, from 0. Never changed once released, only added to.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// The version that this build writes, and the newest that it reads.
pub(super) const NEWEST: u32 = MIGRATIONS.len() as u32;

/// Which version the tables have, 0 if there are none.
///
/// Fails with [`StoreError::UnsupportedFormat`] if a newer build wrote them.
pub(super) struct Version;

impl Ask for Version {
    const DURING: &'static str = "looking for the tables of accounts";
    type Answer = u32;

    async fn ask(&self, connection: &mut Connection) -> Result<u32> {
        version(connection).await
    }
}

/// Creates the tables, or brings them up to date. Of processes that ask at once, one does it and the others find it done.
pub(super) struct Migrate;

impl Ask for Migrate {
    const DURING: &'static str = "creating the tables of accounts";
    const WORK: Work = Work::Transaction;
    type Answer = ();

    async fn ask(&self, connection: &mut Connection) -> Result<()> {
        let schema = schema(connection).await?;
        lock(connection, &schema).await?;
        let version = version(connection).await?;
        if version == NEWEST {
            return Ok(());
        }
        for migration in &MIGRATIONS[version as usize..] {
            connection.execute(*migration).await?;
        }
        connection
            .execute("CREATE TABLE IF NOT EXISTS account_format (format integer NOT NULL); DELETE FROM account_format")
            .await?;
        let newest = i32::try_from(NEWEST).expect("versions are few");
        sqlx::query("INSERT INTO account_format VALUES ($1)").bind(newest).execute(connection).await?;
        Ok(())
    }
}

async fn version(connection: &mut Connection) -> Result<u32> {
    // Not by to_regclass: it answers from a cache, in which a table that was created during the wait for the lock is missing.
    let tables = "SELECT coalesce(bool_or(relname = 'account_format'), false), coalesce(bool_or(relname = 'account_users'), false)
        FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname IN ('account_format', 'account_users')";
    let (is_marked, is_there): (bool, bool) = sqlx::query_as(tables).fetch_one(&mut *connection).await?;
    if !is_marked {
        // The first builds made accounts together with the logs, and did not mark them.
        return Ok(u32::from(is_there));
    }
    let mark: Option<i32> =
        sqlx::query_scalar("SELECT format FROM account_format").fetch_optional(&mut *connection).await?;
    let mark = mark.ok_or_else(|| corrupt("the table account_format", "it is empty"))?;
    match u32::try_from(mark) {
        Ok(version) if version <= NEWEST => Ok(version),
        _ => {
            let what = format!("the data of accounts in schema `{}`", schema(connection).await?);
            Err(StoreError::UnsupportedFormat { what, found: mark.to_string(), newest: NEWEST }.into())
        }
    }
}

async fn schema(connection: &mut Connection) -> sqlx::Result<String> {
    sqlx::query_scalar("SELECT current_schema()::text").fetch_one(connection).await
}
