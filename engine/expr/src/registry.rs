//! The functions that exist, as data: name, arity, since when, typing and body.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion_physical_expr::PhysicalExpr;
use millrace_dataflow::{DataType, EvalError, RuntimeLevel};

use crate::functions;
use crate::physical::scope::{Env, Scope};
use crate::signature::Signature;
use crate::typed::{ExprContext, ExprError, TypedExpr};
use crate::value::Value;

/// Checks and casts the arguments, and gives the result type.
pub(crate) type Typing = fn(&mut Signature<'_>) -> Result<DataType, ExprError>;
/// One row's arguments to its result.
pub(crate) type RowFunction =
    for<'a> fn(&[Value<'a>], &mut Scope<'_>) -> Result<Value<'a>, EvalError>;
/// Whole columns to a column.
pub(crate) type ArrayFunction = fn(&[ArrayRef], &Env) -> Result<ArrayRef, EvalError>;
/// Typed arguments to another expression.
pub(crate) type Rewrite = fn(Vec<TypedExpr>, &ExprContext) -> Result<TypedExpr, ExprError>;
/// Running arguments to a node of our own or DataFusion's.
pub(crate) type NodeFunction =
    fn(Vec<Arc<dyn PhysicalExpr>>, &Arc<Env>) -> Result<Arc<dyn PhysicalExpr>, ExprError>;

/// How a function computes.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// Row by row; a NULL argument gives NULL without a call.
    Strict(RowFunction),
    /// Row by row, NULLs included.
    Rows(RowFunction),
    Arrays(ArrayFunction),
    Node(NodeFunction),
    Rewrite(Rewrite),
    /// Real in the level that has it, but not offered by this engine yet.
    NotOffered,
}

/// The first Flink version that has a function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Always,
    V1_16,
    V1_17,
    V1_18,
    V1_19,
    V1_20,
    V2_0,
}

impl Since {
    fn available_in(self, level: RuntimeLevel) -> bool {
        match self {
            Since::Always => true,
            Since::V1_16 | Since::V1_17 | Since::V1_18 => level >= RuntimeLevel::Flink1_18,
            Since::V1_19 => level >= RuntimeLevel::Flink1_19,
            Since::V1_20 => level >= RuntimeLevel::Flink1_20,
            Since::V2_0 => false,
        }
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Since::Always => "1.0",
            Since::V1_16 => "1.16",
            Since::V1_17 => "1.17",
            Since::V1_18 => "1.18",
            Since::V1_19 => "1.19",
            Since::V1_20 => "1.20",
            Since::V2_0 => "2.0",
        })
    }
}

/// A row of the registry.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub name: &'static str,
    pub least: usize,
    pub most: usize,
    pub since: Since,
    pub typing: Typing,
    pub body: Body,
    /// The arguments are not all evaluated for every row.
    pub lazy: bool,
    /// The same arguments can give another result: never folded.
    pub volatile: bool,
}

/// No upper bound on the number of arguments.
pub(crate) const MANY: usize = usize::MAX;

impl Function {
    pub const fn new(
        name: &'static str,
        (least, most): (usize, usize),
        typing: Typing,
        body: Body,
    ) -> Function {
        Function {
            name,
            least,
            most,
            since: Since::Always,
            typing,
            body,
            lazy: false,
            volatile: false,
        }
    }

    pub const fn since(mut self, since: Since) -> Function {
        self.since = since;
        self
    }

    pub const fn lazy(mut self) -> Function {
        self.lazy = true;
        self
    }

    pub const fn volatile(mut self) -> Function {
        self.volatile = true;
        self
    }
}

/// Other names of the same function.
const ALIASES: &[(&str, &str)] = &[
    ("!=", "<>"),
    ("MOD", "%"),
    ("SUBSTR", "SUBSTRING"),
    ("CHARACTER_LENGTH", "CHAR_LENGTH"),
    ("CEILING", "CEIL"),
    ("POW", "POWER"),
    ("NOW", "CURRENT_TIMESTAMP"),
    ("CURRENT_ROW_TIMESTAMP", "CURRENT_TIMESTAMP"),
];

fn tables() -> impl Iterator<Item = &'static Function> {
    functions::TABLES.iter().flat_map(|table| table.iter())
}

/// The function of this name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let upper = name.to_ascii_uppercase();
    let canonical =
        ALIASES.iter().find(|(alias, _)| *alias == upper).map_or(upper.as_str(), |(_, name)| name);
    tables().find(|function| function.name == canonical)
}

/// The function of this name at this level.
///
/// # Errors
/// Unknown (with the nearest names), newer than the level, or not offered yet.
pub(crate) fn resolve(name: &str, level: RuntimeLevel) -> Result<&'static Function, ExprError> {
    let function = find(name).ok_or_else(|| unknown(name))?;
    if !function.since.available_in(level) {
        return Err(ExprError::new(format!(
            "function {} was introduced in Flink {}; the application's runtime is {level}",
            function.name, function.since
        )));
    }
    if matches!(function.body, Body::NotOffered) {
        return Err(ExprError::new(format!(
            "function {} is not offered by the embedded engine yet; run the application on \
             Apache Flink, or write it without this function",
            function.name
        )));
    }
    Ok(function)
}

fn unknown(name: &str) -> ExprError {
    let near = nearest(name);
    let hint = match near.as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    };
    ExprError::new(format!("no function is named {name}{hint}"))
}

fn nearest(name: &str) -> Vec<&'static str> {
    let upper = name.to_ascii_uppercase();
    let words =
        tables().map(|function| function.name).chain(ALIASES.iter().map(|(alias, _)| *alias));
    let mut scored: Vec<(usize, &str)> = words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(|word| (distance(&upper, word), word))
        .filter(|(score, word)| *score <= (word.len() / 3).max(1))
        .collect();
    scored.sort();
    scored.into_iter().take(3).map(|(_, word)| word).collect()
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
