//! Values as text and back, as Java and Flink write them.

pub(crate) mod datetime;
pub(crate) mod java_regex;
pub(crate) mod json;
pub(crate) mod number;
pub(crate) mod parameter;
pub(crate) mod pattern;
pub(crate) mod pattern_parse;
