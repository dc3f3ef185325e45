//! A run of this engine: a process of its own, from its start to its end.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Measured;
use super::options::Options;
use super::scripts::Script;

/// Longer than the slowest query on a busy machine.
const MOST: Duration = Duration::from_secs(1200);
/// Of the kernel's accounting of time, a second; the same on every Linux that we know.
const TICKS: f64 = 100.0;

/// Ends with the value.
pub struct Engine {
    pub child: Child,
    address: String,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn now() -> Instant {
    Instant::now()
}

/// # Errors
/// The script is refused, or the job fails; the engine's own words.
pub fn run(
    program: &Path,
    work: &Path,
    script: &Script,
    parallelism: u16,
    (backend, options): (&str, &Options),
) -> Result<Measured, String> {
    let own = [("state.backend.type", backend), ("restart-strategy.type", "none")];
    let settings: Vec<_> = own.into_iter().chain(options.settings()).collect();
    run_with(program, work, script, parallelism, &settings)
}

/// [`run`] with these settings.
///
/// # Errors
/// As those of [`run`].
pub fn run_with(
    program: &Path,
    work: &Path,
    script: &Script,
    parallelism: u16,
    settings: &[(&str, &str)],
) -> Result<Measured, String> {
    let place = work.join("ours");
    drop(fs::remove_dir_all(&place));
    let text = script.text(script.events, &place.join("out"));
    let begun = now();
    let engine = Engine::start(program, &place, &text, parallelism, settings)?;
    engine.wait_for_end(&place)?;
    let wall_s = begun.elapsed().as_secs_f64();
    let (cpu_s, peak_mib) = usage(engine.child.id())?;
    Ok(Measured { wall_s, cpu_s, peak_mib })
}

impl Engine {
    /// `place` is made, and becomes the job's own.
    pub fn start(
        program: &Path,
        place: &Path,
        script: &str,
        parallelism: u16,
        settings: &[(&str, &str)],
    ) -> Result<Engine, String> {
        let say = |cause: std::io::Error| format!("cannot prepare {}: {cause}", place.display());
        fs::create_dir_all(place).map_err(say)?;
        fs::write(place.join("main.sql"), script).map_err(say)?;
        let job = description(place, parallelism, settings, (1, "none"));
        fs::write(place.join("job.json"), job).map_err(say)?;
        Engine::spawn(program, place)
    }

    /// As the next generation, from the latest checkpoint.
    pub fn restart(
        program: &Path,
        place: &Path,
        parallelism: u16,
        settings: &[(&str, &str)],
    ) -> Result<Engine, String> {
        drop(fs::remove_file(place.join("endpoint.json")));
        let job = description(place, parallelism, settings, (2, "latest"));
        let written = fs::write(place.join("job.json"), job);
        written.map_err(|cause| format!("cannot prepare {}: {cause}", place.display()))?;
        Engine::spawn(program, place)
    }

    fn spawn(program: &Path, place: &Path) -> Result<Engine, String> {
        let say = |cause: std::io::Error| format!("cannot prepare {}: {cause}", place.display());
        let errors = fs::File::create(place.join("errors")).map_err(say)?;
        let output = fs::File::create(place.join("output")).map_err(say)?;
        let mut command = Command::new(program);
        command.args(["run", "--job"]).arg(place.join("job.json"));
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command
            .spawn()
            .map_err(|cause| format!("cannot start {}: {cause}", program.display()))?;
        let mut engine = Engine { child, address: String::new() };
        engine.address = engine.endpoint(place)?;
        Ok(engine)
    }

    fn endpoint(&mut self, place: &Path) -> Result<String, String> {
        let begun = now();
        while begun.elapsed() < Duration::from_secs(60) {
            let text = fs::read_to_string(place.join("endpoint.json")).unwrap_or_default();
            if let Some(address) = between(&text, "\"address\":\"", "\"") {
                return Ok(address.to_owned());
            }
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return Err(errors(place));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err("the engine does not say where it listens".to_owned())
    }

    fn wait_for_end(&self, place: &Path) -> Result<(), String> {
        let begun = now();
        while begun.elapsed() < MOST {
            let overview = self.ask("/jobs/overview")?;
            match between(&overview, "\"state\":\"", "\"") {
                Some("FINISHED") => return Ok(()),
                Some("FAILED" | "CANCELED") => return Err(errors(place)),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err(format!("not finished after {} s", MOST.as_secs()))
    }

    /// The body of an answer of its REST interface.
    pub fn ask(&self, path: &str) -> Result<String, String> {
        let fail = |cause: std::io::Error| format!("the engine does not answer: {cause}");
        let mut stream = TcpStream::connect(&self.address).map_err(fail)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).map_err(fail)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(fail)?;
        Ok(answer)
    }
}

fn errors(place: &Path) -> String {
    let text = fs::read_to_string(place.join("errors")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    if lines.is_empty() { "the engine ended".to_owned() } else { lines.join(" | ") }
}

pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split(before).nth(1)?.split(after).next()
}

fn description(
    place: &Path,
    parallelism: u16,
    settings: &[(&str, &str)],
    (generation, restore): (u32, &str),
) -> String {
    let at = |name: &str| place.join(name).display().to_string();
    let settings: Vec<String> =
        settings.iter().map(|(key, value)| format!("\"{key}\": \"{value}\"")).collect();
    format!(
        r#"{{"application": "bench", "name": "bench", "generation": {generation}, "runtime": "FLINK-1_18",
        "script": "{}", "state": "{}", "restore": {{"kind": "{restore}"}}, "parallelism": {parallelism},
        "settings": {{{}}}, "rest_address": "127.0.0.1:0", "endpoint_file": "{}",
        "log_level": "WARN"}}"#,
        at("main.sql"),
        at("state"),
        settings.join(", "),
        at("endpoint.json")
    )
}

/// CPU seconds of all threads, and the greatest resident size in MiB.
pub fn usage(pid: u32) -> Result<(f64, f64), String> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        fs::read_to_string(&path).map_err(|cause| format!("cannot read {path}: {cause}"))
    };
    let stat = read("stat")?;
    let status = read("status")?;
    let cpu = cpu_ticks(&stat).ok_or("the kernel does not tell the CPU time")?;
    let peak = between(&status, "VmHWM:", "kB").and_then(|kb| kb.trim().parse::<f64>().ok());
    Ok((cpu / TICKS, peak.unwrap_or(0.0) / 1024.0))
}

/// The resident size now, in MiB.
///
/// # Errors
/// The process is gone.
pub fn resident_mib(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/status");
    let status =
        fs::read_to_string(&path).map_err(|cause| format!("cannot read {path}: {cause}"))?;
    let kb = between(&status, "VmRSS:", "kB").and_then(|kb| kb.trim().parse::<f64>().ok());
    Ok(kb.unwrap_or(0.0) / 1024.0)
}

/// User and system time: fields 14 and 15, counted behind the name, which may hold blanks.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::{between, cpu_ticks};

    #[test]
    fn cpu_time_is_read_behind_a_name_with_blanks() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 5 0";
        assert_eq!(cpu_ticks(stat), Some(300.0));
        assert_eq!(cpu_ticks("7 (a) S"), None);
        assert_eq!(between("{\"state\":\"FINISHED\",", "\"state\":\"", "\""), Some("FINISHED"));
    }
}
