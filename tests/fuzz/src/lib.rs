//! What reads bytes that others wrote must never panic, and never take a part for the
//! whole.
//!
//! A target is a function of bytes that panics when a promise is broken, so any
//! coverage-guided fuzzer can drive it ([`targets::TARGETS`]). The driver here needs
//! nothing but a seed: it mutates a corpus of real texts and files ([`mutate`]), and makes
//! an input that fails smaller before it shows it ([`drive`]).

pub mod access;
pub mod corpus;
pub mod drive;
pub mod mutate;
pub mod targets;
