//! How fast records are read and written, per core. Nothing is asserted about speed:
//! `cargo nextest run --run-ignored only -E 'binary(measure)' --no-capture`.

mod support;

use std::borrow::Cow;
use std::hint::black_box;

use arrow::array::ArrayRef;
use millrace_dataflow::types::Schema;
use millrace_formats::format::Encoded;
use serde::Deserialize;
use support::{csv_bids, flat_bids, flat_schema, format, nested_events, nested_schema};

const ROWS: usize = 100_000;
const BATCH_ROWS: usize = 512;
const ROUNDS: usize = 5;
/// A thread's time is counted in steps of some milliseconds, so that a round is long.
const REPEATS: usize = 10;

/// Nanoseconds this thread was on a processor; other work on the machine does not count.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number")
}

/// The best of some rounds.
fn report(name: &str, bytes: usize, mut run: impl FnMut()) {
    run();
    let round = |_| {
        let from = cpu_ns();
        (0..REPEATS).for_each(|_| run());
        (cpu_ns() - from) / REPEATS as u64
    };
    let best = (0..ROUNDS).map(round).min().expect("rounds");
    println!(
        "{name:<44} {:>6.2} M rows/s {:>6.2} GB/s {:>6.0} ns/row",
        ROWS as f64 * 1e3 / best as f64,
        bytes as f64 / best as f64,
        best as f64 / ROWS as f64,
    );
}

fn decode(name: &str, what: &str, schema: &Schema, columns: &[usize], lines: &[u8]) {
    let mut decoder = format(name, &[], schema).decoder(columns);
    let label = format!("{name} {what}, {} B/row, read", lines.len() / ROWS);
    report(&label, lines.len(), || {
        let mut at = 0;
        while at < lines.len() {
            let stretch = decoder.decode_lines(&lines[at..], usize::MAX, BATCH_ROWS);
            stretch.result.expect("good records");
            at += stretch.bytes;
            black_box(decoder.finish());
        }
    });
}

fn batches(name: &str, schema: &Schema, lines: &[u8]) -> Vec<(usize, Vec<ArrayRef>)> {
    let columns: Vec<usize> = (0..schema.len()).collect();
    let mut decoder = format(name, &[], schema).decoder(&columns);
    let (mut batches, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        let stretch = decoder.decode_lines(&lines[at..], usize::MAX, BATCH_ROWS);
        stretch.result.expect("good records");
        at += stretch.bytes;
        batches.push((decoder.rows(), decoder.finish()));
    }
    batches
}

fn encode(name: &str, what: &str, schema: &Schema, lines: &[u8]) {
    let batches = batches(name, schema, lines);
    let mut encoder = format(name, &[], schema).encoder();
    let mut out = Encoded::default();
    let label = format!("{name} {what}, {} B/row, write", lines.len() / ROWS);
    report(&label, lines.len(), || {
        for (rows, columns) in &batches {
            out.clear();
            encoder.encode(columns, *rows, &mut out).expect("columns of the table");
            black_box(&out.bytes);
        }
    });
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read to be thrown away")]
struct Bid<'a> {
    auction: i64,
    bidder: i64,
    price: i64,
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    date_time: Cow<'a, str>,
    #[serde(borrow)]
    extra: Cow<'a, str>,
}

fn serde(lines: &[u8]) {
    let label = format!("serde_json to structs, {} B/row, read", lines.len() / ROWS);
    report(&label, lines.len(), || {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            black_box(serde_json::from_slice::<Bid<'_>>(line).expect("a bid"));
        }
    });
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    let flat = flat_schema();
    let all: Vec<usize> = (0..flat.len()).collect();
    for bytes in [206, 363] {
        let lines = flat_bids(ROWS, bytes);
        decode("json", "bids, 7 columns", &flat, &all, &lines);
        decode("json", "bids, 3 integers", &flat, &[0, 1, 2], &lines);
        serde(&lines);
        encode("json", "bids, 7 columns", &flat, &lines);
    }
    let (nested, lines) = (nested_schema(), nested_events(ROWS));
    decode("json", "events, all columns", &nested, &[0, 1, 2, 3], &lines);
    decode("json", "events, bids", &nested, &[3], &lines);
    encode("json", "events, all columns", &nested, &lines);
    let lines = csv_bids(ROWS);
    decode("csv", "bids, 7 columns", &flat, &all, &lines);
    decode("csv", "bids, 3 integers", &flat, &[0, 1, 2], &lines);
    encode("csv", "bids, 7 columns", &flat, &lines);
}
