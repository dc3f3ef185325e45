//! The scripts of `cargo xtask bench` over a few events: each gives as many rows as on Apache
//! Flink 1.18.1, which got the same events from `tests/bench/flink/Events.java`. No time is
//! measured.

use std::fs;
use std::path::PathBuf;

use millrace_test_support::binary::source_root;
use millrace_test_support::cli::millrace;
use millrace_test_support::files::lines;

/// Of 3,000 events, 100 a second: 60 persons, 180 auctions, 2,760 bids.
const ROWS: [(&str, usize); 21] = [
    ("q0", 2760),
    ("q1", 2760),
    ("q2", 6),
    ("q3", 4),
    ("q4", 5),
    ("q5", 19),
    ("q7", 3),
    ("q8", 13),
    ("q9", 161),
    ("q11", 66),
    // Windows of the clock that are open when the input ends give nothing.
    ("q12", 0),
    ("q14", 801),
    ("q15", 1),
    ("q16", 1333),
    ("q17", 176),
    ("q18", 572),
    ("q19", 1135),
    ("q20", 286),
    ("q21", 2620),
    ("q22", 2760),
    ("q23", 2494),
];

fn folder() -> PathBuf {
    source_root().join("tests/bench/nexmark")
}

/// The standard output of a query whose sink prints, or writes below `out`.
fn run(query: &str, out: &str) -> anyhow::Result<String> {
    let text =
        ["tables", query].map(|name| fs::read_to_string(folder().join(name.to_owned() + ".sql")));
    let [tables, statements] = text;
    let script = (tables? + &statements?)
        .replace("'blackhole'", "'print'")
        .replace("$EVENTS$", "3000")
        .replace("$RATE$", "100")
        .replace("$UNTHROTTLED$", "true")
        .replace("$OUT$", out);
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("main.sql");
    fs::write(&file, script)?;
    let options = ["--runtime", "FLINK-1_18", "--set", "pipeline.auto-watermark-interval=0"];
    let ran = millrace("", &[&["sql", "run", &file.display().to_string()], &options[..]].concat())?;
    anyhow::ensure!(ran.code == 0, "{query}: {}", ran.stderr);
    Ok(ran.stdout)
}

/// Rows of the final table.
fn remaining(changes: &str) -> usize {
    let count = |kind: char| changes.lines().filter(|line| line.starts_with(kind)).count();
    count('+') - count('-')
}

#[test]
fn every_query_gives_as_many_rows_as_flink() -> anyhow::Result<()> {
    for (query, rows) in ROWS {
        assert_eq!(remaining(&run(query, "")?), rows, "{query}");
    }
    Ok(())
}

#[test]
fn the_query_that_writes_files_writes_every_bid() -> anyhow::Result<()> {
    let out = tempfile::tempdir()?;
    run("q10", &out.path().display().to_string())?;
    let mut bids = 0;
    for day in fs::read_dir(out.path())? {
        for minute in fs::read_dir(day?.path())? {
            bids += lines(&minute?.path())?.len();
        }
    }
    assert_eq!(bids, 2760);
    Ok(())
}

/// A query that is added must be counted here, or nobody sees it break.
#[test]
fn no_query_is_left_out() -> anyhow::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        found.extend(name.strip_suffix(".sql").filter(|name| *name != "tables").map(str::to_owned));
    }
    let mut counted: Vec<String> = ROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    counted.push("q10".to_owned());
    found.sort();
    counted.sort();
    assert_eq!(found, counted);
    Ok(())
}
