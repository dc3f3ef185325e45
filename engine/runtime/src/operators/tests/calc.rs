//! Filter and projection.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch};
use arrow::datatypes::Int32Type;
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::Operator as Node;
use millrace_dataflow::{EvalContext, EvalError, Evaluate, Expression};

use super::stage::{Spec, Stage, check};
use super::text::{self, data_type, schema};

/// Expressions over column 1, an INT.
#[derive(Clone, Copy, Debug)]
enum Test {
    Positive,
    HundredOver,
}

impl Evaluate for Test {
    fn evaluate(&self, batch: &RecordBatch, _: &EvalContext) -> Result<ArrayRef, EvalError> {
        let column = batch.column(1).as_primitive::<Int32Type>();
        if let Test::Positive = self {
            let positive: BooleanArray = column.iter().map(|v| v.map(|v| v > 0)).collect();
            return Ok(Arc::new(positive));
        }
        let divided = column.iter().map(|value| match value {
            Some(0) => Err(EvalError::new("division by zero")),
            value => Ok(value.map(|value| 100 / value)),
        });
        Ok(Arc::new(divided.collect::<Result<Int32Array, _>>()?))
    }
}

fn computed(test: Test, type_name: &str) -> Expression {
    let (run, data_type) = (Arc::new(test), data_type(type_name));
    Expression { run, data_type, digest: format!("{test:?}"), column: None }
}

pub fn column(index: usize, type_name: &str) -> Expression {
    let run = Arc::new(Test::Positive);
    let data_type = data_type(type_name);
    Expression { run, data_type, digest: format!("${index}"), column: Some(index) }
}

fn spec(filter: bool, project: Vec<Expression>, output: &str) -> Spec {
    Spec {
        node: Node::Calc { filter: filter.then(|| computed(Test::Positive, "BOOLEAN")), project },
        inputs: vec![schema("k STRING, v INT")],
        output: schema(output),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0]],
    }
}

#[test]
fn columns_only() {
    let swapped = vec![column(1, "INT"), column(0, "STRING")];
    let spec = spec(true, swapped, "v INT, k STRING");
    check(
        &spec,
        "rows +I[a, 1] +I[b, 2]
         => +I[1, a] +I[2, b]
         rows +I[a, 0] -U[b, 2] +U[b, -3] +I[c, NULL]
         => -U[2, b]
         rows +I[a, 0]
         =>",
    );
}

#[test]
fn c7_3_a_failing_row_fails_the_job_unless_it_was_filtered_out() {
    let project = || vec![column(0, "STRING"), computed(Test::HundredOver, "INT")];
    let output = "k STRING, q INT";
    check(&spec(true, project(), output), "rows +I[a, 0] +I[b, 4] \n => +I[b, 25]");
    let unfiltered = spec(false, project(), output);
    let batch = text::batch(&unfiltered.inputs[0], "+I[a, 0]");
    let failed = Stage::new(&unfiltered).try_batch(0, &batch);
    let message = format!("{:?}", failed.expect_err("division by zero"));
    assert!(message.contains("division by zero"), "{message}");
}
