//! The same scripts on this engine and on Apache Flink 1.18.1: `cargo xtask differential`.
//!
//! Flink comes from `PyPI` into the cache. Both changelogs are folded into the final table (a
//! multiset of rows) and compared, so that how often an engine emits makes no difference.
//! Flink's answers are kept in the cache, under the script, the data and the oracle.

mod data;
pub mod engines;
mod script;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::engines::Place;
use self::script::{Case, Expectation};
use crate::flink_cli;
use crate::process::{Outcome, cache, root, run, works};
use crate::tools::install_all;

const FLINK: &str = "apache-flink-libraries==1.18.1";

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

/// `filters`: parts of the names of scripts; none means all. What failed stays to be looked at.
pub fn differential(program: &Path, filters: &[String]) -> Outcome {
    let libraries = setup_flink()?;
    let cases = cases(filters)?;
    let work = cache().join("differential").join(std::process::id().to_string());
    fs::create_dir_all(&work)
        .map_err(|cause| format!("cannot make {}: {cause}", work.display()))?;
    let data = data::write(program, &work)?;
    let place = Place { program, libraries: &libraries, work: &work, data: &data };
    cases.iter().try_for_each(|case| place.write(case))?;
    place.ask_flink(&cases)?;
    let mut failed = Vec::new();
    for case in &cases {
        let verdict = judge(case, &place);
        failed.extend(verdict.is_err().then(|| case.name.clone()));
        let (Ok(text) | Err(text)) = verdict;
        println!("{:<40} {text}", case.name);
    }
    if filters.is_empty() {
        let verdict = flink_cli::check(program, &libraries, &work);
        failed.extend(verdict.is_err().then(|| "Flink's command line".to_owned()));
        let (Ok(text) | Err(text)) = verdict;
        println!("{:<40} {text}", "Flink's command line");
    }
    summarize(&cases, &failed);
    if !failed.is_empty() {
        return Err(format!("{} failed: {}", failed.len(), failed.join(", ")));
    }
    drop(fs::remove_dir_all(&work));
    Ok(())
}

/// The cases of all scripts whose name has one of the parts.
fn cases(filters: &[String]) -> Result<Vec<Case>, String> {
    let base = root().join("tests/differential");
    let mut cases = Vec::new();
    for file in data::files(&base.join("scripts"))? {
        let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let name = format!("{folder}.{}", file.file_stem().unwrap_or_default().to_string_lossy());
        if filters.is_empty() || filters.iter().any(|part| name.contains(part.as_str())) {
            let text = fs::read_to_string(&file).map_err(|cause| format!("{name}: {cause}"))?;
            cases.extend(script::cases(&name, &text, &base.join("tables"))?);
        }
    }
    if cases.is_empty() { Err("no script has such a name".to_owned()) } else { Ok(cases) }
}

/// Whether a case went as its script says it must.
fn judge(case: &Case, place: &Place<'_>) -> Result<String, String> {
    if let Expectation::Unchecked(_) = &case.expectation {
        return place.plan(case).map(|()| "not compared; planned".to_owned());
    }
    let (ours, theirs) = (place.ours(case), place.theirs(case));
    if let Expectation::Refused(_) = &case.expectation {
        return match (ours, theirs) {
            (Err(_), Err(_)) => Ok("refused by both".to_owned()),
            (Ok(_), Err(cause)) => Err(format!("refused by Flink alone: {cause}")),
            (_, Ok(_)) => Err("not refused by Flink".to_owned()),
        };
    }
    let theirs = theirs.map_err(|cause| format!("Flink failed: {cause}"))?;
    let verdict = ours
        .map_err(|cause| format!("refused: {cause}"))
        .and_then(|ours| difference(&fold(&ours)?, &fold(&theirs)?));
    match (&case.expectation, verdict) {
        (Expectation::Equal, verdict) => verdict,
        (_, Ok(_)) => Err("equal now: take its 'pending' or 'differs' away".to_owned()),
        (_, Err(_)) => Ok("not equal, as listed".to_owned()),
    }
}

/// The numbers, and what is known not to be equal.
fn summarize(cases: &[Case], failed: &[String]) {
    let mut lists: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for case in cases {
        let (kind, reason) = match &case.expectation {
            Expectation::Equal => continue,
            Expectation::Pending(reason) => ("pending", reason),
            Expectation::Differs(reason) => ("differs", reason),
            Expectation::Refused(reason) => ("refused by both", reason),
            Expectation::Unchecked(reason) => ("not compared", reason),
        };
        lists.entry((kind, reason)).or_default().push(&case.name);
    }
    println!("\n{} cases, {} failed", cases.len(), failed.len());
    for ((kind, reason), names) in lists {
        println!("{kind}: {}: {reason}", names.join(", "));
    }
}

fn difference(ours: &Table, theirs: &Table) -> Result<String, String> {
    if ours == theirs {
        return Ok(format!("equal, {} rows", ours.values().sum::<i64>()));
    }
    let only = |one: &Table, other: &Table| {
        let mut rows = one.iter().filter(|(row, count)| other.get(*row) != Some(*count));
        (rows.next().map(|(row, count)| format!("{row} x{count}")), rows.count())
    };
    let ((own, more), (other, others)) = (only(ours, theirs), only(theirs, ours));
    Err(format!("different: ours {own:?} and {more} more, Flink {other:?} and {others} more"))
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
