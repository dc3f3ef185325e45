//! The function families; each is a table of [`Function`] rows.

mod arithmetic;
mod clock;
mod collection;
pub(crate) mod columns;
mod comparison;
mod conditional;
mod extract;
mod hash;
mod interval;
mod json;
mod json_build;
mod later;
mod logic;
mod math;
mod pattern;
mod regex;
mod rounding;
mod string;
mod string_edit;
mod temporal;
mod temporal_text;
mod unit;
mod url;

use crate::registry::Function;

pub(crate) const TABLES: &[&[Function]] = &[
    arithmetic::FUNCTIONS,
    clock::FUNCTIONS,
    collection::FUNCTIONS,
    comparison::FUNCTIONS,
    conditional::FUNCTIONS,
    extract::FUNCTIONS,
    hash::FUNCTIONS,
    json::FUNCTIONS,
    json_build::FUNCTIONS,
    later::FUNCTIONS,
    logic::FUNCTIONS,
    math::FUNCTIONS,
    pattern::FUNCTIONS,
    regex::FUNCTIONS,
    rounding::FUNCTIONS,
    string::FUNCTIONS,
    string_edit::FUNCTIONS,
    temporal::FUNCTIONS,
    temporal_text::FUNCTIONS,
    url::FUNCTIONS,
];
