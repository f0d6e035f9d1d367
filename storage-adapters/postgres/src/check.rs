//! The server's own check of tables and indices, by its extension `amcheck`.

use sqlx::{AssertSqlSafe, Row};

use crate::connection::Connection;
use crate::error::{Result, corrupt};

/// Checks every index of the schema against its table, and every table. Returns what was checked, in words.
///
/// # Errors
/// [`StoreError::Corrupt`](syncline::StoreError::Corrupt) with what the server found first.
pub(crate) async fn check(connection: &mut Connection) -> Result<String> {
    const NONE: &str = "no index and no table by the server's own means, which are its extension amcheck";
    let find = "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
        WHERE extname = 'amcheck' AND has_schema_privilege(nspname, 'USAGE')";
    let Some(home) = sqlx::query_scalar::<_, String>(find).fetch_optional(&mut *connection).await? else {
        return Ok(format!("{NONE}: it is not there, and a superuser adds it by CREATE EXTENSION amcheck"));
    };
    let functions =
        ["bt_index_check(regclass, boolean)", "verify_heapam(regclass, boolean, boolean, text, bigint, bigint)"];
    let [indices, tables] = functions.map(|function| format!("{home}.{function}"));
    if !may_call(connection, &indices).await? {
        return Ok(format!("{NONE}: this user may not call {indices}, and a superuser grants it"));
    }
    // It takes as long as reading everything.
    let endless = sqlx::query("SELECT set_config('statement_timeout', '0', $1)").bind(connection.is_within());
    endless.execute(&mut *connection).await?;
    let count = check_indices(connection, &home).await?;
    if !may_call(connection, &tables).await? {
        return Ok(format!("{count} indices, by amcheck"));
    }
    check_tables(connection, &home).await?;
    Ok(format!("{count} indices and their tables, by amcheck"))
}

async fn may_call(connection: &mut Connection, function: &str) -> Result<bool> {
    let may = "SELECT coalesce(has_function_privilege(to_regprocedure($1), 'EXECUTE'), false)";
    Ok(sqlx::query_scalar(may).bind(function).fetch_one(connection).await?)
}

async fn check_indices(connection: &mut Connection, home: &str) -> Result<usize> {
    let list = "SELECT pg_class.oid::bigint FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
        WHERE relnamespace = current_schema()::regnamespace AND amname = 'btree' AND indisvalid ORDER BY relname";
    let indices: Vec<i64> = sqlx::query_scalar(list).fetch_all(&mut *connection).await?;
    for index in &indices {
        let check = AssertSqlSafe(format!("SELECT {home}.bt_index_check($1::oid::regclass, true)"));
        sqlx::query(check).bind(index).execute(&mut *connection).await?;
    }
    Ok(indices.len())
}

async fn check_tables(connection: &mut Connection, home: &str) -> Result<()> {
    let list = "SELECT relname::text FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY relname";
    let tables: Vec<String> = sqlx::query_scalar(list).fetch_all(&mut *connection).await?;
    for table in tables {
        let check = AssertSqlSafe(format!("SELECT blkno, msg FROM {home}.verify_heapam($1::regclass, true) LIMIT 1"));
        if let Some(row) = sqlx::query(check).bind(&table).fetch_optional(&mut *connection).await? {
            let (block, why): (i64, String) = (row.try_get("blkno")?, row.try_get("msg")?);
            return Err(corrupt(format!("table {table}, block {block}"), why).into());
        }
    }
    Ok(())
}
