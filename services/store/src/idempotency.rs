//! Answers to mutations, for a retry of the same call.

use millrace_domain::Timestamp;
use millrace_domain::change::IdempotencyRecord;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::error::StoreError;
use crate::open::Store;
use crate::row::Reader;

/// SDKs retry within minutes; a day leaves room for a queue in between.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

impl Store {
    /// The answer committed with this call, if it was committed: the same invocation id
    /// with another request is another call.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn answered(
        &self,
        account: &str,
        invocation_id: &str,
        request_digest: &str,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        let mut connection = self.reader.acquire().await?;
        by_id(&mut connection, account, invocation_id, request_digest).await
    }
}

pub(crate) async fn by_id(
    connection: &mut SqliteConnection,
    account: &str,
    invocation_id: &str,
    request_digest: &str,
) -> Result<Option<IdempotencyRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM idempotency
         WHERE account = ? AND invocation_id = ? AND request_digest = ?",
    )
    .bind(account)
    .bind(invocation_id)
    .bind(request_digest)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(record).transpose()
}

/// Writes the record and forgets those past their time.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    record: &IdempotencyRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM idempotency WHERE created_at < ?")
        .bind(now.0 - KEPT_MS)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO idempotency (account, invocation_id, request_digest, response, created_at)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&record.account)
    .bind(&record.invocation_id)
    .bind(&record.request_digest)
    .bind(&record.response)
    .bind(record.created_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

fn record(row: &SqliteRow) -> Result<IdempotencyRecord, StoreError> {
    let row = Reader { table: "idempotency", row };
    Ok(IdempotencyRecord {
        account: row.text("account")?,
        invocation_id: row.text("invocation_id")?,
        request_digest: row.text("request_digest")?,
        response: row.text("response")?,
        created_at: row.time("created_at")?,
    })
}
