//! The same scripts on this engine and on Apache Flink 1.18.1: `cargo xtask differential`.
//!
//! Flink comes from `PyPI` into the cache. Both changelogs are folded into the final table (a
//! multiset of rows) and compared, so that how often an engine emits makes no difference.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::flink_cli;
use crate::process::{Outcome, cache, root, run, works};
use crate::tools::install_all;

const FLINK: &str = "apache-flink-libraries==1.18.1";
/// Packages of the JDK that Flink 1.18 must look into on Java 17.
pub const OPENED: [&str; 9] =
    ["lang", "util", "net", "time", "nio", "text", "io", "util.concurrent", "lang.invoke"];

type Table = BTreeMap<String, i64>;

/// Downloads Flink (230 MB, once); answers where its libraries are.
pub fn setup_flink() -> Result<PathBuf, String> {
    if !works("javac", &["-version"]) {
        return Err("a JDK is needed: apt-get install openjdk-17-jdk-headless".to_owned());
    }
    let home = cache().join("flink-1.18.1");
    if !home.exists() {
        let part = cache().join("flink-1.18.1.part");
        let mut pip = Command::new(install_all()?.venv.join("bin/pip"));
        pip.args(["install", "--quiet", "--no-deps", "--upgrade", FLINK, "--target"]).arg(&part);
        run("pip install apache-flink-libraries (once, 230 MB)", &mut pip)?;
        fs::rename(&part, &home).map_err(|cause| format!("cannot keep Flink: {cause}"))?;
    }
    Ok(home.join("pyflink/lib"))
}

/// `filters`: parts of the names of scripts; none means all.
pub fn differential(program: &Path, filters: &[String]) -> Outcome {
    let libraries = setup_flink()?;
    let work = cache().join("differential");
    drop(fs::remove_dir_all(&work));
    let scripts = prepare(&work, filters)?;
    ask_flink(&libraries, &work, &scripts)?;
    let mut failed = 0;
    for script in &scripts {
        let name = script.file_stem().unwrap_or_default().to_string_lossy();
        let verdict = compare(program, script);
        failed += usize::from(verdict.is_err());
        let (Ok(text) | Err(text)) = verdict;
        println!("{name:<36} {text}");
    }
    if filters.is_empty() {
        let verdict = flink_cli::check(program, &libraries, &work);
        failed += usize::from(verdict.is_err());
        let (Ok(text) | Err(text)) = verdict;
        println!("{:<36} {text}", "Flink's command line");
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} failed", scripts.len() + 1)) }
}

/// Copies of the scripts with the place of the data written in.
fn prepare(work: &Path, filters: &[String]) -> Result<Vec<PathBuf>, String> {
    let say = |cause: std::io::Error| format!("cannot prepare {}: {cause}", work.display());
    fs::create_dir_all(work).map_err(say)?;
    fs::write(work.join("bids.csv"), bids(400)).map_err(say)?;
    let mut scripts = Vec::new();
    for folder in fs::read_dir(root().join("tests/differential/scripts")).map_err(say)? {
        let folder = folder.map_err(say)?;
        for file in fs::read_dir(folder.path()).map_err(say)? {
            let file = file.map_err(say)?;
            let (group, own) = (folder.file_name(), file.file_name());
            let name = format!("{}.{}", group.to_string_lossy(), own.to_string_lossy());
            if !filters.is_empty() && !filters.iter().any(|part| name.contains(part.as_str())) {
                continue;
            }
            let text = fs::read_to_string(file.path()).map_err(say)?;
            let text = text.replace("$DATA", &work.to_string_lossy());
            fs::write(work.join(&name), text).map_err(say)?;
            scripts.push(work.join(name));
        }
    }
    scripts.sort();
    if scripts.is_empty() { Err("no script has such a name".to_owned()) } else { Ok(scripts) }
}

/// Skewed auctions, nulls, duplicates; out of order by up to 4 s, some rows 30 s late. Times
/// are distinct, so that "the last row" is one row.
fn bids(rows: u64) -> String {
    let (mut state, mut text) = (7_u64, String::new());
    let mut next = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for id in 0..rows {
        let auction = next(8).min(next(8));
        let late = if next(40) == 0 { 30_000 } else { next(4000) };
        let ms = (40_000 + id * 250).saturating_sub(late) / 1000 * 1000 + id;
        let price = if next(12) == 0 { "NULL".to_owned() } else { next(1000).to_string() };
        let name = ["NULL", "ann", "Bob", "cäcilie", "d d"][usize::try_from(next(5)).unwrap_or(0)];
        let (minute, second, ms) = (ms / 60_000, ms / 1000 % 60, ms % 1000);
        let time = format!("2024-01-01 00:{minute:02}:{second:02}.{ms:03}");
        writeln!(text, "{id},{auction},{price},{name},{time}").expect("a string takes all");
    }
    text
}

fn ask_flink(libraries: &Path, work: &Path, scripts: &[PathBuf]) -> Outcome {
    let path = format!("{}/*:{}", libraries.display(), work.display());
    let mut compiler = Command::new("javac");
    compiler.args(["-cp", &path, "-d"]).arg(work);
    compiler.arg(root().join("tests/differential/oracle/Oracle.java"));
    run("javac Oracle.java", &mut compiler)?;
    let mut java = Command::new("java");
    java.arg("-Xmx1g");
    java.args(OPENED.map(|name| format!("--add-opens=java.base/java.{name}=ALL-UNNAMED")));
    run("Flink", java.args(["-cp", &path, "Oracle"]).args(scripts))
}

fn compare(program: &Path, script: &Path) -> Result<String, String> {
    let theirs = script.with_extension("sql.rows");
    let Ok(theirs) = fs::read_to_string(theirs) else {
        let cause = fs::read_to_string(script.with_extension("sql.error")).unwrap_or_default();
        return Err(format!("Flink failed: {cause}"));
    };
    let mut command = Command::new(program);
    command.args(["sql", "run", "--runtime", "FLINK-1_18", "--output", "json"]);
    command.args(["--set", "table.local-time-zone=UTC"]);
    command.args(["--set", "pipeline.auto-watermark-interval=0"]);
    let ours = command.arg(script).output().map_err(|cause| format!("cannot run: {cause}"))?;
    if !ours.status.success() {
        return Err(format!("refused: {}", String::from_utf8_lossy(&ours.stderr).trim()));
    }
    let ours = String::from_utf8_lossy(&ours.stdout);
    difference(&fold(&ours)?, &fold(&theirs)?)
}

fn difference(ours: &Table, theirs: &Table) -> Result<String, String> {
    if ours == theirs {
        return Ok(format!("equal, {} rows", ours.values().sum::<i64>()));
    }
    let only = |one: &Table, other: &Table| {
        one.iter().find(|(row, count)| other.get(*row) != Some(*count)).map(|(row, _)| row.clone())
    };
    Err(format!("different: ours {:?}, Flink {:?}", only(ours, theirs), only(theirs, ours)))
}

/// The final table: how often each row is there.
fn fold(changelog: &str) -> Result<Table, String> {
    let mut table = Table::new();
    for line in changelog.lines() {
        let change =
            line.strip_prefix("{\"op\":\"").and_then(|rest| rest.split_once("\",\"row\":"));
        let Some((op, row)) = change else { return Err(format!("not a change: {line}")) };
        *table.entry(row.to_owned()).or_default() += if op.starts_with('+') { 1 } else { -1 };
    }
    table.retain(|_, count| *count != 0);
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::{difference, fold};

    #[test]
    fn a_changelog_folds_into_its_final_table() {
        let updates =
            "{\"op\":\"+I\",\"row\":1}}\n{\"op\":\"-U\",\"row\":1}}\n{\"op\":\"+U\",\"row\":2}}";
        let table = fold(updates).unwrap();
        assert_eq!(table, fold("{\"op\":\"+I\",\"row\":2}}").unwrap());
        assert!(difference(&table, &fold("{\"op\":\"+I\",\"row\":1}}").unwrap()).is_err());
        assert!(fold("2").is_err());
    }
}
