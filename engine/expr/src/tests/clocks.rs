use millrace_dataflow::EvalContext;

use super::language::{self, Columns};
use super::{Leaves, context, evaluate_at, in_zone};
use crate::typed::ExprContext;

#[track_caller]
fn check_at(ctx: &ExprContext, now: &EvalContext, rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        let typed = language::parse(text, ctx, &mut Leaves::Constants).expect("a call");
        let found = evaluate_at(typed, &Columns::default(), ctx, now).expect("a value");
        assert_eq!(found, *expected, "{text}");
    }
}

/// 2020-01-01 20:00:00.123 UTC.
fn evening() -> EvalContext {
    EvalContext { processing_time_ms: 1_577_908_800_123, watermark_ms: Some(1_577_908_800_000) }
}

#[test]
fn d4_1_the_clock_comes_from_the_context() {
    check_at(
        &in_zone("Asia/Shanghai"),
        &evening(),
        &[
            ("PROCTIME()", "2020-01-02 04:00:00.123"),
            ("NOW()", "2020-01-02 04:00:00.123"),
            ("CURRENT_TIMESTAMP()", "2020-01-02 04:00:00.123"),
            ("CURRENT_ROW_TIMESTAMP()", "2020-01-02 04:00:00.123"),
            ("LOCALTIMESTAMP()", "2020-01-02 04:00:00.123"),
            ("CURRENT_DATE()", "2020-01-02"),
            ("CURRENT_TIME()", "04:00:00"),
            ("LOCALTIME()", "04:00:00"),
            ("UNIX_TIMESTAMP()", "1577908800"),
            ("EXTRACT(HOUR, NOW())", "4"),
            ("IF(>(NOW(), LTZ '2020-01-01 00:00:00'), 'later', 'earlier')", "later"),
        ],
    );
}

#[test]
fn d4_5_the_watermark_is_null_before_the_first() {
    let text = "CURRENT_WATERMARK(LTZ '2020-01-01 00:00:00')";
    check_at(&context(), &evening(), &[(text, "2020-01-01 20:00:00.000")]);
    check_at(&context(), &EvalContext::default(), &[(text, "NULL")]);
}

#[test]
fn d4_2_types() {
    super::check_types(&[
        ("PROCTIME()", "TIMESTAMP_LTZ(3) NOT NULL"),
        ("NOW()", "TIMESTAMP_LTZ(3) NOT NULL"),
        ("LOCALTIMESTAMP()", "TIMESTAMP(3) NOT NULL"),
        ("UNIX_TIMESTAMP()", "BIGINT NOT NULL"),
        ("CURRENT_WATERMARK(TIMESTAMP '2020-01-01 00:00:00')", "TIMESTAMP(3)"),
    ]);
}
