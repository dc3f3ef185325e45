use std::sync::Arc;

use arrow::array::types::Int32Type;
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use millrace_dataflow::{DataType, EvalContext, TypeRoot};

use super::language::{self, parse_type};
use super::{Leaves, context};
use crate::typed::{Literal, TypedExpr};

fn column(index: usize, text: &str) -> TypedExpr {
    TypedExpr::column(index, parse_type(text))
}

fn int(value: i64) -> TypedExpr {
    TypedExpr::literal(Literal::Integer(value), TypeRoot::Int.not_null())
}

fn call(name: &str, arguments: Vec<TypedExpr>) -> TypedExpr {
    crate::call(name, arguments, &context()).expect("well typed")
}

fn ints(values: Vec<Option<i32>>) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("x", ArrowType::Int32, true)]);
    let array: ArrayRef = Arc::new(Int32Array::from(values));
    RecordBatch::try_new(Arc::new(schema), vec![array]).expect("one column")
}

#[test]
fn a_column_is_passed_through() {
    let expression = crate::lower(&column(0, "INT"), &context()).expect("a column");
    assert_eq!(expression.column, Some(0));
    let batch = ints(vec![Some(1), None]);
    let result = expression.run.evaluate(&batch, &EvalContext::default()).expect("the column");
    assert!(Arc::ptr_eq(&result, batch.column(0)), "the same array, not a copy");
}

#[test]
fn digests_tell_meanings_apart() {
    for (typed, expected) in [
        (call("+", vec![column(0, "INT"), int(1)]), "+($0, 1)"),
        (call("+", vec![column(0, "BIGINT"), int(1)]), "+($0, CAST(1):BIGINT)"),
        (
            crate::cast(column(2, "INT"), parse_type("STRING"), false, &context()).expect("casts"),
            "CAST($2):STRING",
        ),
        (
            crate::cast(column(2, "STRING"), parse_type("INT"), true, &context()).expect("casts"),
            "TRY_CAST($2):INT",
        ),
        (crate::field(column(0, "ROW<a INT, b STRING>"), "b").expect("a field"), "$0.b"),
        (
            TypedExpr::literal(Literal::String("it's".into()), TypeRoot::Char(4).not_null()),
            "'it''s'",
        ),
        (
            TypedExpr::literal(Literal::String("x".into()), TypeRoot::string().not_null()),
            "'x':STRING",
        ),
        (TypedExpr::literal(Literal::Null, TypeRoot::Int.nullable()), "null:INT"),
        (
            TypedExpr::literal(Literal::Integer(5), TypeRoot::IntervalDayTime.not_null()),
            "5:INTERVAL DAY TO SECOND(3)",
        ),
        (call("BETWEEN", vec![column(0, "INT"), int(1), int(2)]), "AND(>=($0, 1), <=($0, 2))"),
    ] {
        assert_eq!(crate::lower(&typed, &context()).expect("lowers").digest, expected);
    }
}

/// A guard over real rows: each row that is not taken would fail.
#[test]
fn c7_3_a_guarded_division_runs_only_where_it_may() {
    let x = || column(0, "INT");
    let division = || call("/", vec![int(100), x()]);
    let zero = || call("=", vec![x(), int(0)]);
    let batch = ints(vec![Some(5), Some(0), None, Some(-4)]);
    let expected = Int32Array::from(vec![Some(20), Some(-1), None, Some(-25)]);
    for guarded in [
        call("CASE", vec![zero(), int(-1), division()]),
        call(
            "CASE",
            vec![
                call("<>", vec![x(), int(0)]),
                division(),
                zero(),
                int(-1),
                call("NULLIF", vec![int(1), int(1)]),
            ],
        ),
        call(
            "COALESCE",
            vec![
                call("IF", vec![zero(), int(-1), call("NULLIF", vec![int(1), int(1)])]),
                division(),
            ],
        ),
    ] {
        let expression = crate::lower(&guarded, &context()).expect("lowers");
        let result =
            expression.run.evaluate(&batch, &EvalContext::default()).expect("no division by zero");
        assert_eq!(result.as_primitive::<Int32Type>(), &expected, "{}", expression.digest);
    }
    let both =
        call("AND", vec![call("<>", vec![x(), int(0)]), call(">", vec![division(), int(0)])]);
    let expression = crate::lower(&both, &context()).expect("lowers");
    let result = expression.run.evaluate(&batch, &EvalContext::default()).expect("short-circuits");
    let found: Vec<Option<bool>> = result.as_boolean().iter().collect();
    assert_eq!(found, [Some(true), Some(false), None, Some(false)]);
    let plain = crate::lower(&division(), &context()).expect("lowers");
    let error = plain.run.evaluate(&batch, &EvalContext::default()).expect_err("a row has zero");
    assert_eq!(error.message, "Division by zero");
}

#[test]
fn an_empty_batch_gives_an_empty_column() {
    for text in ["CASE", "COALESCE", "+", "IN"] {
        let arguments = match text {
            "CASE" => vec![call("=", vec![column(0, "INT"), int(0)]), int(1), int(2)],
            _ => vec![column(0, "INT"), int(1)],
        };
        let expression = crate::lower(&call(text, arguments), &context()).expect("lowers");
        let result = expression.run.evaluate(&ints(vec![]), &EvalContext::default()).expect("runs");
        assert_eq!(result.len(), 0, "{text}");
        assert_eq!(result.data_type(), &expression.data_type.to_arrow(), "{text}");
    }
}

#[test]
fn a_member_of_a_null_row_is_null() {
    let typed =
        language::parse("CAST(NULL AS ROW<x INT, y STRING>).x", &context(), &mut Leaves::Constants)
            .expect("typed");
    assert!(typed.data_type.nullable);
    let expression = crate::lower(&typed, &context()).expect("lowers");
    let result =
        expression.run.evaluate(&ints(vec![Some(1)]), &EvalContext::default()).expect("runs");
    assert!(result.is_null(0));
}

#[test]
fn a_failing_constant_is_an_error_of_the_script() {
    let error = crate::lower(&call("/", vec![int(1), int(0)]), &context()).expect_err("no value");
    assert_eq!(error.message, "Division by zero");
}

fn implicit(from: &str, to: &str) -> Option<DataType> {
    let to = parse_type(to);
    crate::implicit_cast(column(0, from), &to, &context()).map(|typed| typed.data_type)
}

#[test]
fn c3_1_to_c3_11_what_insert_casts_by_itself() {
    for (from, to, allowed) in [
        ("INT", "BIGINT", true),
        ("BIGINT", "INT", false),
        ("INT", "STRING", false),
        ("STRING", "INT", false),
        ("DECIMAL(5,2)", "INT", false),
        ("INT", "DECIMAL(10,0)", true),
        ("INT", "FLOAT", true),
        ("DOUBLE", "FLOAT", false),
        ("DECIMAL(5,2)", "FLOAT", true),
        ("FLOAT", "DOUBLE", true),
        ("CHAR(3)", "STRING", true),
        ("STRING", "CHAR(3)", false),
        ("STRING", "VARCHAR(2)", true),
        ("BYTES", "BINARY(3)", false),
        ("BINARY(3)", "BYTES", true),
        ("TIMESTAMP(3)", "DATE", true),
        ("DATE", "TIMESTAMP(3)", false),
        ("TIMESTAMP(3)", "LTZ(3)", true),
        ("LTZ(3)", "TIMESTAMP(6)", true),
        ("ARRAY<INT>", "ARRAY<BIGINT>", true),
        ("ARRAY<BIGINT>", "ARRAY<INT>", false),
        ("ROW<a INT>", "ROW<b BIGINT>", true),
        ("MAP<STRING, INT>", "MAP<STRING, STRING>", false),
    ] {
        assert_eq!(implicit(from, to).is_some(), allowed, "{from} into {to}");
    }
    assert_eq!(
        implicit("INT NOT NULL", "BIGINT").map(|t| t.to_string()).as_deref(),
        Some("BIGINT NOT NULL")
    );
}

#[test]
fn c3_19_to_c3_22_common_types() {
    for (types, expected) in [
        (&["INT", "DECIMAL(3,1)"][..], Some("DECIMAL(11, 1)")),
        (&["INT NOT NULL", "BIGINT NOT NULL"], Some("BIGINT NOT NULL")),
        (&["INT", "FLOAT"], Some("FLOAT")),
        (&["DECIMAL(3,1)", "FLOAT"], Some("DOUBLE")),
        (&["CHAR(2)", "CHAR(5)"], Some("VARCHAR(5)")),
        (&["TIMESTAMP(3)", "TIMESTAMP(6)"], Some("TIMESTAMP(6)")),
        (&["ARRAY<INT>", "ARRAY<BIGINT>"], Some("ARRAY<BIGINT>")),
        (&["STRING", "INT"], None),
        (&["BOOLEAN", "INT"], None),
    ] {
        let parsed: Vec<DataType> = types.iter().map(|text| parse_type(text)).collect();
        let found = crate::common_type(&parsed).map(|t| t.to_string());
        assert_eq!(found.as_deref(), expected, "{types:?}");
    }
}
