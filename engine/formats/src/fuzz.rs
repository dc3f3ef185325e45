//! Random records, damaged at random, for tests that compare two ways of reading.
//! `MILLRACE_FUZZ_SEEDS=0..5000` tries more than the default.

use std::ops::Range;

use arrow::array::ArrayRef;
use millrace_dataflow::types::{DataType, Field, Schema, TypeRoot};

use crate::error::FormatError;
use crate::format::{Decoded, Encoded, Format, RowDecoder};

const QUICK: Range<u64> = 0..2_000;

/// The seeds to try.
pub fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("MILLRACE_FUZZ_SEEDS") else { return QUICK };
    let bounds = text.split_once("..").map(|(from, to)| (from.parse(), to.parse()));
    match bounds {
        Some((Ok(from), Ok(to))) => from..to,
        _ => panic!("MILLRACE_FUZZ_SEEDS={text} is not FROM..TO"),
    }
}

/// Numbers that are the same for the same seed (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Flips, cuts, doubles or drops a few bytes, or splices two records.
    pub fn damage(&mut self, record: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(3) {
            let at = self.below(record.len());
            match self.below(6) {
                0 if !record.is_empty() => {
                    record[at] = *self.pick(b"{}[]\":,\\ \t0-.eEntfu\x01\xff;")
                }
                1 if !record.is_empty() => record[at] ^= 1 << self.below(8),
                2 => record.truncate(at),
                3 if !record.is_empty() => drop(record.remove(at)),
                4 => record.insert(at, *self.pick(b"{}[]\":,\\ 019-.enu\xc3\xa9")),
                _ => {
                    let from = self.below(other.len());
                    record.truncate(at);
                    record.extend_from_slice(&other[from..]);
                }
            }
        }
        record.retain(|byte| *byte != b'\n');
    }
}

/// A column of each kind of type that a format may have.
pub fn any_type(dice: &mut Dice, depth: usize) -> DataType {
    let precision = *dice.pick(&[0, 3, 6, 9]);
    let flat = [
        TypeRoot::Boolean,
        TypeRoot::TinyInt,
        TypeRoot::SmallInt,
        TypeRoot::Int,
        TypeRoot::BigInt,
        TypeRoot::Float,
        TypeRoot::Double,
        TypeRoot::Decimal { precision: 10, scale: 2 },
        TypeRoot::string(),
        TypeRoot::bytes(),
        TypeRoot::Date,
        TypeRoot::Time,
        TypeRoot::Timestamp { precision },
        TypeRoot::TimestampLtz { precision },
    ];
    if depth == 0 || !dice.one_in(4) {
        return dice.pick(&flat).clone().nullable();
    }
    let inner = any_type(dice, depth - 1);
    match dice.below(4) {
        0 => TypeRoot::Array(Box::new(inner)).nullable(),
        1 => TypeRoot::Map(Box::new(TypeRoot::string().not_null()), Box::new(inner)).nullable(),
        _ => TypeRoot::Row(any_fields(dice, depth - 1)).nullable(),
    }
}

pub fn any_fields(dice: &mut Dice, depth: usize) -> Vec<Field> {
    let count = 1 + dice.below(5);
    let names = ["a", "b", "id", "name", "a longer name of a field", "é"];
    (0..count).map(|at| Field::new(names[at], any_type(dice, depth))).collect()
}

/// The rows and errors of a decoder over lines that are given to it bit by bit.
pub struct Seen {
    pub rows: usize,
    pub columns: Vec<ArrayRef>,
    pub errors: Vec<(usize, FormatError)>,
}

/// Reads each record by itself.
pub fn one_by_one(decoder: &mut dyn RowDecoder, records: &[Vec<u8>]) -> Seen {
    let (mut at, mut errors) = (0, Vec::new());
    for record in records {
        let before = decoder.rows();
        match decoder.decode(record) {
            Ok(decoded) => {
                assert_eq!(decoder.rows() - before, usize::from(decoded == Decoded::Row));
            }
            Err(error) => errors.push((at, error)),
        }
        at += record.len() + 1;
    }
    Seen { rows: decoder.rows(), columns: decoder.finish(), errors }
}

/// Reads the lines in pieces that end anywhere, stepping over bad records.
pub fn in_lines(decoder: &mut dyn RowDecoder, lines: &[u8], dice: &mut Dice) -> Seen {
    let (mut at, mut end, mut errors) = (0_usize, 0_usize, Vec::new());
    while at < lines.len() {
        end = (end.max(at) + 1 + dice.below(120)).min(lines.len());
        let most = decoder.rows() + 1 + dice.below(3);
        let stretch = decoder.decode_lines(&lines[at..end], 1 + dice.below(200), most);
        at += stretch.bytes;
        if let Err(error) = stretch.result {
            errors.push((at, error));
            let rest = &lines[at..];
            at += 1 + memchr::memchr(b'\n', rest).expect("a bad record has an end");
        } else if stretch.bytes == 0 && end == lines.len() {
            // Without an end, as the last record of a file may be.
            errors.extend(decoder.decode(&lines[at..]).err().map(|error| (at, error)));
            break;
        }
    }
    Seen { rows: decoder.rows(), columns: decoder.finish(), errors }
}

/// The rows as the format writes them.
pub fn written(format: &dyn Format, seen: &Seen) -> String {
    let mut out = Encoded::default();
    format.encoder().encode(&seen.columns, seen.rows, &mut out).expect("columns of the table");
    String::from_utf8(out.bytes).expect("text")
}

/// Two ways of reading saw the same; `what` says where, for the message.
pub fn check_same(format: &dyn Format, expected: &Seen, found: &Seen, what: &str) {
    assert_eq!(found.errors, expected.errors, "{what}");
    assert_eq!(found.rows, expected.rows, "{what}");
    assert_eq!(written(format, found), written(format, expected), "{what}");
}

/// Some of a table's columns, in any order.
pub fn some_columns(dice: &mut Dice, schema: &Schema) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..schema.len()).filter(|_| !dice.one_in(3)).collect();
    for at in 1..columns.len() {
        columns.swap(at, dice.below(at + 1));
    }
    columns
}
