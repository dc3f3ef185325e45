//! The trials. `MILLRACE_SIM_SEEDS=0..5000` for the long run (`cargo xtask test-long`).

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;

/// The quick subset of the default run: each script some times.
const QUICK: Range<u64> = 0..120;

#[test]
fn output_equals_the_undisturbed_run() -> anyhow::Result<()> {
    let seeds = seeds()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let next = AtomicU64::new(seeds.start);
    let failures: Vec<anyhow::Error> = std::thread::scope(|scope| {
        let work = || work(&next, seeds.end, runtime.handle());
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    let trials = seeds.end - seeds.start;
    println!("{} of {trials} trials passed", trials - failures.len() as u64);
    assert!(failures.is_empty(), "{} trials failed", failures.len());
    Ok(())
}

fn work(next: &AtomicU64, end: u64, io: &tokio::runtime::Handle) -> Vec<anyhow::Error> {
    let mut failures = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return failures;
        }
        if let Err(failure) = millrace_sim::run(seed, io) {
            eprintln!("{failure:?}\n");
            failures.push(failure);
        }
    }
}

fn seeds() -> anyhow::Result<Range<u64>> {
    let Ok(text) = std::env::var("MILLRACE_SIM_SEEDS") else { return Ok(QUICK) };
    let parse = || {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    };
    parse().with_context(|| format!("MILLRACE_SIM_SEEDS={text} is not FROM..TO"))
}
