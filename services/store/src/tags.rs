//! Tags of an application.

use std::collections::BTreeMap;

use millrace_domain::{Application, ApplicationId};
use sqlx::AnyConnection;

use crate::error::StoreError;
use crate::row::Reader;

pub(crate) async fn of(
    connection: &mut AnyConnection,
    application: &ApplicationId,
) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = sqlx::query("SELECT key, value FROM tags WHERE application = $1")
        .bind(application.as_str())
        .fetch_all(connection)
        .await?;
    let pair = |row| {
        let row = Reader { table: "tags", row };
        Ok((row.text("key")?, row.text("value")?))
    };
    rows.iter().map(pair).collect()
}

/// Makes the stored tags those of `application`.
pub(crate) async fn replace(
    connection: &mut AnyConnection,
    application: &Application,
) -> Result<(), StoreError> {
    if of(&mut *connection, &application.id).await? == application.tags {
        return Ok(());
    }
    sqlx::query("DELETE FROM tags WHERE application = $1")
        .bind(application.id.as_str())
        .execute(&mut *connection)
        .await?;
    for (key, value) in &application.tags {
        sqlx::query("INSERT INTO tags (application, key, value) VALUES ($1, $2, $3)")
            .bind(application.id.as_str())
            .bind(key)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
