//! The whole story on this machine, told in a few lines and checked: an application over
//! a live nexmark stream is created, upgraded in place, refused an impossible update, put
//! back after one that fails, stopped, and its output compared with what went in.
//!
//! `millrace-demo [ROUNDS]`: several rounds end with the medians of their times.

mod evidence;
mod script;
mod story;

use std::process::ExitCode;

use story::Times;

fn main() -> ExitCode {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    match tell(rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("the demo failed: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

fn tell(rounds: usize) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for round in 1..=rounds {
        if rounds > 1 {
            println!("\nround {round} of {rounds}");
        }
        all.push(story::tell()?);
    }
    if rounds > 1 {
        println!("\nmedians of {rounds} rounds");
        for (index, (name, _)) in all[0].named().iter().enumerate() {
            println!("  {name:<50} {:>7.3} s", median(&all, index));
        }
    }
    Ok(())
}

fn median(all: &[Times], index: usize) -> f64 {
    let mut times: Vec<f64> = all.iter().map(|times| times.named()[index].1).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
