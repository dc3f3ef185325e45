//! What can go wrong with the database, as far as a caller acts differently.

use std::path::PathBuf;

use millrace_domain::EnhancedSnapshotName;
use millrace_domain::change::IdempotencyRecord;

/// The database could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database did not do what was asked; see its own message")]
    Database(#[from] sqlx::Error),
    /// A row was written by something else than this store, or by a newer one.
    #[error("table {table} holds {value:?} in {column}: not a value this release knows")]
    Inconsistent { table: &'static str, column: &'static str, value: String },
}

/// Why a change was not written. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Load again, decide again.
    #[error("the application changed since it was loaded")]
    Stale,
    /// A creation under a name that the account already uses in the Region.
    #[error("the account has an application of this name in this Region")]
    NameTaken,
    /// A creation beyond the account's quota, which others may have filled since it was
    /// decided.
    #[error("the account has {max} applications in this Region: the quota is reached")]
    QuotaReached { max: u64 },
    /// A new enhanced snapshot under a name that the account already uses in the Region.
    #[error("the account has a snapshot {name} in this Region")]
    SnapshotNameTaken { name: EnhancedSnapshotName },
    /// The call was committed before: answer as then. Boxed as it is the rare case.
    #[error("the call {} was committed before", .0.invocation_id)]
    AlreadyDone(Box<IdempotencyRecord>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> CommitError {
        CommitError::Store(StoreError::Database(error))
    }
}

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the database {}; is its directory there and writable?", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error(
        "cannot bring the database {} to this release's schema; it may be of a newer release",
        path.display()
    )]
    Migrate { path: PathBuf, source: sqlx::migrate::MigrateError },
}
