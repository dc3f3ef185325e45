//! What each command runs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::process::{Outcome, cargo, run, works};
use crate::tools::{Tools, install_all, install_system_packages};

/// The seeds of `test-long`: whole services that are killed, and engines in a world that
/// fails.
const LONG_SEEDS: &str = "0..200";
const LONG_SIM_SEEDS: &str = "0..5000";
/// Random tables and records for the decoders.
const LONG_DECODER_SEEDS: &str = "0..100000";
const LONG_TRIALS: &str =
    "package(millrace-chaos) | package(millrace-sim) | package(millrace-fuzz)";
/// With other programs: Terraform, and Apache Flink as a runtime.
const LONG_STORIES: &str =
    "test(test_terraform_story) | binary(flink) | binary(jdbc) & test(killed_engines)";
/// Trials of a table that is looked up and written while engines are killed.
const LONG_JDBC_SEEDS: &str = "0..100";
/// Inputs of each fuzz target in `test-long`.
const LONG_FUZZ_ROUNDS: &str = "20000";

/// Builds the program and the demo, then hands over to the demo.
pub fn demo(arguments: &[String]) -> Outcome {
    install_system_packages()?;
    build()?;
    run("demo", Command::new(built("millrace-demo")?).args(arguments))
}

/// A program that lies where this one does.
fn built(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|cause| format!("where is this program? {cause}"))?;
    Ok(own.with_file_name(name))
}

/// `filters`: parts of the names of scripts.
pub fn differential(filters: &[String]) -> Outcome {
    install_system_packages()?;
    build()?;
    crate::differential::differential(&built("millrace")?, filters)
}

pub fn test(filters: &[String]) -> Outcome {
    let tools = install_all()?;
    run("cargo fmt --check", cargo().args(["fmt", "--all", "--check"]))?;
    deny()?;
    build()?;
    run_tests(&tools, "default", filters, &[])
}

/// `arguments`: at most two ranges of seeds, `FROM..TO`, for `chaos` and for `sim`.
pub fn test_long(arguments: &[String]) -> Outcome {
    let tools = install_all()?;
    let seeds = |at: usize, default| arguments.get(at).map_or(default, String::as_str);
    let environment = [
        ("MILLRACE_CHAOS_SEEDS", seeds(0, LONG_SEEDS)),
        ("MILLRACE_SIM_SEEDS", seeds(1, LONG_SIM_SEEDS)),
        ("MILLRACE_FUZZ_ROUNDS", LONG_FUZZ_ROUNDS),
        ("MILLRACE_FUZZ_SEEDS", LONG_DECODER_SEEDS),
        ("MILLRACE_JDBC_SEEDS", LONG_JDBC_SEEDS),
        ("MILLRACE_FLINK", "long"),
    ];
    build()?;
    let filters =
        [format!("{LONG_TRIALS} | package(millrace-formats) & test(fuzz) | {LONG_STORIES}")];
    run_tests(&tools, "long", &filters, &environment)
}

pub fn lint() -> Outcome {
    run("cargo fmt --check", cargo().args(["fmt", "--all", "--check"]))?;
    let mut clippy = cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
    run("cargo clippy", &mut clippy)?;
    deny()
}

/// The whole workspace at once, so that what is built here is what the tests use.
fn build() -> Outcome {
    let mut build = cargo();
    build.args(["build", "--workspace", "--bin", "millrace", "--bin", "millrace-demo"]);
    run("cargo build", &mut build)
}

/// Licences, advisories and doubled crates, where cargo-deny is installed.
fn deny() -> Outcome {
    if !works("cargo-deny", &["--version"]) {
        eprintln!(
            "==> cargo deny: SKIPPED, cargo-deny is not installed (cargo install --locked cargo-deny)"
        );
        return Ok(());
    }
    let mut rules = cargo();
    run("cargo deny check", rules.args(["deny", "check", "bans", "licenses", "sources"]))?;
    advisories()
}

/// The advisory database is fetched anew; where it cannot be had, that is said and no
/// more.
fn advisories() -> Outcome {
    let mut check = cargo();
    check.args(["deny", "check", "advisories"]);
    let output = check.output().map_err(|cause| format!("cargo deny: cannot start: {cause}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(());
    }
    if said.contains("failed to fetch advisory database") {
        eprintln!(
            "==> cargo deny check advisories: SKIPPED, the advisory database cannot be reached"
        );
        return Ok(());
    }
    Err(format!("{said}\ncargo deny check advisories: failed"))
}

fn run_tests(
    tools: &Tools,
    profile: &str,
    filters: &[String],
    environment: &[(&str, &str)],
) -> Outcome {
    let environment: Vec<(&str, &str)> = environment.to_vec();
    match &tools.nextest {
        Some(program) => {
            let mut nextest = cargo();
            add_to_path(&mut nextest, program);
            nextest.args(["nextest", "run", "--workspace", "--profile", profile]);
            for filter in filters {
                nextest.args(["-E", filter]);
            }
            if profile == "long" {
                nextest.args(["--run-ignored", "all"]);
            }
            nextest.env("MILLRACE_VENV", &tools.venv).envs(environment);
            run("cargo nextest run", &mut nextest)
        }
        None => {
            eprintln!("==> cargo-nextest cannot be had here: using cargo test");
            let mut test = cargo();
            test.args(["test", "--workspace", "--no-fail-fast"]);
            if profile == "long" {
                test.args([
                    "--test", "trials", "--test", "seeds", "--test", "quick", "--test", "flink",
                ]);
            }
            test.env("MILLRACE_VENV", &tools.venv).envs(environment);
            run_and_count(&mut test)
        }
    }
}

/// So that `cargo nextest` finds a runner that was installed outside cargo's own place.
fn add_to_path(command: &mut Command, program: &std::path::Path) {
    let Some(directory) = program.parent().filter(|parent| parent.is_absolute()) else { return };
    let old = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(directory.to_path_buf()).chain(std::env::split_paths(&old));
    if let Ok(joined) = std::env::join_paths(paths) {
        command.env("PATH", joined);
    }
}

/// `cargo test` ends with one summary per program: this adds them up.
fn run_and_count(command: &mut Command) -> Outcome {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|cause| format!("cargo test: cannot start: {cause}"))?;
    let output = child.stdout.take().expect("it was asked for as a pipe");
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        println!("{line}");
        let (p, f) = counts(&line);
        passed += p;
        failed += f;
    }
    let status = child.wait().map_err(|cause| format!("cargo test: {cause}"))?;
    println!("{passed} passed, {failed} failed");
    if status.success() { Ok(()) } else { Err(format!("cargo test: failed ({status})")) }
}

/// Passed and failed of `test result: ok. 3 passed; 0 failed; …`; zeros for another line.
fn counts(line: &str) -> (u64, u64) {
    let Some(summary) = line.strip_prefix("test result: ") else { return (0, 0) };
    let number_before = |word: &str| {
        summary
            .split([';', '.'])
            .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
    };
    (number_before("passed").unwrap_or(0), number_before("failed").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn counts_are_read_from_summaries_only() {
        let line = "test result: ok. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out";
        assert_eq!(counts(line), (12, 3));
        assert_eq!(counts("test result: FAILED. 1 passed; 2 failed; 0 ignored"), (1, 2));
        assert_eq!(counts("12 passed; 3 failed"), (0, 0));
    }
}
