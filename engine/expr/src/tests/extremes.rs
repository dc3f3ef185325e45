//! Whatever the values, a function gives a value or an error, and never panics.

use millrace_dataflow::{EvalContext, RuntimeLevel};

use super::language::{self, Columns};
use super::{Leaves, batch, context};
use crate::functions::TABLES;
use crate::typed::ExprContext;

const POOL: &[&str] = &[
    "0",
    "1",
    "-1",
    "40",
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "NEGATE(9223372036854775807)",
    "CAST(-128 AS TINYINT)",
    "CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0))",
    "CAST('-0.99999999999999999999999999999999999999' AS DECIMAL(38,38))",
    "1e308",
    "-1e308",
    "CAST('NaN' AS DOUBLE)",
    "CAST('Infinity' AS FLOAT)",
    "''",
    "'é𝄞'",
    "'2020-02-30 25:61:61'",
    "'yyyy-MM-dd''T''HH[:mm'",
    "'[('",
    "'%_\\'",
    "'$.a[*]..b'",
    "'{\"a\":[1,null]}'",
    "'UTF-16'",
    "TRUE",
    "X'FF00'",
    "DATE '0000-01-01'",
    "CAST(CAST('9999-12-31' AS DATE) AS TIMESTAMP(0))",
    "TIMESTAMP '0001-01-01 00:00:00'",
    "TIMESTAMP '9999-12-31 23:59:59.999999'",
    "LTZ '9999-12-31 23:59:59'",
    "TIME '23:59:59'",
    "INTERVAL '2147483' MONTH",
    "INTERVAL '9223372036' DAY",
    "NULL",
    "NULL:STRING",
    "ARRAY(1, NULL:INT)",
    "ARRAY('a', '')",
    "MAP('a', 1)",
    "ROW(1, 'a')",
    "DAY",
    "MONTH",
    "CENTURY",
    "LEADING",
];

/// A linear congruential generator: the same calls every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn run(text: &str, ctx: &ExprContext, mut leaves: Leaves) -> bool {
    let Ok(typed) = language::parse(text, ctx, &mut leaves) else { return false };
    let Ok(expression) = crate::lower(&typed, ctx) else { return false };
    let none = Columns::default();
    let columns = if let Leaves::Columns(columns) = &leaves { columns } else { &none };
    let now = EvalContext { processing_time_ms: i64::MAX, watermark_ms: Some(i64::MIN) };
    expression.run.evaluate(&batch(columns), &now).is_ok()
}

#[test]
fn no_function_panics_on_extreme_values() {
    let mut dice = Dice(1);
    let ctx =
        ExprContext { level: RuntimeLevel::Flink1_20, time_zone: "America/Sao_Paulo".to_owned() };
    let mut values = 0;
    for function in TABLES.iter().flat_map(|table| table.iter()) {
        let spread = function.most.min(4).saturating_sub(function.least) + 1;
        for _ in 0..400 {
            let count = function.least + dice.below(spread);
            let arguments: Vec<&str> = (0..count).map(|_| POOL[dice.below(POOL.len())]).collect();
            let text = format!("{}({})", function.name, arguments.join(", "));
            values += usize::from(run(&text, &ctx, Leaves::Constants));
            values += usize::from(run(&text, &ctx, Leaves::Columns(Columns::default())));
        }
    }
    assert!(values > 5_000, "only {values} calls gave a value");
}

#[test]
fn no_cast_panics_on_extreme_values() {
    let ctx = context();
    let mut values = 0;
    for from in POOL {
        for to in [
            "BOOLEAN",
            "TINYINT",
            "BIGINT",
            "FLOAT",
            "DOUBLE",
            "DECIMAL(38,0)",
            "DECIMAL(38,38)",
            "DECIMAL(1,1)",
            "CHAR(3)",
            "STRING",
            "BINARY(4)",
            "BYTES",
            "DATE",
            "TIME",
            "TIMESTAMP(0)",
            "TIMESTAMP(9)",
            "LTZ(3)",
            "ARRAY<STRING>",
            "MAP<STRING, STRING>",
            "ROW<x STRING, y STRING>",
        ] {
            for name in ["CAST", "TRY_CAST"] {
                let text = format!("{name}({from} AS {to})");
                values += usize::from(run(&text, &ctx, Leaves::Constants));
                values += usize::from(run(&text, &ctx, Leaves::Columns(Columns::default())));
            }
        }
    }
    assert!(values > 500, "only {values} casts gave a value");
}
