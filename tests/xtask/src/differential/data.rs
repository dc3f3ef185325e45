//! What the scripts read: some rows of CSV, and the events of the nexmark generator as JSON.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// 100 s of events, 5 ms apart, so that no two have the same time.
const EVENTS: &str = "
CREATE TABLE made (
  event_type INT,
  person ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR,
    state VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR>,
  auction ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT,
    reserve BIGINT, dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT,
    category BIGINT, extra VARCHAR>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
    dateTime TIMESTAMP(3), extra VARCHAR>)
  WITH ('connector' = 'nexmark', 'events.num' = '20000', 'first-event.rate' = '200',
    'next-event.rate' = '200', 'max-emit-speed' = 'true', 'base-time' = '1704106770000');
CREATE TABLE kept WITH ('connector' = 'filesystem', 'path' = '$DATA/made', 'format' = 'json')
  LIKE made (EXCLUDING OPTIONS);
INSERT INTO kept SELECT * FROM made;
";
/// How many files the parallel cases read.
const PARTS: usize = 4;

/// A generator that gives the same numbers in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Writes all of it below `work`; answers what tells one content from another.
///
/// # Errors
/// The generator fails, or nothing can be written.
pub fn write(program: &Path, work: &Path) -> Result<String, String> {
    let bids = bids(400);
    let lines = disturbed(generated(program, work)?);
    let say = |cause: std::io::Error| format!("cannot write below {}: {cause}", work.display());
    for folder in ["events", "parts"] {
        fs::create_dir_all(work.join(folder)).map_err(say)?;
    }
    let side = side();
    fs::write(work.join("bids.csv"), &bids).map_err(say)?;
    fs::write(work.join("side.csv"), &side).map_err(say)?;
    fs::write(work.join("events/all.json"), lines.concat()).map_err(say)?;
    for part in 0..PARTS {
        let own: String = lines.iter().skip(part).step_by(PARTS).map(String::as_str).collect();
        fs::write(work.join(format!("parts/{part}.json")), own).map_err(say)?;
    }
    Ok(bids + &side + &lines.concat())
}

/// The events in the generator's order, a line each.
fn generated(program: &Path, work: &Path) -> Result<Vec<String>, String> {
    let say = |cause: std::io::Error| format!("cannot make events: {cause}");
    let script = work.join("events.sql");
    fs::write(&script, EVENTS.replace("$DATA", &work.to_string_lossy())).map_err(say)?;
    let mut command = Command::new(program);
    command.args(["sql", "run", "--runtime", "FLINK-1_18"]).arg(script).stdout(Stdio::null());
    if !command.status().map_err(say)?.success() {
        return Err("the events cannot be made".to_owned());
    }
    let mut lines = Vec::new();
    for file in files(&work.join("made"))? {
        lines
            .extend(fs::read_to_string(file).map_err(say)?.lines().map(|line| format!("{line}\n")));
    }
    Ok(lines)
}

/// All files below, hidden ones and markers not; in the order of their names.
///
/// # Errors
/// A folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let say = |cause: std::io::Error| format!("cannot read {}: {cause}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(say)? {
        let path = entry.map_err(say)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match name.starts_with(['.', '_']) {
            true => {}
            false if path.is_dir() => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    found.sort();
    Ok(found)
}

/// Every line up to 1 s of places away from its own, one in 200 about 20 s late, and
/// some members null. Times stay as they were made, each its own.
fn disturbed(lines: Vec<String>) -> Vec<String> {
    let mut dice = Dice(11);
    let mut placed: Vec<(u64, String)> = Vec::new();
    for (place, line) in (0_u64..).zip(lines) {
        let moved = if dice.below(200) == 0 { 4000 } else { dice.below(200) };
        placed.push((place + moved, with_nulls(line, &mut dice)));
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, line)| line).collect()
}

fn with_nulls(line: String, dice: &mut Dice) -> String {
    let name = match dice.below(30) {
        0 => "bidder",
        1 => "price",
        2 => "channel",
        3 => "seller",
        4 => "url",
        5 => "state",
        _ => return line,
    };
    let start = format!("\"{name}\":");
    let Some((before, rest)) = line.split_once(&start) else { return line };
    // A string of the generator holds neither of these.
    let end = rest.find([',', '}']).unwrap_or_default();
    format!("{before}{start}null{}", &rest[end..])
}

/// What auctions are looked up in: some once, some twice, some not, NULL as a key and as a
/// value.
fn side() -> String {
    let rows = (0..6).chain(1000..1400).flat_map(|key: u64| match key % 5 {
        0 => vec![format!("{key},first\n"), format!("{key},second\n")],
        1 => vec![],
        2 => vec![format!("{key},NULL\n")],
        _ => vec![format!("{key},of {key}\n")],
    });
    rows.chain(["NULL,nobody\n".to_owned()]).collect()
}

/// Skewed auctions, nulls, duplicates; out of order by up to 4 s, some rows 30 s late. Times
/// are distinct, so that "the last row" is one row.
fn bids(rows: u64) -> String {
    let (mut dice, mut text) = (Dice(7), String::new());
    for id in 0..rows {
        let auction = dice.below(8).min(dice.below(8));
        let late = if dice.below(40) == 0 { 30_000 } else { dice.below(4000) };
        let ms = (40_000 + id * 250).saturating_sub(late) / 1000 * 1000 + id;
        let price =
            if dice.below(12) == 0 { "NULL".to_owned() } else { dice.below(1000).to_string() };
        let name =
            ["NULL", "ann", "Bob", "cäcilie", "d d"][usize::try_from(dice.below(5)).unwrap_or(0)];
        let (minute, second, ms) = (ms / 60_000, ms / 1000 % 60, ms % 1000);
        let time = format!("2024-01-01 00:{minute:02}:{second:02}.{ms:03}");
        writeln!(text, "{id},{auction},{price},{name},{time}").expect("a string takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Dice, disturbed, with_nulls};

    #[test]
    fn disturbed_lines_are_the_same_lines_in_another_order() {
        let lines: Vec<String> = (0..1000).map(|n| format!("{n}\n")).collect();
        let mut out = disturbed(lines.clone());
        assert_ne!(out, lines);
        out.sort_by_key(|line| line.trim().parse::<u32>().unwrap());
        assert_eq!(out, lines);
    }

    #[test]
    fn a_member_becomes_null_and_its_neighbours_stay() {
        let line = r#"{"bid":{"bidder":1,"price":2,"channel":"a","url":"b","state":3,"seller":4}}"#;
        let mut dice = Dice(1);
        let changed: Vec<_> = (0..200).map(|_| with_nulls(line.to_owned(), &mut dice)).collect();
        assert!(changed.contains(&line.replace("\"bidder\":1", "\"bidder\":null")));
        assert!(changed.contains(&line.replace("\"seller\":4", "\"seller\":null")));
        assert!(changed.iter().all(|line| line.ends_with("}}")));
    }
}
