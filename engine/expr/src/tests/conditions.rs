use super::{check, check_types};

#[test]
fn d5_1_case_finds_a_common_type() {
    check(&[
        ("CASE(TRUE, 1, 2)", "1"),
        ("CASE(NULL:BOOLEAN, 1, 2)", "2"),
        ("CASE(FALSE, 1)", "NULL"),
        ("CASE(FALSE, 'a', =(1, 1), 'bcd', 'e')", "bcd"),
        ("CASE(TRUE, 1, 2.5)", "1.0"),
        ("CASE(TRUE, NULL, 2)", "NULL"),
    ]);
    check_types(&[
        ("CASE(TRUE, 1, 2)", "INT NOT NULL"),
        ("CASE(TRUE, 1)", "INT"),
        ("CASE(TRUE, 'a', 'bcd')", "VARCHAR(3) NOT NULL"),
        ("CASE(TRUE, 'ab', 'cd')", "CHAR(2) NOT NULL"),
        ("CASE(TRUE, 1, CAST(1 AS DECIMAL(3,1)))", "DECIMAL(11, 1) NOT NULL"),
        ("CASE(TRUE, CAST(1 AS FLOAT), 1)", "FLOAT NOT NULL"),
        ("CASE(TRUE, CAST(1 AS FLOAT), 1.0)", "DOUBLE NOT NULL"),
    ]);
}

#[test]
fn c3_18_case_refuses_what_has_no_common_type() {
    check(&[
        ("CASE(TRUE, 'abc', 1)", "error: no common type"),
        ("COALESCE(1, 'x')", "error: no common type"),
        ("ARRAY(1, 'a')", "error: no common type"),
    ]);
}

#[test]
fn c7_3_a_branch_that_is_not_taken_cannot_fail() {
    check(&[
        ("CASE(=(0, 0), 1, /(1, 0))", "1"),
        ("CASE(<>(0, 0), /(1, 0), 2)", "2"),
        ("IF(TRUE, 1, /(1, 0))", "1"),
        ("COALESCE(1, /(1, 0))", "1"),
        ("COALESCE(NULL:INT, /(4, 2))", "2"),
        ("AND(FALSE, =(/(1, 0), 1))", "FALSE"),
        ("OR(TRUE, =(/(1, 0), 1))", "TRUE"),
        ("AND(TRUE, =(/(1, 0), 1))", "error: Division by zero"),
        ("CASE(TRUE, /(1, 0), 2)", "error: Division by zero"),
        ("IFNULL(1, CAST('x' AS INT))", "1"),
    ]);
}

#[test]
fn d5_2_coalesce_is_not_null_when_an_argument_is() {
    check(&[
        ("COALESCE(NULL:INT, NULL:INT, 3)", "3"),
        ("COALESCE(NULL:STRING, 'a')", "a"),
        ("COALESCE(NULL:INT, NULL:INT)", "NULL"),
        ("IFNULL(NULL:INT, 5)", "5"),
    ]);
    check_types(&[
        ("COALESCE(NULL:INT, 3)", "INT NOT NULL"),
        ("COALESCE(NULL:INT, NULL:BIGINT)", "BIGINT"),
        ("IFNULL(NULL:INT, 5)", "INT NOT NULL"),
    ]);
}

#[test]
fn d5_3_nullif() {
    check(&[
        ("NULLIF(1, 1)", "NULL"),
        ("NULLIF(1, 2)", "1"),
        ("NULLIF('a', 'b')", "a"),
        ("NULLIF(NULL:INT, 1)", "NULL"),
    ]);
    check_types(&[("NULLIF(1, 2)", "INT")]);
}

#[test]
fn d5_4_if() {
    check(&[
        ("IF(TRUE, 'a', 'b')", "a"),
        ("IF(NULL:BOOLEAN, 'a', 'b')", "b"),
        ("IF(FALSE, 1, 2.5)", "2.5"),
    ]);
}

#[test]
fn d5_5_greatest_and_least_are_null_with_null() {
    check(&[
        ("GREATEST(1, 3, 2)", "3"),
        ("LEAST(1, 3, 2)", "1"),
        ("GREATEST(1, NULL:INT)", "NULL"),
        ("GREATEST('a', 'b')", "b"),
        ("LEAST(1, 0.5)", "0.5"),
    ]);
}

#[test]
fn d5_7_typeof() {
    check(&[
        ("TYPEOF(1)", "INT NOT NULL"),
        ("TYPEOF(NULL:STRING)", "STRING"),
        ("TYPEOF(ARRAY(1))", "ARRAY<INT NOT NULL> NOT NULL"),
    ]);
}
