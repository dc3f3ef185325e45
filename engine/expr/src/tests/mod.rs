//! One row a fact: an expression as text, its value or error as text.
//!
//! Each runs twice: with its literals as constants (folded when lowering) and with
//! their values fed as columns; both must agree, save for section C.8.

mod aggregates;
mod arithmetic;
mod casts;
mod clocks;
mod collections;
mod columns;
mod comparisons;
mod conditions;
mod date_format_columns;
mod extremes;
mod json;
mod language;
mod levels;
mod lowering;
mod strings;
mod temporal;
mod values;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field as ArrowField, Schema};
use millrace_dataflow::{DataType, EvalContext, RuntimeLevel, TypeRoot};

use crate::typed::{ExprContext, TypedExpr};
use language::{Columns, Leaves};

pub(crate) fn context() -> ExprContext {
    ExprContext { level: RuntimeLevel::Flink1_18, time_zone: "UTC".to_owned() }
}

fn in_zone(zone: &str) -> ExprContext {
    ExprContext { time_zone: zone.to_owned(), ..context() }
}

fn type_text(text: &str, ctx: &ExprContext) -> Result<DataType, String> {
    language::parse(text, ctx, &mut Leaves::Constants).map(|typed| typed.data_type)
}

/// Evaluates over two equal rows and gives the text of the first.
fn evaluate(typed: TypedExpr, columns: &Columns, ctx: &ExprContext) -> Result<String, String> {
    evaluate_at(typed, columns, ctx, &EvalContext::default())
}

fn evaluate_at(
    typed: TypedExpr,
    columns: &Columns,
    ctx: &ExprContext,
    now: &EvalContext,
) -> Result<String, String> {
    let text = crate::cast(typed, TypeRoot::string().nullable(), false, ctx)
        .map_err(|error| error.to_string())?;
    let expression = crate::lower(&text, ctx).map_err(|error| error.to_string())?;
    let array = expression.run.evaluate(&batch(columns), now).map_err(|error| error.to_string())?;
    let texts = array.as_string::<i32>();
    assert_eq!(texts.len(), 2, "a value a row");
    let value = |row: usize| if texts.is_null(row) { "NULL" } else { texts.value(row) };
    assert_eq!(value(0), value(1), "equal rows, equal values");
    Ok(value(0).to_owned())
}

fn batch(columns: &Columns) -> RecordBatch {
    let fields: Vec<ArrowField> = columns
        .arrays
        .iter()
        .enumerate()
        .map(|(index, array)| ArrowField::new(format!("c{index}"), array.data_type().clone(), true))
        .collect();
    let arrays: Vec<ArrayRef> = columns.arrays.clone();
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .expect("columns of two rows")
}

fn outcome(text: &str, ctx: &ExprContext, mut leaves: Leaves) -> String {
    let result = language::parse(text, ctx, &mut leaves).and_then(|typed| match &leaves {
        Leaves::Constants => evaluate(typed, &Columns::default(), ctx),
        Leaves::Columns(columns) => evaluate(typed, columns, ctx),
    });
    result.unwrap_or_else(|error| format!("error: {error}"))
}

/// Constant and column agree on `expected`; an error is `error: ` and a part of it.
#[track_caller]
fn check_in(ctx: &ExprContext, rows: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, expected) in rows {
        let folded = outcome(text, ctx, Leaves::Constants);
        let fed = outcome(text, ctx, Leaves::Columns(Columns::default()));
        for (how, found) in [("folded", folded), ("as columns", fed)] {
            if !agrees(&found, expected) {
                wrong.push(format!("{text} {how}: expected {expected}, found {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn agrees(found: &str, expected: &str) -> bool {
    match expected.strip_prefix("error: ") {
        Some(part) => found.starts_with("error: ") && found.contains(part),
        None => found == expected,
    }
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    check_in(&context(), rows);
}

/// As [`check`] with constants only: what differs by section C.8.
#[track_caller]
fn check_folded(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        let found = outcome(text, &context(), Leaves::Constants);
        assert!(agrees(&found, expected), "{text}: expected {expected}, found {found}");
    }
}

/// The type of each expression, as Flink prints it.
#[track_caller]
fn check_types(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        let found = match type_text(text, &context()) {
            Ok(data_type) => data_type.to_string(),
            Err(error) => format!("error: {error}"),
        };
        assert!(agrees(&found, expected), "{text}: expected {expected}, found {found}");
    }
}
