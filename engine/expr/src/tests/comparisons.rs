use super::{check, check_in, check_types, in_zone};

#[test]
fn d1_1_null_is_unknown() {
    check(&[
        ("=(1, 1)", "TRUE"),
        ("<>(1, 1)", "FALSE"),
        ("!=(1, 2)", "TRUE"),
        ("<(1, 2)", "TRUE"),
        (">=(1, 2)", "FALSE"),
        ("=(NULL:INT, 1)", "NULL"),
        ("=(1, NULL)", "NULL"),
        ("=(1, 1.0)", "TRUE"),
        ("<(1, 1.5e0)", "TRUE"),
        ("=(TRUE, FALSE)", "FALSE"),
        ("=(NULL, NULL)", "NULL"),
        (">(3, 2.5)", "TRUE"),
        ("=(1.10, 1.1)", "TRUE"),
    ]);
}

#[test]
fn c7_4_strings_compare_by_bytes() {
    check(&[
        ("<('Z', 'a')", "TRUE"),
        ("=('a', 'A')", "FALSE"),
        ("<('z', 'é')", "TRUE"),
        ("=('a ', 'a')", "FALSE"),
        (">('b', 'abc')", "TRUE"),
    ]);
}

#[test]
fn c7_5_nan_equals_nothing() {
    check(&[
        ("=(CAST('NaN' AS DOUBLE), CAST('NaN' AS DOUBLE))", "FALSE"),
        ("<>(CAST('NaN' AS DOUBLE), CAST('NaN' AS DOUBLE))", "TRUE"),
        (">(CAST('NaN' AS DOUBLE), 1e0)", "FALSE"),
        ("=(-0.0e0, 0e0)", "TRUE"),
        ("IN(CAST('NaN' AS DOUBLE), CAST('NaN' AS DOUBLE), 1e0)", "FALSE"),
    ]);
}

#[test]
fn c7_6_containers_compare_deeply() {
    check(&[
        ("=(ARRAY(1, 2), ARRAY(1, 2))", "TRUE"),
        ("=(ROW(1, 'a'), ROW(1, 'b'))", "FALSE"),
        ("=(MAP('a', 1, 'b', 2), MAP('b', 2, 'a', 1))", "TRUE"),
        ("<(ARRAY(1), ARRAY(2))", "error: has an order"),
    ]);
}

#[test]
fn c3_12_to_c3_17_mixed_types() {
    check(&[
        ("=(1, '1')", "error: implicit type conversion between INT and CHAR(1) is not supported"),
        ("IN(1, '0', '1')", "TRUE"),
        ("BETWEEN(3, '0', '5')", "TRUE"),
        ("=('2020-01-01', DATE '2020-01-01')", "TRUE"),
        ("<(TIMESTAMP '2020-01-01 00:00:00', '2020-01-01 10:00:00')", "TRUE"),
        ("=(TIMESTAMP '2020-01-01 00:00:00', DATE '2020-01-01')", "error: not supported"),
        ("=(TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP '2020-01-01 00:00:00.000')", "TRUE"),
        ("=(TRUE, 1)", "error: not supported"),
    ]);
    check_in(
        &in_zone("Asia/Shanghai"),
        &[("=(LTZ '2020-01-01 00:00:00', TIMESTAMP '2020-01-01 08:00:00')", "TRUE")],
    );
}

#[test]
fn d1_2_is_tests_are_never_null() {
    check(&[
        ("IS NULL(NULL:INT)", "TRUE"),
        ("IS NULL(1)", "FALSE"),
        ("IS NOT NULL(NULL)", "FALSE"),
        ("IS TRUE(NULL:BOOLEAN)", "FALSE"),
        ("IS NOT TRUE(NULL:BOOLEAN)", "TRUE"),
        ("IS FALSE(FALSE)", "TRUE"),
        ("IS NOT FALSE(NULL:BOOLEAN)", "TRUE"),
        ("IS UNKNOWN(NULL:BOOLEAN)", "TRUE"),
        ("IS NOT UNKNOWN(TRUE)", "TRUE"),
    ]);
    check_types(&[("IS NULL(NULL:INT)", "BOOLEAN NOT NULL"), ("=(1, NULL:INT)", "BOOLEAN")]);
}

#[test]
fn d1_3_distinctness_knows_null() {
    check(&[
        ("IS DISTINCT FROM(NULL:INT, NULL:INT)", "FALSE"),
        ("IS DISTINCT FROM(1, NULL)", "TRUE"),
        ("IS NOT DISTINCT FROM(1, 1)", "TRUE"),
        ("IS NOT DISTINCT FROM(NULL:STRING, 'a')", "FALSE"),
    ]);
}

#[test]
fn d1_4_between_is_three_valued() {
    check(&[
        ("BETWEEN(12, NULL, 10)", "FALSE"),
        ("BETWEEN(5, NULL, 10)", "NULL"),
        ("BETWEEN(5, 1, 10)", "TRUE"),
        ("BETWEEN('b', 'a', 'c')", "TRUE"),
    ]);
}

#[test]
fn d1_5_in_with_null_is_unknown_unless_found() {
    check(&[
        ("IN(1, 1, NULL)", "TRUE"),
        ("IN(2, 1, NULL)", "NULL"),
        ("IN(2, 1, 3)", "FALSE"),
        ("IN('b', 'a', 'b')", "TRUE"),
        ("IN(NULL:INT, 1, 2)", "NULL"),
        ("IN(1, 1.5, 1.0)", "TRUE"),
        ("IN(3000000000, 1, 3000000000)", "TRUE"),
    ]);
}

#[test]
fn d1_6_like_has_no_default_escape() {
    check(&[
        ("LIKE('abc', 'a%')", "TRUE"),
        ("LIKE('abc', 'A%')", "FALSE"),
        ("LIKE('abc', '_b_')", "TRUE"),
        ("LIKE('añc', 'a_c')", "TRUE"),
        ("LIKE('abc', 'b')", "FALSE"),
        ("LIKE('a%c', 'a\\%c')", "FALSE"),
        ("LIKE('a\\%c', 'a\\%c')", "TRUE"),
        ("LIKE('a%c', 'a!%c', '!')", "TRUE"),
        ("LIKE('abc', 'a!%c', '!')", "FALSE"),
        ("LIKE('a!b', 'a!!b', '!')", "TRUE"),
        ("LIKE('aXbXc', '%b%c')", "TRUE"),
        ("LIKE('', '%')", "TRUE"),
        ("LIKE('a.c', 'a.c')", "TRUE"),
        ("LIKE('abc', 'a.c')", "FALSE"),
        ("LIKE(NULL:STRING, 'a')", "NULL"),
        ("LIKE('a', 'a!b', '!')", "error: invalid escape"),
    ]);
}

#[test]
fn d1_7_similar_to() {
    check(&[
        ("SIMILAR TO('abc', '(abc|def)')", "TRUE"),
        ("SIMILAR TO('abcd', '(abc|def)')", "FALSE"),
        ("SIMILAR TO('abcd', 'a%d')", "TRUE"),
        ("SIMILAR TO('ab', '[a-c]+')", "TRUE"),
        ("SIMILAR TO('a.c', 'a.c')", "TRUE"),
        ("SIMILAR TO('abc', 'a.c')", "FALSE"),
    ]);
}

#[test]
fn d1_8_logic_is_three_valued() {
    check(&[
        ("AND(TRUE, NULL:BOOLEAN)", "NULL"),
        ("AND(FALSE, NULL:BOOLEAN)", "FALSE"),
        ("AND(NULL:BOOLEAN, FALSE)", "FALSE"),
        ("OR(TRUE, NULL:BOOLEAN)", "TRUE"),
        ("OR(NULL:BOOLEAN, TRUE)", "TRUE"),
        ("OR(FALSE, NULL:BOOLEAN)", "NULL"),
        ("NOT(NULL:BOOLEAN)", "NULL"),
        ("NOT(TRUE)", "FALSE"),
        ("AND(TRUE, TRUE, FALSE)", "FALSE"),
        ("AND(1, TRUE)", "error: it takes BOOLEAN"),
    ]);
}
