//! Opening the database.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millrace_domain::quota::{QuotaBook, Quotas};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Executor, Transaction};

use crate::error::OpenError;
use crate::group::Group;
use crate::known::Known;

static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// What each connection to SQLite is told first. An answered call must survive a power
/// cut, not only a killed process; another process's write is waited for.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000";
/// And to PostgreSQL: a replica that hangs within a transaction must not hold up the others.
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '10s'; SET statement_timeout = '30s'; \
     SET idle_in_transaction_session_timeout = '10s'";
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long a caller waits for a connection before it is told that there is none.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    /// One connection with SQLite, which has one writer at a time: waiting for a
    /// connection is fairer than waiting for its lock.
    pub(crate) writer: AnyPool,
    pub(crate) reader: AnyPool,
    pub(crate) dialect: Dialect,
    /// With SQLite: the writes that share transactions.
    pub(crate) group: Option<Group>,
    pub(crate) known: Known,
    /// Nobody else writes applications.
    pub(crate) alone: bool,
    pub(crate) quotas: Arc<QuotaBook>,
}

/// In what the databases differ; everything else is one SQL for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Begins a transaction that writes.
    pub(crate) fn begin_write(self) -> &'static str {
        match self {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            // Rows are compared and set, and that waits for the row's other writer.
            Dialect::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    /// Begins a transaction whose reads are all of one moment.
    fn begin_read(self) -> &'static str {
        match self {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// Makes writers that count rows of `applications` go one after another; SQLite's do.
    pub(crate) fn lock_applications(self) -> Option<&'static str> {
        match self {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some("LOCK TABLE applications IN SHARE ROW EXCLUSIVE MODE"),
        }
    }
}

/// Where the database is; shown without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    Server(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Server(place) => f.write_str(place),
        }
    }
}

impl Store {
    /// Opens the SQLite database at `path`, creating it when it is not there, and
    /// brings it to this release's schema.
    ///
    /// # Errors
    /// The file cannot be opened, or was written by a newer release.
    pub async fn open(path: &Path) -> Result<Store, OpenError> {
        install_default_drivers();
        let place = Place::File(path.to_owned());
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let options = options_of(options.to_url_lossy().as_str(), &place)?;
        let writer = pool(&options, &place, SQLITE_SETTINGS, 1).await?;
        migrate(&SQLITE, &writer, &place).await?;
        let reader = pool(&options, &place, SQLITE_SETTINGS, SQLITE_READERS).await?;
        let known = Known::default();
        let group = Some(Group::start(writer.clone(), known.clone()));
        Ok(Store {
            writer,
            reader,
            dialect: Dialect::Sqlite,
            group,
            known,
            alone: false,
            quotas: Arc::default(),
        })
    }

    /// Connects to the PostgreSQL database at `url` (`postgres://USER:PASSWORD@HOST/NAME`),
    /// which several replicas may share, and brings it to this release's schema. Replicas
    /// that start together do so one after another.
    ///
    /// # Errors
    /// It is no such URL, the server cannot be reached or does not let this user in, or the
    /// database was written by a newer release.
    pub async fn connect(url: &str) -> Result<Store, OpenError> {
        install_default_drivers();
        let place = server(url)?;
        let options = options_of(url, &place)?;
        let pool = pool(&options, &place, POSTGRES_SETTINGS, POSTGRES_CONNECTIONS).await?;
        migrate(&POSTGRES, &pool, &place).await?;
        Ok(Store {
            writer: pool.clone(),
            reader: pool,
            dialect: Dialect::Postgres,
            group: None,
            known: Known::default(),
            alone: false,
            quotas: Arc::default(),
        })
    }

    /// For who makes sure that nobody else changes applications in this database: an
    /// application that was loaded is not asked for again until it is changed here. Means
    /// nothing with PostgreSQL, whose transactions are not all of one process.
    pub fn held_alone(mut self) -> Store {
        self.alone = self.group.is_some();
        self
    }

    /// Holds accounts to these quotas.
    pub fn with_quotas(mut self, quotas: Arc<QuotaBook>) -> Store {
        self.quotas = quotas;
        self
    }

    pub fn quotas_of(&self, account: &str) -> &Quotas {
        self.quotas.of(account)
    }

    /// Waits for what is being written, then closes every connection.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    pub(crate) async fn begin_write(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        self.writer.begin_with(self.dialect.begin_write()).await
    }

    pub(crate) async fn begin_read(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        self.reader.begin_with(self.dialect.begin_read()).await
    }
}

/// The server and database of a URL.
fn server(url: &str) -> Result<Place, OpenError> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let rest = rest.ok_or(OpenError::Scheme)?;
    let shown = rest.split('?').next().unwrap_or_default();
    let shown = shown.rsplit_once('@').map_or(shown, |(_, place)| place);
    Ok(Place::Server(shown.to_owned()))
}

fn options_of(url: &str, place: &Place) -> Result<AnyConnectOptions, OpenError> {
    let options = url.parse::<AnyConnectOptions>();
    options.map_err(|source| OpenError::Open { place: place.clone(), source })
}

async fn pool(
    options: &AnyConnectOptions,
    place: &Place,
    settings: &'static str,
    connections: u32,
) -> Result<AnyPool, OpenError> {
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection: &mut AnyConnection, _| {
            Box::pin(async move { connection.execute(settings).await.map(drop) })
        })
        .connect_with(options.clone());
    pool.await.map_err(|source| OpenError::Open { place: place.clone(), source })
}

async fn migrate(migrator: &Migrator, pool: &AnyPool, place: &Place) -> Result<(), OpenError> {
    let migrated = migrator.run(pool).await;
    migrated.map_err(|source| OpenError::Migrate { place: place.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_without_user_and_password() {
        let check = |url: &str, want: Option<&str>| {
            let place = server(url).ok().map(|place| place.to_string());
            assert_eq!(place.as_deref(), want, "{url}");
        };
        check(
            "postgres://u:p@db.local:5432/millrace?sslmode=require",
            Some("db.local:5432/millrace"),
        );
        check("postgresql://u:p%40ss@h/m", Some("h/m"));
        check("postgres:///m?host=/run&password=p", Some("/m"));
        check("mysql://u:p@h/m", None);
    }
}
