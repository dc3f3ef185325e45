//! Each target for a short while; `MILLRACE_FUZZ_ROUNDS` for a longer one.

use std::time::{SystemTime, UNIX_EPOCH};

use millrace_fuzz::drive::drive;
use millrace_fuzz::targets::TARGETS;

/// Of the default run, which always does the same.
const QUICK: u64 = 1_500;

/// Seeds of a long run begin at the time of day, so that each does something new.
#[expect(clippy::disallowed_methods, reason = "a long run looks for what no earlier one has seen")]
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64) << 20
}

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let rounds = std::env::var("MILLRACE_FUZZ_ROUNDS").ok();
    let rounds = rounds.map(|text| text.parse().expect("MILLRACE_FUZZ_ROUNDS is a number"));
    let seed = if rounds.is_some() { fresh_seed() } else { 0 };
    std::panic::set_hook(Box::new(|_| {}));
    let found = drive(target, seed, rounds.unwrap_or(QUICK));
    let _ = std::panic::take_hook();
    if let Err(failure) = found {
        panic!("seeds from {seed}: {failure}");
    }
}

#[test]
fn sql() {
    check("sql");
}

#[test]
fn json() {
    check("json");
}

#[test]
fn csv() {
    check("csv");
}

#[test]
fn manifest() {
    check("manifest");
}

#[test]
fn blocks() {
    check("blocks");
}

#[test]
fn rows() {
    check("rows");
}

#[test]
fn policy() {
    check("policy");
}

#[test]
fn authorization() {
    check("authorization");
}
