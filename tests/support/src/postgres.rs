//! A PostgreSQL server of a test's own: a fresh cluster in a temporary directory, on
//! loopback only, gone with the value and with the process that holds it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::time::until;

/// Stops with the value.
pub struct Postgres {
    server: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Postgres {
    /// Starts a server; `None`, with the reason on stderr, where there is none to be had.
    ///
    /// # Errors
    /// There is one, and it does not start.
    pub fn start() -> anyhow::Result<Option<Postgres>> {
        let Some(programs) = programs() else {
            eprintln!("skipped: PostgreSQL is not installed (apt-get install postgresql)");
            return Ok(None);
        };
        let directory = tempfile::tempdir()?;
        let data = directory.path().join("data");
        std::fs::create_dir(&data)?;
        if is_root() && !hand_over(directory.path(), &data)? {
            eprintln!("skipped: no user postgres who may write to {}", data.display());
            return Ok(None);
        }
        initialise(&programs, &data)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = serve(&programs, &data, port, &log(&directory))?;
        let mut postgres = Postgres { server, port, directory };
        postgres.wait()?;
        Ok(Some(postgres))
    }

    /// Of its first database, as its superuser.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// As tables of connector `jdbc` name it.
    pub fn jdbc_url(&self) -> String {
        format!("jdbc:postgresql://127.0.0.1:{}/postgres", self.port)
    }

    /// Ends every connection, as a server that fails over does.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn end_connections(&self) -> anyhow::Result<()> {
        self.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )
        .map(drop)
    }

    /// The output of one statement.
    ///
    /// # Errors
    /// The server's own words.
    pub fn psql(&self, statement: &str) -> anyhow::Result<String> {
        let programs = programs().context("PostgreSQL was there a moment ago")?;
        let output = Command::new(programs.join("psql"))
            .args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", &self.url()])
            .args(["-c", statement])
            .output()?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        until("PostgreSQL answers", Duration::from_secs(60), || {
            if self.server.try_wait()?.is_some() {
                bail!("PostgreSQL ended: {}", std::fs::read_to_string(log(&self.directory))?);
            }
            Ok(self.psql("SELECT 1").is_ok().then_some(()))
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Where `initdb` and `postgres` are: Debian keeps them out of the path.
fn programs() -> Option<PathBuf> {
    let in_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let all = in_path.chain(debian.map(|version| version.path().join("bin")));
    let mut found = all.filter(|folder| {
        ["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).is_file())
    });
    found.next()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The server refuses to run as root: its directory becomes that of the user `postgres`.
/// False where there is no such user, or it does not get there.
fn hand_over(parent: &Path, data: &Path) -> anyhow::Result<bool> {
    let done = |command: &mut Command| {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        anyhow::Ok(quiet.status()?.success())
    };
    Ok(done(Command::new("chmod").arg("755").arg(parent))?
        && done(Command::new("chown").arg("postgres").arg(data))?
        && done(command(Path::new("test")).arg("-w").arg(data))?)
}

/// A command as a user that the server accepts, which ends when this process does.
fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
    }
    command.args(["--pdeathsig", "QUIT"]).arg(program);
    command
}

fn initialise(programs: &Path, data: &Path) -> anyhow::Result<()> {
    let mut initdb = command(&programs.join("initdb"));
    initdb.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"]);
    let output = initdb.arg("--pgdata").arg(data).stdin(Stdio::null()).output();
    let output = output.context("cannot run initdb")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn log(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("log")
}

fn serve(programs: &Path, data: &Path, port: u16, log: &Path) -> anyhow::Result<Child> {
    let mut server = command(&programs.join("postgres"));
    server.arg("-D").arg(data).args(["-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        // A test's data outlives no crash of the machine.
        "fsync=off",
        "max_connections=200",
    ] {
        server.args(["-c", setting]);
    }
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(log)?);
    server.spawn().context("cannot start postgres")
}
