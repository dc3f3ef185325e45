//! What can go wrong with the database, as far as a caller acts differently.

use millrace_domain::change::IdempotencyRecord;
use millrace_domain::{ApplicationName, EnhancedSnapshotName};

use crate::open::Place;

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
    /// One more that somebody asked for.
    #[error("the account has {max} snapshots in this Region: the quota is reached; delete some")]
    SnapshotsReached { max: u64 },
    /// An operation under way reads it, or may have to.
    #[error("snapshot {name} is used by {operation} of application {application}")]
    SnapshotUsed {
        name: EnhancedSnapshotName,
        application: ApplicationName,
        operation: &'static str,
    },
    /// A start or an update from a snapshot that is being deleted by now.
    #[error("the snapshot to start from is no longer READY")]
    SnapshotGone,
    /// AWS: one export of a snapshot at a time.
    #[error("snapshot {name} is being exported already: wait for the end of that operation")]
    ExportOpen { name: EnhancedSnapshotName },
    #[error("the account has {max} exports and imports in progress: wait for the end of one")]
    TransfersReached { max: u64 },
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
    #[error("a database of several replicas is postgres://USER:PASSWORD@HOST/NAME")]
    Scheme,
    #[error("cannot open the database {place}; is it there, and may this user write to it?")]
    Open { place: Place, source: sqlx::Error },
    #[error(
        "cannot bring the database {place} to this release's schema; it may be of a newer release"
    )]
    Migrate { place: Place, source: sqlx::migrate::MigrateError },
}
