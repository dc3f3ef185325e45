use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType as ArrowType, Field, Schema, TimeUnit};
use millrace_dataflow::{EvalContext, Expression, TypeRoot};

use super::context;
use super::language::parse_type;
use crate::typed::{Literal, TypedExpr};

fn format_by(pattern: &str) -> Expression {
    let time = TypedExpr::column(0, parse_type("TIMESTAMP(3)"));
    let length = pattern.len() as u32;
    let pattern = Literal::String(pattern.to_owned());
    let pattern = TypedExpr::literal(pattern, TypeRoot::Char(length).not_null());
    let call = crate::call("DATE_FORMAT", vec![time, pattern], &context()).expect("well typed");
    crate::lower(&call, &context()).expect("lowers")
}

fn texts(expression: &Expression, times: Vec<Option<i64>>) -> Vec<Option<String>> {
    let kind = ArrowType::Timestamp(TimeUnit::Millisecond, None);
    let schema = Schema::new(vec![Field::new("t", kind, true)]);
    let array: ArrayRef = Arc::new(TimestampMillisecondArray::from(times));
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array]).expect("one column");
    let made = expression.run.evaluate(&batch, &EvalContext::default()).expect("texts");
    made.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

/// Times before and after 1970, neighbours and jumps: each has the text that it has alone.
#[test]
fn d4_12_a_column_is_formatted_as_its_rows_are() {
    let day = 86_400_000;
    let near = [-1, 0, 1, 999, 1000, 59_999, 60_000, day - 1, day, -day, -day - 1];
    let mut times: Vec<Option<i64>> = near.into_iter().map(Some).collect();
    times.push(None);
    times.extend((0..200).map(|at: i64| Some(at * 7_919 * 997 % (3 * day) - day)));
    times.extend((0..200).map(|at| Some(1_581_253_445_678 + at * 313)));
    for pattern in ["yyyy-MM-dd", "HH:mm", "yyyy-MM-dd HH:mm:ss", "ss.SSS", "a", "''d''"] {
        let expression = format_by(pattern);
        let alone = times.iter().flat_map(|time| texts(&format_by(pattern), vec![*time]));
        assert_eq!(texts(&expression, times.clone()), alone.collect::<Vec<_>>(), "{pattern}");
    }
}
