use millrace_dataflow::RuntimeLevel;

use super::{check, check_in, check_types, context};

#[test]
fn d6_1_constructors() {
    check(&[
        ("ARRAY(1, 2.5)", "[1.0, 2.5]"),
        ("MAP('a', 1, 'a', 2)", "{a=2}"),
        ("ROW(1, 'x')", "(1, x)"),
    ]);
    check_types(&[
        ("ARRAY(1, NULL:INT)", "ARRAY<INT> NOT NULL"),
        ("MAP('a', 1)", "MAP<CHAR(1) NOT NULL, INT NOT NULL> NOT NULL"),
        ("ROW(1)", "ROW<`EXPR$0` INT NOT NULL> NOT NULL"),
    ]);
}

#[test]
fn d6_2_elements() {
    check(&[
        ("ITEM(ARRAY(5, 6), 1)", "5"),
        ("ITEM(ARRAY(5, NULL:INT), 3)", "NULL"),
        ("ITEM(MAP('a', 1, 'b', NULL:INT), 'x')", "NULL"),
        ("ITEM(MAP('a', 1), 'a')", "1"),
        ("ITEM(NULL:ARRAY<INT>, 1)", "NULL"),
        ("CARDINALITY(ARRAY(1, 2))", "2"),
        ("CARDINALITY(MAP('a', 1))", "1"),
        ("CARDINALITY(NULL:ARRAY<INT>)", "NULL"),
        ("ELEMENT(ARRAY(1))", "1"),
        ("ROW(1, 'x').EXPR$1", "x"),
        ("ROW(1, 'x').nope", "error: has no field 'nope'; it has EXPR$0, EXPR$1"),
    ]);
}

#[test]
fn c8_1_a_missing_not_null_element_is_the_types_default() {
    check(&[
        ("ITEM(ARRAY(5, 6), 3)", "-1"),
        ("ITEM(ARRAY('a', 'b'), 3)", ""),
        ("ITEM(MAP('a', 1), 'x')", "-1"),
        ("ITEM(ARRAY(5, 6), -(1, 1))", "-1"),
    ]);
}

#[test]
fn c8_2_a_constant_index_below_one_is_refused() {
    super::check_folded(&[
        ("ITEM(ARRAY(5, 6), 0)", "error: index starting at 1 but was 0"),
        ("ITEM(ARRAY(5, 6), -1)", "error: index starting at 1 but was -1"),
    ]);
}

#[test]
fn c8_9_element_of_several_fails() {
    check(&[("ELEMENT(ARRAY(1, 2))", "error: more than one element")]);
}

#[test]
fn d6_3_contains_and_position() {
    check(&[
        ("ARRAY_CONTAINS(ARRAY(1, 2), 2)", "TRUE"),
        ("ARRAY_CONTAINS(ARRAY(1, NULL:INT), NULL)", "TRUE"),
        ("ARRAY_CONTAINS(ARRAY(1, 2), 3000000000)", "error: the type of the elements"),
        ("ARRAY_CONTAINS(NULL:ARRAY<INT>, 2)", "NULL"),
        ("ARRAY_POSITION(ARRAY(4, 5), 5)", "2"),
        ("ARRAY_POSITION(ARRAY(4, 5), 6)", "0"),
        ("ARRAY_POSITION(ARRAY(4, NULL:INT), NULL:INT)", "NULL"),
    ]);
}

#[test]
fn d6_4_array_to_array() {
    check(&[
        ("ARRAY_DISTINCT(ARRAY(2, 1, 2, NULL:INT, NULL:INT))", "[2, 1, NULL]"),
        ("ARRAY_REMOVE(ARRAY(1, 2, 1), 1)", "[2]"),
        ("ARRAY_REMOVE(ARRAY(1, NULL:INT), NULL:INT)", "[1]"),
        ("ARRAY_REVERSE(ARRAY(1, 2, 3))", "[3, 2, 1]"),
        ("ARRAY_UNION(ARRAY(1, 2, 1), ARRAY(3, 2))", "[1, 2, 3]"),
        ("ARRAY_CONCAT(ARRAY(1), ARRAY(1, 2))", "[1, 1, 2]"),
        ("ARRAY_CONCAT(ARRAY(1), NULL:ARRAY<INT>)", "NULL"),
        ("ARRAY_SLICE(ARRAY(1, 2, 3, 4), 2, 3)", "[2, 3]"),
        ("ARRAY_SLICE(ARRAY(1, 2, 3, 4), 0, 2)", "[1, 2]"),
        ("ARRAY_SLICE(ARRAY(1, 2, 3, 4), -2)", "[3, 4]"),
        ("ARRAY_SLICE(ARRAY(1, 2, 3, 4), 3, 2)", "[]"),
        ("ARRAY_SLICE(ARRAY(1, 2), -9, 9)", "[1, 2]"),
    ]);
}

#[test]
fn d6_7_max_and_join() {
    check(&[
        ("ARRAY_MAX(ARRAY(1, NULL:INT, 3))", "3"),
        ("ARRAY_MAX(ARRAY(NULL:INT, NULL:INT))", "NULL"),
        ("ARRAY_JOIN(ARRAY('a', NULL:STRING, 'b'), '-')", "a-b"),
        ("ARRAY_JOIN(ARRAY('a', NULL:STRING, 'b'), '-', '?')", "a-?-b"),
    ]);
}

#[test]
fn d6_9_maps() {
    check(&[
        ("MAP_KEYS(MAP('a', 1, 'b', 2))", "[a, b]"),
        ("MAP_VALUES(MAP('a', 1, 'b', 2))", "[1, 2]"),
        ("MAP_ENTRIES(MAP('a', 1))", "[(a, 1)]"),
        ("MAP_FROM_ARRAYS(ARRAY('a', 'b'), ARRAY(1, 2))", "{a=1, b=2}"),
        ("MAP_FROM_ARRAYS(ARRAY('a', 'b'), ARRAY(1))", "error: the length of the keys array"),
    ]);
}

#[test]
fn d6_11_later_functions_run_at_their_level() {
    let mut newest = context();
    newest.level = RuntimeLevel::Flink1_20;
    check_in(
        &newest,
        &[
            ("ARRAY_MIN(ARRAY(3, 1, 2))", "1"),
            ("ARRAY_APPEND(ARRAY(1), NULL:INT)", "[1, NULL]"),
            ("ARRAY_PREPEND(ARRAY(1), 2)", "[2, 1]"),
            ("ARRAY_SORT(ARRAY(3, NULL:INT, 1))", "[NULL, 1, 3]"),
            ("ARRAY_SORT(ARRAY(3, NULL:INT, 1), FALSE)", "[3, 1, NULL]"),
            ("ARRAY_EXCEPT(ARRAY(1, 2, 3), ARRAY(2))", "[1, 3]"),
            ("ARRAY_INTERSECT(ARRAY(1, 2, 3), ARRAY(3, 2))", "[2, 3]"),
            ("MAP_UNION(MAP('a', 1), MAP('a', 2))", "{a=2}"),
            ("SPLIT('a,b', ',')", "[a, b]"),
        ],
    );
}
