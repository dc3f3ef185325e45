use millrace_dataflow::{RuntimeLevel, TypeRoot};

use super::{check, check_in, context};

#[test]
fn an_unknown_function_is_refused_with_the_nearest_names() {
    check(&[
        ("SUBSTRIN('a', 1)", "error: no function is named SUBSTRIN; did you mean SUBSTRING"),
        ("FROBNICATE(1)", "error: no function is named FROBNICATE"),
    ]);
}

#[test]
fn a_newer_function_is_refused_with_its_version() {
    check(&[
        (
            "ARRAY_MIN(ARRAY(1))",
            "error: ARRAY_MIN was introduced in Flink 1.19; the application's runtime is FLINK-1_18",
        ),
        ("ARRAY_SORT(ARRAY(1))", "error: introduced in Flink 1.20"),
        ("STARTSWITH('a', 'b')", "error: introduced in Flink 2.0"),
    ]);
    let mut oldest = context();
    oldest.level = RuntimeLevel::Flink1_15;
    check_in(
        &oldest,
        &[
            (
                "ARRAY_CONCAT(ARRAY(1))",
                "error: introduced in Flink 1.18; the application's runtime is FLINK-1_15",
            ),
            ("UPPER('a')", "A"),
        ],
    );
}

#[test]
fn a_known_function_that_does_not_run_here_says_so() {
    check(&[("UUID()", "error: UUID is not offered by the embedded engine yet")]);
}

#[test]
fn arity_is_checked() {
    check(&[
        ("UPPER('a', 'b')", "error: UPPER takes 1 arguments, not 2"),
        ("SUBSTRING('a')", "error: SUBSTRING takes 2 to 3 arguments, not 1"),
        ("ROW()", "error: ROW takes at least 1 arguments, not 0"),
    ]);
}

#[test]
fn names_match_in_any_case() {
    check(&[("upper('a')", "A"), ("Char_Length('abc')", "3")]);
}

#[test]
fn an_error_names_the_argument_at_fault() {
    use crate::typed::{Literal, TypedExpr};
    let one = TypedExpr::literal(Literal::Integer(1), TypeRoot::Int.not_null());
    let error = crate::call("UPPER", vec![one], &context()).expect_err("an INT has no case");
    assert_eq!(error.argument, Some(0));
    assert_eq!(error.message, "UPPER does not take INT as argument 1; it takes a character string");
}
