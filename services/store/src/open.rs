//! Opening the database.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::OpenError;

/// How long a connection waits for another process's write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const READERS: u32 = 4;

/// The database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    /// One connection: SQLite has one writer at a time, and waiting for a connection
    /// is fairer than waiting for its lock.
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
}

impl Store {
    /// Opens the SQLite database at `path`, creating it when it is not there, and
    /// brings it to this release's schema.
    ///
    /// # Errors
    /// The file cannot be opened, or was written by a newer release.
    pub async fn open(path: &Path) -> Result<Store, OpenError> {
        let open = |source| OpenError::Open { path: path.to_owned(), source };
        let writer = pool(path, 1).await.map_err(open)?;
        sqlx::migrate!("../../migrations/sqlite")
            .run(&writer)
            .await
            .map_err(|source| OpenError::Migrate { path: path.to_owned(), source })?;
        let reader = pool(path, READERS).await.map_err(open)?;
        Ok(Store { writer, reader })
    }

    /// Waits for what is being written, then closes every connection.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

async fn pool(path: &Path, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An answered call must survive a power cut, not only a killed process.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    SqlitePoolOptions::new().max_connections(connections).connect_with(options).await
}
