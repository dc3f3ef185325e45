//! Mutations that know a little of texts and of binary files.

use rand::RngExt;
use rand::rngs::StdRng;

/// An input longer than this is cut: what is wrong with it is wrong with less.
const LONGEST: usize = 1 << 14;

/// Bytes that mean much to one of the readers.
const TOKENS: &[&[u8]] = &[
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"\"",
    b"'",
    b"`",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\u00e9",
    b"null",
    b"true",
    b"-",
    b"0",
    b"1e400",
    b"-0.0",
    b"1e-400",
    b"NaN",
    b"9223372036854775808",
    b"170141183460469231731687303715884105728",
    b"\n",
    b"\r\n",
    b"#",
    b"2024-02-30 25:61:61.9999999999",
    b"\xff",
    b"\xc3",
    b"\xf0\x9f\x92\xa9",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b" SELECT ",
    b" FROM ",
    b" AS ",
    b" OVER ",
    b" INTERVAL '1' DAY ",
    b" CAST(",
    b" NULL ",
    b"--",
    b"/*+",
    b"*/",
    b";",
    b" JOIN ",
    b" ON ",
    b" GROUP BY ",
    b" CASE WHEN ",
    b" TABLE(TUMBLE(TABLE ",
    b" DESCRIPTOR(",
];

/// Some mutations of one input; `other` gives material.
pub fn mutate(random: &mut StdRng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.random_range(1..=6) {
        step(random, &mut bytes, other);
        bytes.truncate(LONGEST);
    }
    bytes
}

fn step(random: &mut StdRng, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.random_range(0..=bytes.len());
    match random.random_range(0..9) {
        0 => flip(random, bytes),
        1 => bytes.truncate(at),
        2 => drop(bytes.splice(at..at, pick(random).iter().copied())),
        3 => {
            let end = (at + pick(random).len()).min(bytes.len());
            drop(bytes.splice(at..end, pick(random).iter().copied()));
        }
        4 => drop(bytes.drain(at..span(random, at, bytes.len()))),
        5 => {
            let copy = bytes[at..span(random, at, bytes.len())].to_vec();
            let to = random.random_range(0..=bytes.len());
            drop(bytes.splice(to..to, copy));
        }
        6 => {
            let from = random.random_range(0..=other.len());
            let piece = &other[from..span(random, from, other.len())];
            drop(bytes.splice(at..at, piece.iter().copied()));
        }
        // Deeper than anybody writes.
        7 => {
            let times = random.random_range(1..3000);
            drop(bytes.splice(at..at, pick(random).repeat(times)));
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.random();
            }
        }
    }
}

fn flip(random: &mut StdRng, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
    }
}

fn pick(random: &mut StdRng) -> &'static [u8] {
    TOKENS[random.random_range(0..TOKENS.len())]
}

/// An end within 40 bytes behind `from`.
fn span(random: &mut StdRng, from: usize, length: usize) -> usize {
    (from + random.random_range(0..40)).min(length)
}
