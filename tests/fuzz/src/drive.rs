//! The driver: mutated inputs by seed, and the smallest input that still fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::mutate::mutate;
use crate::targets::Target;

/// How often a failing input is tried smaller.
const SHRINKS: usize = 2_000;

/// Runs a target on its corpus, and on `rounds` inputs made of it.
///
/// # Errors
/// The smallest input found that makes it panic, and what it said.
pub fn drive(target: &Target, seed: u64, rounds: u64) -> Result<(), String> {
    let corpus = (target.corpus)();
    assert!(!corpus.is_empty(), "{} has no corpus", target.name);
    for input in &corpus {
        check(target, input).map_err(|_| failure(target, input.clone()))?;
    }
    for round in 0..rounds {
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(round));
        let [input, other] = [(); 2].map(|()| &corpus[random.random_range(0..corpus.len())]);
        let mutated = mutate(&mut random, input, other);
        check(target, &mutated).map_err(|_| failure(target, mutated))?;
    }
    Ok(())
}

fn check(target: &Target, input: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or(literal).unwrap_or_else(|| "a panic without a text".into())
    })
}

fn failure(target: &Target, mut input: Vec<u8>) -> String {
    shrink(target, &mut input);
    let message = check(target, &input).err().unwrap_or_default();
    format!(
        "{}: {message}\ninput as text: {:?}\ninput as bytes: {input:?}",
        target.name,
        String::from_utf8_lossy(&input)
    )
}

/// Takes pieces away, large ones first, as long as it still fails.
fn shrink(target: &Target, input: &mut Vec<u8>) {
    let (mut piece, mut tries) = (input.len().div_ceil(2), 0);
    while piece > 0 {
        let mut at = 0;
        while at < input.len() && tries < SHRINKS {
            let mut smaller = input.clone();
            smaller.drain(at..(at + piece).min(input.len()));
            tries += 1;
            if check(target, &smaller).is_err() {
                *input = smaller;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_found_and_its_input_made_small() {
        let target = Target {
            name: "no question marks",
            corpus: || vec![b"some text, and more of it?".to_vec()],
            run: |bytes| assert!(!bytes.contains(&b'?'), "a question mark"),
        };
        let message = drive(&target, 0, 0).expect_err("the corpus has one");
        assert!(message.contains("a question mark") && message.contains("\"?\""), "{message}");
    }
}
