//! Engine processes: spawning, recognising, ending.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use millrace_domain::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::LocalSettings;
use super::files::{ProcessFile, RunDirectory};
use crate::error::LauncherError;

/// Where an engine finds the paths that its tables must stay out of.
const PRIVATE_DIRECTORIES: &str = "MILLRACE_PRIVATE_DIRECTORIES";

/// How a child of this process stands.
pub(crate) enum Own {
    Alive,
    Exited(Option<i32>),
}

pub(crate) fn state_of(child: &mut Child) -> Own {
    match child.try_wait() {
        Ok(Some(status)) => Own::Exited(status.code()),
        // An error means that it was reaped by somebody else: its files decide later.
        Ok(None) | Err(_) => Own::Alive,
    }
}

/// The engine's command with nothing of our environment but what is listed.
pub(crate) fn command(settings: &LocalSettings, verb: &str, directory: &RunDirectory) -> Command {
    let mut command = Command::new(&settings.program);
    command.args(&settings.arguments).arg(verb).arg("--job").arg(directory.job_file());
    command.env_clear().stdin(Stdio::null()).current_dir(directory.path());
    for name in &settings.environment {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if let Ok(private) = std::env::join_paths(&settings.private) {
        command.env(PRIVATE_DIRECTORIES, private);
    }
    command
}

/// Starts `run` in a process group of its own, so that what ends the server from its
/// terminal does not end the job.
pub(crate) fn spawn(
    settings: &LocalSettings,
    directory: &RunDirectory,
) -> Result<Child, LauncherError> {
    let path = directory.log();
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| LauncherError::Io { doing, path, source }
    };
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(failed("open", &path))?;
    let mut command = command(settings, "run", directory);
    command.stdout(Stdio::null()).stderr(log).process_group(0).kill_on_drop(false);
    command.spawn().map_err(failed("start the engine", &settings.program))
}

pub(crate) fn describe(pid: u32, now: Timestamp) -> ProcessFile {
    let kernel_start = stat(pid).map(|stat| stat.start);
    ProcessFile { pid, kernel_start, started_at_ms: now.0 }
}

/// Whether the very process that was started is there: a zombie is not, another one that
/// got its pid is not.
pub(crate) fn is_alive(process: &ProcessFile) -> bool {
    match stat(process.pid) {
        Some(stat) => !stat.dead && process.kernel_start.is_none_or(|start| start == stat.start),
        None => false,
    }
}

/// Whether the process was started with this job file; for an engine whose start we did not
/// live to write down.
pub(crate) fn runs_job_file(pid: u32, job_file: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let wanted = job_file.as_os_str().as_encoded_bytes();
    line.split(|byte| *byte == 0).any(|argument| argument == wanted)
}

/// Only for a process that [`is_alive`] or [`runs_job_file`] has recognised.
pub(crate) fn kill_group(pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    if let Err(error) = kill_process_group(pid, Signal::KILL) {
        tracing::debug!(pid = pid.as_raw_nonzero(), %error, "the engine was gone already");
    }
}

struct Stat {
    dead: bool,
    start: u64,
}

/// Linux: proc(5), `/proc/<pid>/stat`: field 3 is the state, field 22 the start time. The
/// second field is in parentheses and may hold anything.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = &text[text.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some(Stat { dead: matches!(state, "Z" | "X" | "x"), start })
}

/// Why an engine ended, from the last error in its log.
pub(crate) fn cause(log: &Path, code: Option<i32>) -> String {
    let how = match code {
        Some(code) => format!("The engine exited with code {code}"),
        None => "The engine was killed".to_owned(),
    };
    match (code, last_error(&tail(log))) {
        (Some(_), Some(error)) => error,
        _ => how,
    }
}

const TAIL_BYTES: usize = 16 * 1024;
const CAUSE_CHARACTERS: usize = 600;

fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let from = bytes.len().saturating_sub(TAIL_BYTES);
    String::from_utf8_lossy(&bytes[from..]).into_owned()
}

/// The text from the last line that begins with `Error:` on, in one line; of several such
/// lines in a row the first, which is the cause; else the last line.
fn last_error(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let at = lines.iter().rposition(|line| strip_error(line).is_some());
    let joined = match at {
        Some(at) if at > 0 && strip_error(lines[at - 1]).is_some() => {
            let before = lines[..at].iter().rposition(|line| strip_error(line).is_none());
            let first = lines[before.map_or(0, |before| before + 1)];
            strip_error(first).unwrap_or(first).to_owned()
        }
        Some(at) => {
            let first = strip_error(lines[at]).unwrap_or(lines[at]);
            let rest = lines[at + 1..].iter().filter(|line| **line != "Caused by:").copied();
            std::iter::once(first).chain(rest).collect::<Vec<_>>().join(": ")
        }
        None => (*lines.last()?).to_owned(),
    };
    Some(joined.chars().take(CAUSE_CHARACTERS).collect())
}

fn strip_error(line: &str) -> Option<&str> {
    line.strip_prefix("Error:").or_else(|| line.strip_prefix("error:")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_of_a_log_is_the_cause() {
        let check = |text: &str, want: Option<&str>| {
            assert_eq!(last_error(text).as_deref(), want);
        };
        check("", None);
        check("starting\nlistening\n", Some("listening"));
        check(
            "a\nError: cannot run the job\n\nCaused by:\n    no such file\n",
            Some("cannot run the job: no such file"),
        );
        check("Error: old\nmore\nerror: new\n", Some("new"));
        check("log\nerror: the cause\nerror: and more\n", Some("the cause"));
    }

    #[test]
    fn this_process_is_alive_and_its_pid_with_another_start_is_not() {
        let own = describe(std::process::id(), Timestamp(0));
        assert!(is_alive(&own));
        let other = ProcessFile { kernel_start: own.kernel_start.map(|start| start + 1), ..own };
        assert!(!is_alive(&other));
    }
}
