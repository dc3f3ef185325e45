//! A run of Flink: a JVM of its own with a cluster inside, warmed up by a shorter run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Measured;
use super::options::Options;
use super::scripts::Script;
use crate::differential::engines::OPENED;
use crate::differential::setup_flink;
use crate::process::{root, run as run_step};

/// The warm-up reads this part of the events.
pub const WARM_UP: u64 = 4;

/// The class path with our generator.
///
/// # Errors
/// Flink cannot be had, or there is no JDK.
pub fn compile(work: &Path) -> Result<String, String> {
    let libraries = setup_flink()?;
    let classes = work.join("classes");
    let say = |cause: std::io::Error| format!("cannot prepare {}: {cause}", classes.display());
    let services = classes.join("META-INF/services");
    fs::create_dir_all(&services).map_err(say)?;
    let factory = "org.apache.flink.table.factories.Factory";
    fs::write(services.join(factory), "millrace.bench.NexmarkFactory\n").map_err(say)?;
    let sources = root().join("tests/bench/flink");
    let names = ["Bench", "Events", "NexmarkFactory", "NexmarkSource"];
    let mut compiler = Command::new("javac");
    compiler.args(["-nowarn", "-cp", &format!("{}/*", libraries.display()), "-d"]).arg(&classes);
    compiler.args(names.map(|name| sources.join(format!("{name}.java"))));
    run_step("javac", &mut compiler)?;
    Ok(format!("{}:{}/*", classes.display(), libraries.display()))
}

/// # Errors
/// What Flink printed last.
pub fn run(
    classes: &str,
    work: &Path,
    script: &Script,
    parallelism: u16,
    (backend, options): (&str, &Options),
) -> Result<Measured, String> {
    let place = work.join("flink");
    drop(fs::remove_dir_all(&place));
    let say = |cause: std::io::Error| format!("cannot prepare {}: {cause}", place.display());
    fs::create_dir_all(place.join("tmp")).map_err(say)?;
    let settings = settings(&place, parallelism, backend, options);
    fs::write(place.join("settings"), settings).map_err(say)?;
    let mut scripts = Vec::new();
    for (name, events) in [("warm", script.events / WARM_UP), ("run", script.events)] {
        let file = place.join(format!("{name}.sql"));
        let out = place.join(format!("out-{name}"));
        fs::write(&file, script.text(events, &out)).map_err(say)?;
        scripts.push(file);
    }
    let output = java(classes, &place, &scripts)?;
    let measured = output.lines().filter_map(measured).nth(1);
    drop(fs::remove_dir_all(&place));
    measured.ok_or_else(|| {
        let cause = output.lines().rfind(|line| line.contains("Caused by"));
        format!("Flink: {}", cause.or(output.lines().next_back()).unwrap_or("no output"))
    })
}

fn java(classes: &str, place: &Path, scripts: &[PathBuf]) -> Result<String, String> {
    let mut java = Command::new("java");
    java.arg("-Xmx4g");
    java.args(OPENED.map(|name| format!("--add-opens=java.base/java.{name}=ALL-UNNAMED")));
    java.args(["-cp", classes, "millrace.bench.Bench"]).arg(place.join("settings")).args(scripts);
    let output = java.stdin(Stdio::null()).output();
    let output = output.map_err(|cause| format!("cannot run java: {cause}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(text(&output.stderr) + &text(&output.stdout))
}

fn settings(place: &Path, parallelism: u16, backend: &str, options: &Options) -> String {
    let slots = parallelism.to_string();
    let temporary = place.join("tmp").display().to_string();
    let checkpoints = format!("file://{}", place.join("checkpoints").display());
    // As the public benchmark has them: objects are reused where state is objects.
    let reuse = (backend == "hashmap").to_string();
    let own = [
        ("parallelism.default", slots.as_str()),
        ("taskmanager.numberOfTaskSlots", &slots),
        ("taskmanager.memory.managed.size", "2g"),
        ("taskmanager.memory.network.min", "256m"),
        ("taskmanager.memory.network.max", "256m"),
        ("jobmanager.rpc.address", "127.0.0.1"),
        ("taskmanager.host", "127.0.0.1"),
        ("rest.address", "127.0.0.1"),
        ("rest.bind-address", "127.0.0.1"),
        ("rest.bind-port", "0"),
        ("io.tmp.dirs", &temporary),
        ("state.backend.type", backend),
        ("state.checkpoints.dir", &checkpoints),
        ("pipeline.object-reuse", &reuse),
    ];
    let all = own.iter().copied().chain(options.settings());
    all.map(|(key, value)| format!("{key}: {value}\n")).collect()
}

/// `measured WALL_MS CPU_MS PEAK_KB`
fn measured(line: &str) -> Option<Measured> {
    let mut numbers = line.strip_prefix("measured ")?.split(' ').map(str::parse::<f64>);
    let mut next = || numbers.next()?.ok();
    Some(Measured { wall_s: next()? / 1e3, cpu_s: next()? / 1e3, peak_mib: next()? / 1024.0 })
}

#[cfg(test)]
mod tests {
    use super::{Measured, measured};

    #[test]
    fn a_line_of_the_driver_is_read() {
        let wanted = Measured { wall_s: 1.5, cpu_s: 2.25, peak_mib: 4.0 };
        assert_eq!(measured("measured 1500 2250 4096"), Some(wanted));
        assert_eq!(measured("measured 1500"), None);
        assert_eq!(measured("Exception in thread"), None);
    }
}
