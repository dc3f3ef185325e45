//! The audit log: a row for each call that changes something. It is written before the
//! call does anything, and gets its outcome after: a call that the service died in is
//! there, without one.

use millrace_domain::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::Page;
use crate::error::StoreError;
use crate::open::Store;
use crate::operations::{bound, page};
use crate::row::{Reader, count};

/// AWS: the event history of CloudTrail goes back as far.
const KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// Calls of one account that are kept: nobody fills the database of all.
const MOST: u32 = 1_000_000;
/// Rows past their time, or too many, go with one of so many new ones.
const FORGET_EVERY: u64 = 256;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Timestamp,
    pub account: String,
    pub region: String,
    /// An ARN.
    pub principal: String,
    /// The id of the credential, never a secret.
    pub credential: String,
    /// The id that the answer carries.
    pub request: String,
    pub action: String,
    /// An ARN, or several with spaces between.
    pub resource: String,
    /// `Success` or an error's code; empty while it goes on.
    pub outcome: String,
}

/// Where an entry is; it wants its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct AuditId(u64);

impl Store {
    /// Writes an entry.
    ///
    /// # Errors
    /// The database does not answer: then the call must not go on.
    pub async fn begin_audit(&self, entry: &AuditEntry) -> Result<AuditId, StoreError> {
        let written = entry.clone();
        let row = self
            .write(move |connection| Box::pin(async move { insert(connection, &written).await }))
            .await?;
        let sequence = Reader { table: "audit", row: &row }.count("sequence")?;
        if sequence.is_multiple_of(FORGET_EVERY) {
            self.forget_old_entries(entry.at).await?;
            self.forget_entries_beyond(&entry.account, MOST).await?;
        }
        Ok(AuditId(sequence))
    }

    /// Gives an entry its outcome.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end_audit(&self, id: AuditId, outcome: &str) -> Result<(), StoreError> {
        let outcome = outcome.to_owned();
        let ended = self.write(move |connection| {
            Box::pin(async move {
                sqlx::query("UPDATE audit SET outcome = $1 WHERE sequence = $2")
                    .bind(outcome)
                    .bind(count(id.0))
                    .execute(connection)
                    .await?;
                Ok(())
            })
        });
        ended.await
    }

    /// Up to `limit` entries, newest first, of all accounts or one, from before a place.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn audit(
        &self,
        account: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM audit
             WHERE ($1 = '' OR account = $1) AND sequence < $2
             ORDER BY sequence DESC
             LIMIT $3",
        )
        .bind(account.unwrap_or_default())
        .bind(bound(before))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        page(&rows, limit, "audit", "sequence", entry)
    }

    /// Keeps the newest `most` entries of an account.
    async fn forget_entries_beyond(&self, account: &str, most: u32) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM audit
             WHERE account = $1 AND sequence <= (
                 SELECT sequence FROM audit WHERE account = $1
                 ORDER BY sequence DESC LIMIT 1 OFFSET $2)",
        )
        .bind(account)
        .bind(i64::from(most))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn forget_old_entries(&self, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM audit WHERE at < $1")
            .bind(now.0 - KEPT_MS)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

async fn insert(connection: &mut AnyConnection, entry: &AuditEntry) -> Result<AnyRow, StoreError> {
    let row = sqlx::query(
        "INSERT INTO audit (at, account, region, principal, credential, request, action,
             resource, outcome)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         RETURNING sequence",
    )
    .bind(entry.at.0)
    .bind(&entry.account)
    .bind(&entry.region)
    .bind(&entry.principal)
    .bind(&entry.credential)
    .bind(&entry.request)
    .bind(&entry.action)
    .bind(&entry.resource)
    .bind(&entry.outcome)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

fn entry(row: &AnyRow) -> Result<AuditEntry, StoreError> {
    let row = Reader { table: "audit", row };
    Ok(AuditEntry {
        at: row.time("at")?,
        account: row.text("account")?,
        region: row.text("region")?,
        principal: row.text("principal")?,
        credential: row.text("credential")?,
        request: row.text("request")?,
        action: row.text("action")?,
        resource: row.text("resource")?,
        outcome: row.text("outcome")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_account_keeps_its_newest_entries_and_takes_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("millrace.db")).await.unwrap();
        for number in 0..20 {
            let account = if number % 2 == 0 { "even" } else { "odd" };
            let entry = AuditEntry {
                at: Timestamp(number),
                account: account.to_owned(),
                region: String::new(),
                principal: String::new(),
                credential: String::new(),
                request: String::new(),
                action: String::new(),
                resource: String::new(),
                outcome: String::new(),
            };
            let _ = store.begin_audit(&entry).await.unwrap();
        }
        store.forget_entries_beyond("even", 3).await.unwrap();
        store.forget_entries_beyond("odd", 10).await.unwrap();
        let left = async |account| {
            let page = store.audit(Some(account), None, 100).await.unwrap();
            page.items.iter().map(|entry| entry.at.0).collect::<Vec<_>>()
        };
        assert_eq!(left("even").await, [18, 16, 14]);
        assert_eq!(left("odd").await.len(), 10);
    }
}
