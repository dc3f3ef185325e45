//! Flink SQL: text and a catalogue become a bound plan, with diagnostics that
//! point at the text.
//!
//! Flow: [`parser::parse`] gives statements and problems; [`bind`] walks the
//! statements, keeps tables, views and settings, and gives a [`logical`] plan in
//! which every name and type is resolved.
//!
//! Contract: pure; the same script, settings and connectors give the same plan.
//! Never panics on any text.
//!
//! Must not know: plan, runtime, state, connectors. Reads no clock.

pub mod ast;
pub mod bind;
pub mod diagnostic;
pub mod expressions;
mod lexer;
pub mod logical;
mod nearest;
pub mod parser;
mod reserved;
mod secrets;
mod settings;
mod since;
pub mod span;

pub use bind::{BindOptions, bind};
pub use diagnostic::{Diagnostic, Problem, Severity};
pub use span::Span;

/// Window aggregation over an updating input: refused by the planner, which alone
/// knows what updates, in the words of the version table.
///
/// # Errors
/// The level is older than the feature.
pub fn check_window_over_updates(
    level: millrace_dataflow::RuntimeLevel,
    span: Span,
) -> Result<(), Problem> {
    since::Feature::WindowOverUpdates.check(level, span)
}
