//! What a value on the wire may be.

use std::sync::OnceLock;

use regex::Regex;

/// A regular expression that a whole text must match.
#[derive(Debug)]
pub struct Pattern {
    /// As the service model has it.
    pub text: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    pub const fn new(text: &'static str) -> Pattern {
        Pattern { text, compiled: OnceLock::new() }
    }

    /// Whether all of `value` matches.
    pub fn matches(&self, value: &str) -> bool {
        let compile = || {
            Regex::new(&format!(r"\A(?:{})\z", self.text))
                .expect("a test compiles every pattern of the tables")
        };
        self.compiled.get_or_init(compile).is_match(value)
    }
}

/// The form of a value. Lengths are in characters, sizes in bytes after decoding.
#[derive(Debug)]
pub enum Shape {
    Text {
        min: usize,
        max: usize,
        pattern: Option<&'static Pattern>,
        secret: bool,
    },
    Enum(&'static [&'static str]),
    /// 32 bits.
    Integer {
        min: i64,
        max: i64,
    },
    /// 64 bits.
    Long {
        min: i64,
        max: i64,
    },
    Boolean,
    Timestamp,
    /// Base64 on the wire.
    Blob {
        max: usize,
    },
    List {
        of: &'static Shape,
        min: usize,
        max: usize,
    },
    /// From text to text; entries are counted.
    Map {
        key: &'static Shape,
        value: &'static Shape,
        min: usize,
        max: usize,
    },
    Structure(&'static [Member]),
}

/// A named part of a structure.
#[derive(Debug)]
pub struct Member {
    pub name: &'static str,
    pub shape: &'static Shape,
    pub required: bool,
}

pub(crate) const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: true }
}

pub(crate) const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: false }
}

pub(crate) const fn text(min: usize, max: usize) -> Shape {
    Shape::Text { min, max, pattern: None, secret: false }
}

/// Not shown in errors.
pub(crate) const fn secret(min: usize, max: usize) -> Shape {
    Shape::Text { min, max, pattern: None, secret: true }
}

pub(crate) const fn matching(min: usize, max: usize, pattern: &'static Pattern) -> Shape {
    Shape::Text { min, max, pattern: Some(pattern), secret: false }
}
