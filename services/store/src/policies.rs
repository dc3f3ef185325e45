//! Policies of users, as they were put.

use millrace_auth::Principal;
use millrace_domain::Timestamp;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::open::Store;
use crate::row::Reader;

/// A user's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    pub owner: Principal,
    pub name: String,
    pub document: String,
    pub updated_at: Timestamp,
}

impl Store {
    /// A user's policies, by name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn policies(&self, owner: &Principal) -> Result<Vec<StoredPolicy>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM policies WHERE account = $1 AND user_name = $2 ORDER BY name",
        )
        .bind(owner.account())
        .bind(owner.user_name().unwrap_or_default())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(policy).collect()
    }

    /// The policies of all users, or of those of one account, by user and name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn all_policies(
        &self,
        account: Option<&str>,
    ) -> Result<Vec<StoredPolicy>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM policies WHERE ($1 = '' OR account = $1)
             ORDER BY account, user_name, name",
        )
        .bind(account.unwrap_or_default())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(policy).collect()
    }

    /// Puts a policy in the place of the one of its name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn put_policy(&self, policy: &StoredPolicy) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO policies (account, user_name, name, document, updated_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (account, user_name, name) DO UPDATE
             SET document = excluded.document, updated_at = excluded.updated_at",
        )
        .bind(policy.owner.account())
        .bind(policy.owner.user_name().unwrap_or_default())
        .bind(&policy.name)
        .bind(&policy.document)
        .bind(policy.updated_at.0)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Deletes a policy; false when there is none.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_policy(&self, owner: &Principal, name: &str) -> Result<bool, StoreError> {
        let deleted =
            sqlx::query("DELETE FROM policies WHERE account = $1 AND user_name = $2 AND name = $3")
                .bind(owner.account())
                .bind(owner.user_name().unwrap_or_default())
                .bind(name)
                .execute(&self.writer)
                .await?;
        Ok(deleted.rows_affected() == 1)
    }
}

fn policy(row: &AnyRow) -> Result<StoredPolicy, StoreError> {
    let row = Reader { table: "policies", row };
    let (account, user) = (row.text("account")?, row.text("user_name")?);
    let owner = Principal::of(&account, Some(user.as_str()).filter(|user| !user.is_empty()));
    Ok(StoredPolicy {
        owner: owner.map_err(|_| row.inconsistent("user_name", format!("{account}/{user}")))?,
        name: row.text("name")?,
        document: row.text("document")?,
        updated_at: row.time("updated_at")?,
    })
}
