//! What a function knows beside its arguments.

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use millrace_dataflow::{DataType, EvalError};
use regex::Regex;

use crate::text::java_regex::{self, BadRegex};
use crate::text::pattern::Pattern;
use crate::zone::Zone;

/// Fixed when an expression is lowered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Env {
    pub zone: Zone,
    pub arguments: Vec<DataType>,
    pub result: DataType,
    /// The input's columns, as far as the expression names them.
    pub schema: SchemaRef,
}

/// How many compiled patterns a node keeps before it starts anew: patterns are
/// nearly always constants, and a column of them must not fill the memory.
const KEPT: usize = 64;

/// Compiled regexes and date patterns of a node, by text.
#[derive(Default)]
pub(crate) struct Caches {
    regexes: HashMap<String, Result<Regex, BadRegex>>,
    patterns: HashMap<String, Result<Pattern, String>>,
    /// What `DATE_FORMAT` made last: its moment, pattern and text. Rows come in the order
    /// of their times, more or less.
    pub formatted: Option<(i128, String, String)>,
    /// `RAND(seed)`: java.util.Random's state, seeded on the first row.
    pub random: Option<u64>,
}

impl Caches {
    /// `None` for what is no regular expression.
    ///
    /// # Errors
    /// It is one in Java, but needs what this engine has not (look-around,
    /// back-references): a silent NULL would be a wrong answer.
    pub fn regex(&mut self, text: &str) -> Result<Option<&Regex>, EvalError> {
        if !self.regexes.contains_key(text) {
            if self.regexes.len() >= KEPT {
                self.regexes.clear();
            }
            self.regexes.insert(text.to_owned(), java_regex::compile(text));
        }
        match &self.regexes[text] {
            Ok(regex) => Ok(Some(regex)),
            Err(BadRegex::Invalid) => Ok(None),
            Err(BadRegex::NotOffered(what)) => Err(EvalError::new(format!(
                "the regular expression '{text}' uses {what}, which the embedded engine does not offer"
            ))),
        }
    }

    pub fn pattern(&mut self, text: &str) -> Result<&Pattern, EvalError> {
        if !self.patterns.contains_key(text) {
            if self.patterns.len() >= KEPT {
                self.patterns.clear();
            }
            self.patterns.insert(text.to_owned(), Pattern::compile(text));
        }
        self.patterns[text].as_ref().map_err(EvalError::new)
    }
}

/// An [`Env`] with its node's caches, while a batch is computed.
pub(crate) struct Scope<'a> {
    pub env: &'a Env,
    pub caches: &'a mut Caches,
}

impl Scope<'_> {
    pub fn zone(&self) -> Zone {
        self.env.zone
    }

    pub fn regex(&mut self, text: &str) -> Result<Option<&Regex>, EvalError> {
        self.caches.regex(text)
    }

    pub fn pattern(&mut self, text: &str) -> Result<&Pattern, EvalError> {
        self.caches.pattern(text)
    }
}
