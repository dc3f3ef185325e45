//! Access keys: who they belong to, and their sealed secrets.

use millrace_auth::{AccessKeyId, KeyStatus, Principal, Sealed};
use millrace_domain::Timestamp;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::open::Store;
use crate::row::{Reader, word};

/// What a deleted key's row says.
const DELETED: &str = "Deleted";

/// An access key that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    pub id: AccessKeyId,
    pub owner: Principal,
    pub sealed: Sealed,
    pub status: KeyStatus,
    pub created_at: Timestamp,
}

impl Store {
    /// The key of this id, unless it is deleted.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn access_key(&self, id: &AccessKeyId) -> Result<Option<StoredKey>, StoreError> {
        let row = sqlx::query("SELECT * FROM access_keys WHERE id = $1 AND status <> $2")
            .bind(id.as_str())
            .bind(DELETED)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(key).transpose()
    }

    /// All keys, or those of one account, by owner and id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn access_keys(&self, account: Option<&str>) -> Result<Vec<StoredKey>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM access_keys
             WHERE status <> $1 AND ($2 = '' OR account = $2)
             ORDER BY account, user_name, id",
        )
        .bind(DELETED)
        .bind(account.unwrap_or_default())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(key).collect()
    }

    /// Whether there ever was a key of this account's, deleted ones too.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn had_access_keys(&self, account: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM access_keys WHERE account = $1 LIMIT 1")
            .bind(account)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }

    /// Adds a key; false when its id is taken, also by a deleted one.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn add_access_key(&self, key: &StoredKey) -> Result<bool, StoreError> {
        let added = sqlx::query(
            "INSERT INTO access_keys (id, account, user_name, sealed, status, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING",
        )
        .bind(key.id.as_str())
        .bind(key.owner.account())
        .bind(key.owner.user_name().unwrap_or_default())
        .bind(key.sealed.as_str())
        .bind(word(&key.status))
        .bind(key.created_at.0)
        .execute(&self.writer)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Lets a key be used or not; false when there is none.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_access_key(
        &self,
        id: &AccessKeyId,
        status: KeyStatus,
    ) -> Result<bool, StoreError> {
        let set = sqlx::query("UPDATE access_keys SET status = $1 WHERE id = $2 AND status <> $3")
            .bind(word(&status))
            .bind(id.as_str())
            .bind(DELETED)
            .execute(&self.writer)
            .await?;
        Ok(set.rows_affected() == 1)
    }

    /// Deletes a key and its secret for ever; false when there is none.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_access_key(&self, id: &AccessKeyId) -> Result<bool, StoreError> {
        let deleted = sqlx::query(
            "UPDATE access_keys SET status = $1, sealed = '' WHERE id = $2 AND status <> $1",
        )
        .bind(DELETED)
        .bind(id.as_str())
        .execute(&self.writer)
        .await?;
        Ok(deleted.rows_affected() == 1)
    }
}

fn key(row: &AnyRow) -> Result<StoredKey, StoreError> {
    let row = Reader { table: "access_keys", row };
    let (id, account, user) = (row.text("id")?, row.text("account")?, row.text("user_name")?);
    let owner = Principal::of(&account, Some(user.as_str()).filter(|user| !user.is_empty()));
    Ok(StoredKey {
        owner: owner.map_err(|_| row.inconsistent("user_name", format!("{account}/{user}")))?,
        id: AccessKeyId::new(id.clone()).map_err(|_| row.inconsistent("id", id))?,
        sealed: Sealed::from_stored(row.text("sealed")?),
        status: row.word("status")?,
        created_at: row.time("created_at")?,
    })
}
