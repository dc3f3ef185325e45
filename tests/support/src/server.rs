//! `millrace serve` as a child process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use millrace_auth::credentials;
use rustix::process::Signal;
use serde_json::Value;

use crate::aws::Aws;
use crate::cli::{self, Ran};
use crate::time::until;
use crate::{binary, engines};

const READY: Duration = Duration::from_secs(30);
const STOPPED: Duration = Duration::from_secs(30);

/// How to serve. The default is quick: short stability window, any free port.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub listen: String,
    pub stability_window: String,
    pub more: Vec<String>,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            listen: "127.0.0.1:0".into(),
            stability_window: "200ms".into(),
            more: Vec::new(),
        }
    }
}

/// A running server. Dropped, it is killed, and the engines of its data directory with it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub data_dir: PathBuf,
    pub address: String,
    /// Where it and its errors are logged.
    pub log: PathBuf,
    owns_engines: bool,
}

impl Server {
    /// Starts and waits until it answers.
    ///
    /// # Errors
    /// The program is not built, ended at once, or did not listen in time; with its log.
    pub fn start(data_dir: &Path, options: &ServerOptions) -> anyhow::Result<Server> {
        let mut server = Server::spawn(data_dir, options)?;
        match server.wait_until_ready() {
            Ok(address) => server.address = address,
            Err(failure) => {
                let log = std::fs::read_to_string(&server.log).unwrap_or_default();
                return Err(failure.context(format!("its log:\n{log}")));
            }
        }
        Ok(server)
    }

    /// Starts without waiting, for a test of what happens then.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(data_dir: &Path, options: &ServerOptions) -> anyhow::Result<Server> {
        std::fs::create_dir_all(data_dir)?;
        let log = data_dir.join("server.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new(binary::millrace()?);
        command.args(["serve", "--listen", &options.listen]).arg("--data-dir").arg(data_dir);
        command.args(["--stability-window", &options.stability_window]).args(&options.more);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("cannot start millrace serve")?;
        Ok(Server {
            child,
            data_dir: data_dir.to_path_buf(),
            address: String::new(),
            log,
            owns_engines: true,
        })
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<String> {
        let pid = self.child.id();
        let note = self.data_dir.join("server.json");
        until("millrace serve listening", READY, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("millrace serve ended at once ({status})");
            }
            let Ok(text) = std::fs::read_to_string(&note) else { return Ok(None) };
            let note: Value = serde_json::from_str(&text)?;
            let own = note["pid"] == pid;
            Ok(note["address"].as_str().filter(|_| own).map(str::to_owned))
        })
    }

    /// A client with the root access key.
    ///
    /// # Panics
    /// The server wrote none: it was never ready.
    pub fn aws(&self) -> Aws {
        let text = std::fs::read_to_string(self.data_dir.join("credentials"));
        let key = credentials::read(&text.unwrap_or_default(), credentials::DEFAULT_PROFILE);
        let key = key.expect("the first start writes the root access key");
        Aws { address: self.address.clone(), key }
    }

    /// Runs `millrace ARGUMENTS` against this server, with its data directory.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn millrace(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        cli::millrace_at(&self.address, Some(&self.data_dir), arguments)
    }

    /// SIGKILL, and gone when this returns. Engines live on.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, then the end in its own time. Engines live on.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn stop(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        engines::kill(self.child.id(), Signal::TERM);
        until("millrace serve ending", STOPPED, || Ok(self.child.try_wait()?))
    }

    /// Lets go of a server that is dead, its engines left alive.
    pub fn forget(mut self) {
        self.owns_engines = false;
    }

    /// Waits for its own end, as of a server that refuses to start.
    pub fn wait(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        until("millrace serve ending", STOPPED, || Ok(self.child.try_wait()?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.kill());
        if self.owns_engines {
            engines::kill_all(&self.data_dir);
        }
    }
}
