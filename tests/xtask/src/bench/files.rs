//! JSON files in, nothing or JSON files out.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::flink::WARM_UP;
use super::options::Options;
use super::scripts::Script;

const ROWS: u64 = 5_000_000;

const BIDS: &str = "
CREATE TABLE bids (auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
  dateTime TIMESTAMP(3), extra VARCHAR, WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$IN$-$EVENTS$', 'format' = 'json');
";

/// Name, columns of the sink, where it goes, query.
const JOBS: [(&str, &str, &str, &str); 4] = [
    (
        "json-project",
        "auction BIGINT, price BIGINT, dateTime TIMESTAMP(3)",
        BLACKHOLE,
        "SELECT auction, price, dateTime FROM bids",
    ),
    (
        "json-filter",
        "auction BIGINT, bidder BIGINT, price BIGINT, url VARCHAR",
        BLACKHOLE,
        "SELECT auction, bidder, price, url FROM bids WHERE price > 5000",
    ),
    (
        "json-write",
        "auction BIGINT, bidder BIGINT, price BIGINT, url VARCHAR, dateTime TIMESTAMP(3)",
        "'connector' = 'filesystem', 'path' = '$OUT$', 'format' = 'json'",
        "SELECT auction, bidder, price, url, dateTime FROM bids WHERE price > 5000",
    ),
    (
        "json-window",
        "auction BIGINT, n BIGINT, until TIMESTAMP(3)",
        BLACKHOLE,
        "SELECT auction, COUNT(*), window_end
         FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
         GROUP BY auction, window_start, window_end",
    ),
];

const BLACKHOLE: &str = "'connector' = 'blackhole'";

/// Writes the input, for the run and for Flink's warm-up.
///
/// # Errors
/// The disk is full.
pub fn scripts(options: &Options, work: &Path) -> Result<Vec<Script>, String> {
    let input = work.join("in");
    let rows = options.events.unwrap_or(ROWS);
    for rows in [rows, rows / WARM_UP] {
        write(&input.with_file_name(format!("in-{rows}")), rows)
            .map_err(|cause| format!("cannot write {}: {cause}", input.display()))?;
    }
    let wanted = |name: &str| {
        options.queries.is_empty() || options.queries.iter().any(|query| query == name)
    };
    let jobs = JOBS.iter().filter(|(name, ..)| wanted(name));
    Ok(jobs
        .map(|(name, columns, sink, query)| {
            let tables = BIDS.replace("$IN$", &input.display().to_string());
            let text = format!(
                "{tables}CREATE TABLE sink ({columns}) WITH ({sink});\nINSERT INTO sink {query};\n"
            );
            Script::new(name, text, ROWS, options)
        })
        .collect())
}

/// Bids, some 206 bytes each.
fn write(folder: &Path, rows: u64) -> std::io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let mut out = BufWriter::with_capacity(1 << 20, fs::File::create(folder.join("bids.json"))?);
    let mut state = 7_u64;
    for row in 0..rows {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (auction, bidder, price) =
            (1000 + (state >> 33) % 5000, 1000 + (state >> 40) % 900, (state >> 20) % 10_000);
        let (minute, second, ms) = (row / 6_000_000 % 60, row / 100_000 % 60, row / 100 % 1000);
        writeln!(
            out,
            "{{\"auction\":{auction},\"bidder\":{bidder},\"price\":{price},\"channel\":\"channel-{}\",\
             \"url\":\"https://www.nexmark.com/ab/cde/item.htm?query=1\",\
             \"dateTime\":\"2024-01-01 00:{minute:02}:{second:02}.{ms:03}\",\"extra\":\"{state:020}\"}}",
            state % 1000
        )?;
    }
    out.flush()
}
