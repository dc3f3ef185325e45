use super::{check, check_types};

#[test]
fn c7_1_integers_wrap() {
    check(&[
        ("+(2147483647, 1)", "-2147483648"),
        ("-(CAST(-128 AS TINYINT), CAST(1 AS TINYINT))", "127"),
        ("*(2147483647, 2)", "-2"),
        ("+(9223372036854775807, 1)", "-9223372036854775808"),
        ("ABS(CAST(-128 AS TINYINT))", "-128"),
        ("NEGATE(CAST(-32768 AS SMALLINT))", "-32768"),
        ("/(-2147483648, -1)", "-2147483648"),
    ]);
}

#[test]
fn c7_2_integer_division_truncates() {
    check(&[
        ("/(7, 2)", "3"),
        ("/(-7, 2)", "-3"),
        ("%(-7, 2)", "-1"),
        ("%(7, -2)", "1"),
        ("MOD(7, 3)", "1"),
        ("%(7.5, 2.0)", "1.5"),
        ("%(3000000000, 7)", "4"),
    ]);
}

#[test]
fn c7_3_division_by_zero_fails_for_exact_numbers() {
    check(&[
        ("/(1, 0)", "error: Division by zero"),
        ("%(1, 0)", "error: Division by zero"),
        ("/(1.0, 0.0)", "error: Division by zero"),
        ("%(1.0, 0.0)", "error: Division by zero"),
        ("/(1e0, 0e0)", "Infinity"),
        ("/(-1e0, 0e0)", "-Infinity"),
        ("/(0e0, 0e0)", "NaN"),
        ("/(NULL:INT, 0)", "NULL"),
    ]);
}

#[test]
fn c4_decimal_result_types() {
    check_types(&[
        ("+(1.25, 1.5)", "DECIMAL(4, 2) NOT NULL"),
        ("*(1.25, 1.5)", "DECIMAL(6, 3) NOT NULL"),
        ("/(1.25, 1.5)", "DECIMAL(8, 6) NOT NULL"),
        ("%(CAST(1 AS DECIMAL(5,2)), CAST(1 AS DECIMAL(4,2)))", "DECIMAL(4, 2) NOT NULL"),
        ("*(CAST(1 AS DECIMAL(38,10)), CAST(1 AS DECIMAL(38,10)))", "DECIMAL(38, 6) NOT NULL"),
        ("*(0.5, 2)", "DECIMAL(12, 1) NOT NULL"),
        ("+(CAST(1 AS DECIMAL(3,1)), 1)", "DECIMAL(12, 1) NOT NULL"),
        ("+(1, 1e0)", "DOUBLE NOT NULL"),
        ("+(1, CAST(1 AS FLOAT))", "FLOAT NOT NULL"),
        ("+(1.0, CAST(1 AS FLOAT))", "DOUBLE NOT NULL"),
        ("+(CAST(1 AS TINYINT), CAST(1 AS TINYINT))", "TINYINT NOT NULL"),
        ("+(NULL:INT, 1)", "INT"),
        ("%(3000000000, 7)", "INT NOT NULL"),
        ("ROUND(CAST(1 AS DECIMAL(10,4)), 2)", "DECIMAL(9, 2) NOT NULL"),
        ("ROUND(CAST(1 AS DECIMAL(10,4)), -1)", "DECIMAL(7, 0) NOT NULL"),
        ("ROUND(CAST(1 AS DECIMAL(10,4)), 6)", "DECIMAL(10, 4) NOT NULL"),
    ]);
}

#[test]
fn c4_9_decimals_round_half_up_and_overflow_to_null() {
    check(&[
        ("+(1.25, 1.5)", "2.75"),
        ("-(0.1, 0.25)", "-0.15"),
        ("*(1.25, 1.5)", "1.875"),
        ("/(1.0, 3.0)", "0.333333"),
        ("/(2.0, 3.0)", "0.666667"),
        ("/(-2.0, 3.0)", "-0.666667"),
        (
            "*(CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0)), \
              CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0)))",
            "NULL",
        ),
        (
            "*(CAST('0.5' AS DECIMAL(38,30)), CAST('0.5' AS DECIMAL(38,30)))",
            "0.250000000000000000000",
        ),
        ("CAST(1.005 AS DECIMAL(5,2))", "1.01"),
        ("CAST(-1.005 AS DECIMAL(5,2))", "-1.01"),
        ("CAST(12345 AS DECIMAL(3,0))", "NULL"),
        ("+(CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0)), 1)", "NULL"),
        ("-(CAST('9999999999999999999999999999999999.9999' AS DECIMAL(38,4)), 0.00001)", "NULL"),
        ("/(CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0)), 3)", "NULL"),
        (
            "*(CAST('1234567890.1234567890' AS DECIMAL(38,10)), \
              CAST('1000000000' AS DECIMAL(38,10)))",
            "1234567890123456789.000000",
        ),
        (
            "/(CAST('1234567890.123456789' AS DECIMAL(38,20)), CAST('3' AS DECIMAL(38,20)))",
            "411522630.041152",
        ),
        ("*(1.000, 0.908)", "0.908000"),
        ("CAST('0e2000000000' AS DECIMAL(3,0))", "0"),
        ("CAST('1e2000000000' AS DECIMAL(3,0))", "error: "),
        ("CAST('1e-2000000000' AS DECIMAL(3,0))", "0"),
    ]);
}

#[test]
fn d2_7_round_goes_away_from_zero() {
    check(&[
        ("ROUND(2.5e0)", "3.0"),
        ("ROUND(-2.5e0)", "-3.0"),
        ("ROUND(2.55, #1)", "2.6"),
        ("ROUND(1.005e0, 2)", "1.01"),
        ("ROUND(1234.567e0, -2)", "1200.0"),
        ("ROUND(155, -1)", "160"),
        ("ROUND(-155, -1)", "-160"),
        ("ROUND(12.345, #-1)", "10"),
        ("ROUND(99.99, #1)", "100.0"),
        ("ROUND(NULL:INT)", "NULL"),
        ("ROUND(CAST(1.25 AS FLOAT), 1)", "1.3"),
        ("TRUNCATE(42.324, #2)", "42.32"),
        ("TRUNCATE(-42.329, #2)", "-42.32"),
        ("TRUNCATE(42.9e0)", "42.0"),
        ("TRUNCATE(155, -1)", "150"),
    ]);
}

#[test]
fn d2_6_floor_and_ceil_keep_the_type() {
    check(&[
        ("FLOOR(1.5)", "1"),
        ("FLOOR(-1.5)", "-2"),
        ("CEIL(1.5)", "2"),
        ("CEILING(-1.5)", "-1"),
        ("CEIL(1.2e0)", "2.0"),
        ("FLOOR(3)", "3"),
    ]);
    check_types(&[
        ("FLOOR(1.5)", "DECIMAL(2, 0) NOT NULL"),
        ("CEIL(1e0)", "DOUBLE NOT NULL"),
        ("FLOOR(1)", "INT NOT NULL"),
    ]);
}

#[test]
fn d2_4_powers_and_logarithms() {
    check(&[
        ("POWER(2, 10)", "1024.0"),
        ("SQRT(-1)", "NaN"),
        ("SQRT(2)", "1.4142135623730951"),
        ("LN(-1)", "NaN"),
        ("LN(0)", "-Infinity"),
        ("LOG(0)", "-Infinity"),
        ("LOG(1, 5)", "Infinity"),
        ("LOG(2, 8)", "3.0"),
        ("LOG10(1000)", "3.0"),
        ("LOG2(8)", "3.0"),
        ("EXP(0)", "1.0"),
        ("PI()", "3.141592653589793"),
        ("E()", "2.718281828459045"),
        ("DEGREES(PI())", "180.0"),
        ("ATAN2(1, 1)", "0.7853981633974483"),
    ]);
}

#[test]
fn d2_9_sign_and_number_texts() {
    check(&[
        ("SIGN(-5)", "-1"),
        ("SIGN(-1.50)", "-1.00"),
        ("SIGN(2e0)", "1.0"),
        ("ABS(-1.5)", "1.5"),
        ("BIN(4)", "100"),
        ("BIN(-1)", "1111111111111111111111111111111111111111111111111111111111111111"),
        ("HEX(255)", "FF"),
        ("HEX(-1)", "FFFFFFFFFFFFFFFF"),
        ("HEX('hello')", "68656C6C6F"),
    ]);
}

#[test]
fn c6_1_times_move_by_intervals() {
    check(&[
        ("+(TIMESTAMP '2020-01-31 10:00:00', INTERVAL '1' MONTH)", "2020-02-29 10:00:00"),
        ("+(TIMESTAMP '2021-01-31 10:00:00', INTERVAL '1' MONTH)", "2021-02-28 10:00:00"),
        ("-(TIMESTAMP '2020-03-31 10:00:00', INTERVAL '1' MONTH)", "2020-02-29 10:00:00"),
        ("+(INTERVAL '1' HOUR, TIMESTAMP '2020-01-01 23:30:00')", "2020-01-02 00:30:00"),
        (
            "-(TIMESTAMP '2020-01-01 00:00:00.000', INTERVAL '1' MILLISECOND)",
            "2019-12-31 23:59:59.999",
        ),
        (
            "-(TIMESTAMP '2020-01-01 00:00:00.123456', INTERVAL '1' SECOND)",
            "2019-12-31 23:59:59.123456",
        ),
        (
            "+(TIMESTAMP '2020-01-01 00:00:00.123456789', INTERVAL '1' DAY)",
            "2020-01-02 00:00:00.123456789",
        ),
        ("-(LTZ '2020-01-01 00:00:00', INTERVAL '4' SECOND)", "2019-12-31 23:59:56.000"),
        ("+(DATE '2020-01-31', INTERVAL '1' MONTH)", "2020-02-29"),
        ("-(DATE '2020-03-01', INTERVAL '1' DAY)", "2020-02-29"),
        ("+(TIMESTAMP '2020-01-01 00:00:00', NULL:MILLIS)", "NULL"),
    ]);
    check_types(&[
        ("+(TIMESTAMP '2020-01-31 10:00:00.000', INTERVAL '1' MONTH)", "TIMESTAMP(3) NOT NULL"),
        ("+(LTZ '2020-01-31 10:00:00', INTERVAL '1' DAY)", "TIMESTAMP_LTZ(3) NOT NULL"),
    ]);
}

#[test]
fn c6_2_the_difference_of_two_timestamps_is_refused() {
    check(&[(
        "-(TIMESTAMP '2020-01-31 10:00:00', TIMESTAMP '2020-01-31 10:00:00')",
        "error: use TIMESTAMPDIFF",
    )]);
}

#[test]
fn c6_3_time_wraps_at_24_hours() {
    check(&[
        ("+(TIME '23:30:00', INTERVAL '1' HOUR)", "00:30:00"),
        ("-(TIME '00:30:00', INTERVAL '1' HOUR)", "23:30:00"),
    ]);
}

#[test]
fn c6_4_interval_arithmetic() {
    check(&[
        ("+(INTERVAL '1' DAY, INTERVAL '2' HOUR)", "+1 02:00:00.000"),
        ("-(INTERVAL '1' MONTH, INTERVAL '1' YEAR)", "-0-11"),
        ("*(INTERVAL '1' DAY, 3)", "+3 00:00:00.000"),
        ("*(3, INTERVAL '2' MONTH)", "+0-06"),
        ("*(INTERVAL '1' DAY, 1.5)", "+1 12:00:00.000"),
        ("/(INTERVAL '1' DAY, 2)", "+0 12:00:00.000"),
        ("NEGATE(INTERVAL '5' DAY)", "-5 00:00:00.000"),
    ]);
}

#[test]
fn c3_14_numbers_and_strings_do_not_mix() {
    check(&[
        ("+(1, '1')", "error: it takes a number"),
        ("||('a', 1)", "error: it takes a character string"),
        ("CONCAT('a', 1)", "error: it takes a character string"),
    ]);
}

#[test]
fn d2_11_a_seeded_sequence_is_javas() {
    use super::{Leaves, context, language};
    use arrow::array::AsArray;
    use arrow::array::types::{Float64Type, Int32Type};
    use millrace_dataflow::EvalContext;

    let run = |text: &str| {
        let typed = language::parse(text, &context(), &mut Leaves::Constants).expect("a call");
        let expression = crate::lower(&typed, &context()).expect("runs");
        let batch = super::batch(&language::Columns::default());
        let first = expression.run.evaluate(&batch, &EvalContext::default()).expect("a number");
        let second = expression.run.evaluate(&batch, &EvalContext::default()).expect("a number");
        (first, second)
    };
    let (first, second) = run("RAND(1)");
    let (first, second) =
        (first.as_primitive::<Float64Type>(), second.as_primitive::<Float64Type>());
    assert_eq!(first.value(0), 0.730_878_190_703_290_9);
    assert_eq!(first.value(1), 0.410_080_811_492_201_66);
    assert_ne!(second.value(0), first.value(0), "the sequence goes on in the next batch");
    let (first, _) = run("RAND_INTEGER(5, 10)");
    assert_eq!(first.as_primitive::<Int32Type>().value(0), 7);
}
