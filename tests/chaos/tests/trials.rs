//! The trials. `MILLRACE_CHAOS_SEEDS=0..200` for the long run (`cargo xtask test-long`); half
//! as many of them with replicas.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use millrace_test_support::postgres::Postgres;

/// The quick subset of the default run.
const QUICK: Range<u64> = 0..6;

#[test]
fn output_equals_the_undisturbed_run() -> anyhow::Result<()> {
    check(seeds()?, &millrace_chaos::run)
}

/// Three replicas on one database server: also when they and their connections are killed,
/// no operation is lost, none is done twice, and the output is the same.
#[test]
fn output_of_replicas_equals_the_undisturbed_run() -> anyhow::Result<()> {
    if Postgres::start()?.is_none() {
        return Ok(());
    }
    let Range { start, end } = seeds()?;
    let trial = |seed| {
        let database = Postgres::start()?.context("there was one a moment ago")?;
        millrace_chaos::run_replicated(seed, database)
    };
    check(start..start + (end - start).div_ceil(2), &trial)
}

type Trial<'a> = &'a (dyn Fn(u64) -> anyhow::Result<()> + Sync);

fn check(seeds: Range<u64>, trial: Trial<'_>) -> anyhow::Result<()> {
    let (next, passed) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let failures: Vec<anyhow::Error> = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..2).map(|_| scope.spawn(|| work(&next, seeds.end, &passed, trial))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    println!("{} of {} trials passed", passed.into_inner(), seeds.end - seeds.start);
    for failure in &failures {
        println!("{failure:?}\n");
    }
    assert!(failures.is_empty(), "{} trials failed", failures.len());
    Ok(())
}

fn work(next: &AtomicU64, end: u64, passed: &AtomicU64, trial: Trial<'_>) -> Vec<anyhow::Error> {
    let mut failures = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return failures;
        }
        match trial(seed) {
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
