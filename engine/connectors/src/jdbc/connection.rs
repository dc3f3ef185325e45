//! A connection of one thread, which waits for each answer.

use std::time::Duration;

use millrace_dataflow::catalog::OptionError;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow, PgSslMode};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, Postgres};
use tokio::runtime::{Builder, Runtime};

use crate::options::TableOptions;

const SCHEME: &str = "jdbc:postgresql://";

/// Where a table is, and how it is reached. Shows no password.
#[derive(Clone)]
pub struct Target {
    options: PgConnectOptions,
    /// `postgresql://host:port/database`: for messages.
    pub place: String,
    /// As it is quoted in SQL.
    pub table: String,
    /// How long to try to connect.
    patience: Duration,
    pub retries: u32,
}

impl Target {
    /// # Errors
    /// The URL is none of PostgreSQL's, or half of the credentials is missing.
    pub fn of(options: &TableOptions<'_>, retries: &str) -> Result<Target, OptionError> {
        let refuse =
            |key: &str, message: String| OptionError { key: Some(key.to_owned()), message };
        let url = options.text("url").unwrap_or_default();
        let rest = url.strip_prefix(SCHEME).ok_or_else(|| {
            let scheme = url.split("//").next().unwrap_or_default();
            refuse(
                "url",
                format!("option 'url' must be 'jdbc:postgresql://host:port/database'; '{scheme}' is not offered"),
            )
        })?;
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, database) = address.split_once('/').unwrap_or((address, ""));
        let (name, port) = host.rsplit_once(':').unwrap_or((host, "5432"));
        let port: u16 = port.parse().map_err(|_| {
            refuse("url", format!("the port '{port}' in option 'url' is no number up to 65535"))
        })?;
        let (username, password) = (options.text("username"), options.text("password"));
        let mut connect = PgConnectOptions::new_without_pgpass()
            .host(name)
            .port(port)
            .database(if database.is_empty() { "postgres" } else { database })
            .ssl_mode(PgSslMode::Prefer)
            .disable_statement_logging();
        match (username, password) {
            (Some(username), password) => {
                connect = connect.username(username);
                if let Some(password) = password {
                    connect = connect.password(password);
                }
            }
            (None, Some(_)) => {
                return Err(refuse(
                    "password",
                    "option 'password' is given without 'username'".to_owned(),
                ));
            }
            (None, None) => {}
        }
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            connect = match (key, value.parse::<PgSslMode>()) {
                ("user", _) => connect.username(value),
                ("password", _) => connect.password(value),
                ("sslmode", Ok(mode)) => connect.ssl_mode(mode),
                ("ApplicationName", _) => connect.application_name(value),
                _ => {
                    return Err(refuse(
                        "url",
                        format!(
                            "the parameter '{key}' of option 'url' is not known or has a bad value; known are user, password, sslmode and ApplicationName"
                        ),
                    ));
                }
            };
        }
        let table = super::types::quoted_table(options.text("table-name").unwrap_or_default());
        Ok(Target {
            options: connect,
            place: format!("postgresql://{name}:{port}/{database}"),
            table,
            patience: options.duration("connection.max-retry-timeout").unwrap_or_default(),
            retries: options.long(retries).and_then(|count| count.try_into().ok()).unwrap_or(3),
        })
    }
}

/// Open while it works; opened again when it does not.
pub struct Connection {
    target: Target,
    runtime: Runtime,
    open: Option<PgConnection>,
}

impl Connection {
    pub fn new(target: &Target) -> std::io::Result<Connection> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Connection { target: target.clone(), runtime, open: None })
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Runs something on the connection, and once more on another one when it fails for
    /// reasons that may pass: as often as the options say, a second later each time.
    pub fn with_retries<T>(
        &mut self,
        mut run: impl FnMut(&mut Connection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut failed = 0;
        loop {
            match run(self) {
                Err(error) if failed < self.target.retries && may_pass(&error) => {
                    failed += 1;
                    self.open = None;
                    std::thread::sleep(Duration::from_secs(1));
                }
                done => return done,
            }
        }
    }

    pub fn rows(
        &mut self,
        sql: &str,
        bind: impl FnOnce(Query<'_, Postgres, PgArguments>) -> Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        self.ensure()?;
        let Some(open) = &mut self.open else { return Ok(Vec::new()) };
        let query = bind(sqlx::query(AssertSqlSafe(sql.to_owned())));
        self.runtime.block_on(query.fetch_all(open))
    }

    pub fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.rows(sql, |query| query).map(drop)
    }

    fn ensure(&mut self) -> Result<(), sqlx::Error> {
        if self.open.is_some() {
            return Ok(());
        }
        let connect = self.target.options.connect();
        let patience = self.target.patience;
        let connect = async { tokio::time::timeout(patience, connect).await };
        let open = self.runtime.block_on(connect).map_err(|_| {
            let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "no connection in time");
            sqlx::Error::Io(late)
        })?;
        self.open = Some(open?);
        Ok(())
    }

    /// Forgets a connection whose state is unknown.
    pub fn reset(&mut self) {
        self.open = None;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            // The server ends the session either way.
            let _ = self.runtime.block_on(async {
                tokio::time::timeout(Duration::from_millis(200), open.close()).await
            });
        }
    }
}

/// Whether the same may work on another connection: the connection is lost, or the server
/// says that it could not just now (classes 08, 40, 53, 57 of PostgreSQL's error codes).
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}
