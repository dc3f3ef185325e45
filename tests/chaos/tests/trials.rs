//! The trials. `MILLRACE_CHAOS_SEEDS=0..200` for the long run (`cargo xtask test-long`).

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;

/// The quick subset of the default run.
const QUICK: Range<u64> = 0..6;

#[test]
fn output_equals_the_undisturbed_run() -> anyhow::Result<()> {
    let seeds = seeds()?;
    let (next, passed) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let failures: Vec<anyhow::Error> = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..2).map(|_| scope.spawn(|| work(&next, seeds.end, &passed))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    println!("{} of {} trials passed", passed.into_inner(), seeds.end - seeds.start);
    for failure in &failures {
        println!("{failure:?}\n");
    }
    assert!(failures.is_empty(), "{} trials failed", failures.len());
    Ok(())
}

fn work(next: &AtomicU64, end: u64, passed: &AtomicU64) -> Vec<anyhow::Error> {
    let mut failures = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return failures;
        }
        match millrace_chaos::run(seed) {
            Ok(()) => drop(passed.fetch_add(1, Ordering::Relaxed)),
            Err(failure) => {
                eprintln!("seed {seed} FAILED: {failure:#}");
                failures.push(failure);
            }
        }
    }
}

fn seeds() -> anyhow::Result<Range<u64>> {
    let Ok(text) = std::env::var("MILLRACE_CHAOS_SEEDS") else { return Ok(QUICK) };
    let parse = || {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    };
    parse().with_context(|| format!("MILLRACE_CHAOS_SEEDS={text} is not FROM..TO"))
}
