use super::{check, check_types};

const OBJECT: &str = r#"'{"a":{"b":[1,2,{"c":"x"}]},"n":null,"s":"t","d":1.0,"k k":true}'"#;

#[track_caller]
fn check_on_object(function: &str, rows: &[(&str, &str)]) {
    let rows: Vec<(String, &str)> = rows
        .iter()
        .map(|(rest, expected)| (format!("{function}({OBJECT}, {rest})"), *expected))
        .collect();
    check(&rows.iter().map(|(text, expected)| (text.as_str(), *expected)).collect::<Vec<_>>());
}

#[test]
fn d7_1_is_json() {
    check(&[
        ("IS JSON('{}')", "TRUE"),
        ("IS JSON('{')", "FALSE"),
        ("IS JSON(NULL:STRING)", "FALSE"),
        ("IS JSON SCALAR('1')", "TRUE"),
        ("IS JSON ARRAY('[]')", "TRUE"),
        ("IS JSON OBJECT('[]')", "FALSE"),
        ("IS NOT JSON('x')", "TRUE"),
    ]);
}

#[test]
fn d7_2_json_exists() {
    check_on_object(
        "JSON_EXISTS",
        &[
            ("'$.a'", "TRUE"),
            ("'$.n'", "FALSE"),
            ("'$.zz'", "FALSE"),
            ("'strict $.zz', 'TRUE'", "TRUE"),
            ("'strict $.zz', 'UNKNOWN'", "NULL"),
            ("'strict $.zz', 'ERROR'", "error: nothing at path"),
        ],
    );
    check(&[
        ("JSON_EXISTS('{', '$.a')", "FALSE"),
        ("JSON_EXISTS(NULL:STRING, '$.a')", "NULL"),
        ("JSON_EXISTS('{}', 'a')", "error: illegal JSON path"),
    ]);
}

#[test]
fn d7_3_json_value() {
    check_on_object(
        "JSON_VALUE",
        &[
            ("'$.s'", "t"),
            ("'$.d'", "1.0"),
            ("'$.a'", "NULL"),
            ("'$.a.b[1]'", "2"),
            ("'$.a.b[-1].c'", "x"),
            ("'lax $.zz'", "NULL"),
            ("'$[''k k'']'", "true"),
            ("'lax $.zz', 'STRING', 'DEFAULT', 'e', 'NULL', NULL", "e"),
            ("'lax $.zz', 'STRING', 'ERROR', NULL, 'NULL', NULL", "error: no scalar"),
            ("'strict $.zz', 'STRING', 'NULL', NULL, 'DEFAULT', 'f'", "f"),
            ("'$.zz', 'STRING', 'DEFAULT', 'e', 'DEFAULT', 'f'", "f"),
            ("'$.d', 'DOUBLE', 'NULL', NULL, 'NULL', NULL", "1.0"),
            ("'$.a.b[0]', 'INTEGER', 'NULL', NULL, 'NULL', NULL", "1"),
            ("'lax $.k', 'INTEGER', 'DEFAULT', 7, 'NULL', NULL", "7"),
        ]
        .map(|(rest, expected)| (keep_constant(rest), expected))
        .map(|(rest, expected)| (&*rest.leak(), expected)),
    );
    check(&[
        ("JSON_VALUE('{', '$.a')", "NULL"),
        ("JSON_VALUE('[1e0,10000000000.0]', '$[1]')", "1.0E10"),
    ]);
}

/// RETURNING is a constant by nature: written as a bare word.
fn keep_constant(rest: &str) -> String {
    ["STRING", "DOUBLE", "INTEGER"]
        .iter()
        .fold(rest.to_owned(), |rest, word| rest.replace(&format!("'{word}'"), word))
}

#[test]
fn c8_3_returning_another_kind_fails() {
    check_on_object(
        "JSON_VALUE",
        &[("'$.s', INTEGER, 'NULL', NULL, 'NULL', NULL", "error: the value is no INT")],
    );
    check_types(&[("JSON_VALUE('{}', '$.a', BOOLEAN, 'NULL', NULL, 'NULL', NULL)", "BOOLEAN")]);
}

#[test]
fn d7_4_json_query() {
    check_on_object(
        "JSON_QUERY",
        &[
            ("'$.a'", r#"{"b":[1,2,{"c":"x"}]}"#),
            ("'$.s'", "NULL"),
            ("'$.s', 'UNCONDITIONAL'", r#"["t"]"#),
            ("'$.a.b', 'CONDITIONAL'", r#"[1,2,{"c":"x"}]"#),
            ("'$.a.b', 'UNCONDITIONAL'", r#"[[1,2,{"c":"x"}]]"#),
            ("'lax $.zz', 'WITHOUT', 'EMPTY ARRAY'", "[]"),
            ("'lax $.zz', 'WITHOUT', 'EMPTY OBJECT'", "{}"),
            ("'lax $.zz', 'WITHOUT', 'ERROR'", "error: nothing at the path"),
            ("'strict $.s', 'WITHOUT', 'NULL', 'EMPTY ARRAY'", "[]"),
            ("'$.a.b[*]'", r#"[1,2,{"c":"x"}]"#),
            ("'$..c'", r#"["x"]"#),
        ],
    );
}

#[test]
fn d7_6_json_string() {
    check(&[
        ("JSON_STRING(TIMESTAMP '2020-01-01 00:00:00')", "\"2020-01-01T00:00:00\""),
        ("JSON_STRING(CAST(1.5 AS DECIMAL(5,2)))", "1.5"),
        ("JSON_STRING('a\"b')", r#""a\"b""#),
        ("JSON_STRING(ROW(1, 'x'))", r#"{"EXPR$0":1,"EXPR$1":"x"}"#),
        ("JSON_STRING(ARRAY(1, NULL:INT))", "[1,null]"),
        ("JSON_STRING(MAP('a', TRUE))", r#"{"a":true}"#),
        ("JSON_STRING(NULL:INT)", "NULL"),
    ]);
}

#[test]
fn d7_7_json_object_and_array() {
    check(&[
        ("JSON_OBJECT()", "{}"),
        ("JSON_OBJECT('a', 1, 'b', NULL:INT)", r#"{"a":1,"b":null}"#),
        ("JSON_OBJECT ABSENT ON NULL('a', 1, 'b', NULL:INT)", r#"{"a":1}"#),
        ("JSON_OBJECT('a', JSON_OBJECT('b', 'c'))", r#"{"a":{"b":"c"}}"#),
        ("JSON_OBJECT('a', '{}')", r#"{"a":"{}"}"#),
        ("JSON_ARRAY(1, NULL:INT, 'x')", r#"[1,"x"]"#),
        ("JSON_ARRAY NULL ON NULL(1, NULL:INT)", "[1,null]"),
        ("JSON_ARRAY(JSON_ARRAY(1))", "[[1]]"),
        ("JSON_OBJECT(NULL:STRING, 1)", "error: key"),
    ]);
}
