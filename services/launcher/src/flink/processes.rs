//! The parts of a cluster as local processes: spawning, finding again, ending.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use tokio::process::{Child, Command};

use super::commands::{JvmCommand, MARKER, Role};
use super::java::Java;
use super::run::Run;
use crate::error::LauncherError;

/// Below the ports that Linux gives to connections (`ip_local_port_range`).
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;

/// Given out by this process, and perhaps not listened on yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Two free ports, looked for from a place of the run's own.
pub(super) fn ports(run: &Path) -> Option<(u16, u16)> {
    let seed = run.as_os_str().as_encoded_bytes();
    let seed =
        seed.iter().fold(0_u16, |seed, byte| seed.wrapping_mul(31).wrapping_add((*byte).into()));
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    if given.len() > usize::from(PORTS) / 2 {
        given.clear();
    }
    let candidates = (0..PORTS).map(|step| FIRST_PORT + (seed % PORTS + step) % PORTS);
    let mut free = candidates.filter(|port| !given.contains(port) && is_free(*port));
    let found = free.next().zip(free.next());
    given.extend(found.into_iter().flat_map(|(one, other)| [one, other]));
    found
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Starts one part in a process group of its own, with nothing of our environment but what
/// is listed; what it logs is appended to the run's log.
pub(super) fn spawn(
    java: &Java,
    jvm: &JvmCommand,
    run: &Run,
    environment: &[String],
) -> Result<Child, LauncherError> {
    let path = run.log();
    let log = fs::OpenOptions::new().create(true).append(true).open(&path);
    let log =
        log.map_err(|source| LauncherError::Io { doing: "open", path: path.clone(), source })?;
    let errors = log.try_clone();
    let errors = errors.map_err(|source| LauncherError::Io { doing: "open", path, source })?;
    let mut command = Command::new(&java.program);
    command.args(&jvm.arguments).env_clear().current_dir(run.path());
    for name in environment {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(jvm.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.process_group(0).kill_on_drop(false);
    command.spawn().map_err(|source| LauncherError::Io {
        doing: "start",
        path: java.program.clone(),
        source,
    })
}

/// A part whose start we did not live to write down: by what it was started with.
pub(super) fn find(run: &Path, role: Role) -> Option<u32> {
    let wanted = format!("-D{MARKER}={}", run.join(role.name()).display());
    let pids = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut pids = pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == wanted.as_bytes())
    });
    pids.next()
}

#[cfg(test)]
mod tests {
    use super::ports;

    #[test]
    fn ports_are_free_and_given_once() {
        let run = std::path::Path::new("/some/run");
        let (one, other) = ports(run).expect("there are free ports");
        let (third, fourth) = ports(run).expect("there are more");
        let mut all = vec![one, other, third, fourth];
        all.dedup();
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|port| (20_000..30_000).contains(port)));
    }
}
