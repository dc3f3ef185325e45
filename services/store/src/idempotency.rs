//! Answers to mutations, for a retry of the same call.

use millrace_domain::Timestamp;
use millrace_domain::change::IdempotencyRecord;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

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

    /// Forgets answers past their time. Not within a commit: two replicas that forget the
    /// same rows would wait for each other there.
    pub(crate) async fn forget_old_answers(&self, now: Timestamp) {
        let forgotten = sqlx::query("DELETE FROM idempotency WHERE created_at < $1")
            .bind(now.0 - KEPT_MS)
            .execute(&self.writer)
            .await;
        if let Err(error) = forgotten {
            tracing::warn!(%error, "answers past their time are kept for now");
        }
    }
}

pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    account: &str,
    invocation_id: &str,
    request_digest: &str,
) -> Result<Option<IdempotencyRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM idempotency
         WHERE account = $1 AND invocation_id = $2 AND request_digest = $3",
    )
    .bind(account)
    .bind(invocation_id)
    .bind(request_digest)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(record).transpose()
}

/// Writes the record; false when the call has one.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    record: &IdempotencyRecord,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO idempotency (account, invocation_id, request_digest, response, created_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(&record.account)
    .bind(&record.invocation_id)
    .bind(&record.request_digest)
    .bind(&record.response)
    .bind(record.created_at.0)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

fn record(row: &AnyRow) -> Result<IdempotencyRecord, StoreError> {
    let row = Reader { table: "idempotency", row };
    Ok(IdempotencyRecord {
        account: row.text("account")?,
        invocation_id: row.text("invocation_id")?,
        request_digest: row.text("request_digest")?,
        response: row.text("response")?,
        created_at: row.time("created_at")?,
    })
}
