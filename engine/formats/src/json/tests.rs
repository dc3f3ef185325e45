use millrace_dataflow::types::{Field, Schema, TypeRoot};

use super::*;
use crate::format::{Decoded, Encoded, FormatOptions};

fn schema(fields: &[(&str, TypeRoot)]) -> Schema {
    let field = |(name, root): &(&str, TypeRoot)| Field::new(*name, root.clone().nullable());
    Schema::new(fields.iter().map(field).collect())
}

fn format(options: &[(&str, &str)], schema: &Schema) -> Box<dyn Format> {
    let options: FormatOptions =
        options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    create(&options, schema).expect("good options")
}

/// Decodes the records and writes what was read as JSON again.
fn through(options: &[(&str, &str)], schema: &Schema, records: &[&str]) -> Result<String, String> {
    let format = format(options, schema);
    let columns: Vec<usize> = (0..schema.len()).collect();
    let mut decoder = format.decoder(&columns);
    for record in records {
        decoder.decode(record.as_bytes()).map_err(|error| error.to_string())?;
    }
    let rows = decoder.rows();
    let mut out = Encoded::default();
    let columns = decoder.finish();
    format.encoder().encode(&columns, rows, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out.bytes).expect("JSON is UTF-8").trim_end().to_owned())
}

/// One column `f` of a type: what its value is written as after reading.
fn check(root: TypeRoot, cases: &[(&str, &str)]) {
    let schema = schema(&[("f", root)]);
    for (value, expected) in cases {
        let written = through(&[], &schema, &[&format!("{{\"f\":{value}}}")]);
        assert_eq!(written.as_deref(), Ok(format!("{{\"f\":{expected}}}").as_str()), "{value}");
    }
}

/// Values that a column `f` of a type refuses, and that become NULL when ignored.
fn check_refused(root: TypeRoot, values: &[&str]) {
    let schema = schema(&[("f", root)]);
    for value in values {
        let record = format!("{{\"f\":{value}}}");
        let error = through(&[], &schema, &[&record]).expect_err(value);
        assert!(error.contains("column 'f'"), "{error}");
        let ignored = through(&[("ignore-parse-errors", "true")], &schema, &[&record]);
        assert_eq!(ignored.as_deref(), Ok("{\"f\":null}"), "{value}");
    }
}

#[test]
fn g10_7_fields_by_name_others_stepped_over_last_duplicate_wins() {
    let schema = schema(&[("a", TypeRoot::Int), ("b", TypeRoot::string())]);
    let cases = [
        (r#"{"a":1,"b":"x"}"#, r#"{"a":1,"b":"x"}"#),
        (r#"{"b":"x","a":1}"#, r#"{"a":1,"b":"x"}"#),
        (r#" { "a" : 1 , "z":{"y":[1,{"a":2},"}"]}, "b":"x"} "#, r#"{"a":1,"b":"x"}"#),
        (r#"{"a":1,"b":"x","a":2,"b":"y"}"#, r#"{"a":2,"b":"y"}"#),
        (r#"{"A":1}"#, r#"{"a":null,"b":null}"#),
        (r#"{"\u0061":7}"#, r#"{"a":7,"b":null}"#),
        ("{}", r#"{"a":null,"b":null}"#),
    ];
    for (record, expected) in cases {
        assert_eq!(through(&[], &schema, &[record]).as_deref(), Ok(expected), "{record}");
    }
}

#[test]
fn g10_8_and_g10_9_numbers() {
    check(
        TypeRoot::Int,
        &[("2", "2"), ("\"2\"", "2"), ("\" 2 \"", "2"), ("3.7", "3"), ("-3.7", "-3")],
    );
    check(TypeRoot::BigInt, &[("-9223372036854775808", "-9223372036854775808"), ("1e3", "1000")]);
    check(
        TypeRoot::Double,
        &[("\"2.5\"", "2.5"), ("1e10", "1.0E10"), ("3", "3.0"), ("\"NaN\"", "\"NaN\"")],
    );
    check(TypeRoot::Float, &[("1.1", "1.1")]);
    check_refused(TypeRoot::Int, &["\"2.5\"", "\"x\"", "2147483648", "true", "{}", "[]", "\"\""]);
    check_refused(TypeRoot::TinyInt, &["128", "-129"]);
    check_refused(TypeRoot::BigInt, &["9223372036854775808", "1e30"]);
    check_refused(TypeRoot::Double, &["\"abc\"", "false"]);
}

#[test]
fn g10_10_text_of_any_value() {
    check(
        TypeRoot::string(),
        &[
            ("12", "\"12\""),
            ("1.50", "\"1.50\""),
            ("true", "\"true\""),
            (
                "{ \"a\" : [1, 2.50, null] , \"b\":\"x y\"}",
                r#""{\"a\":[1,2.5,null],\"b\":\"x y\"}""#,
            ),
            (r#""q\"\\\/\n\u00e9\ud83d\ude00""#, "\"q\\\"\\\\/\\né😀\""),
            (r#""\u001f""#, r#""\u001F""#),
            (r#""\ud800""#, "\"?\""),
        ],
    );
}

#[test]
fn g10_11_boolean_from_text() {
    check(
        TypeRoot::Boolean,
        &[("true", "true"), ("\"true\"", "true"), ("\"TRUE\"", "true"), ("\"yes\"", "false")],
    );
    check_refused(TypeRoot::Boolean, &["{}", "[true]"]);
}

#[test]
fn g10_12_and_g10_14_times() {
    check(
        TypeRoot::Timestamp { precision: 3 },
        &[
            ("\"2020-01-01 00:00:00.123456789\"", "\"2020-01-01 00:00:00.123\""),
            ("\"2020-01-01 00:00:00.100\"", "\"2020-01-01 00:00:00.1\""),
            ("\"1969-12-31 23:59:59\"", "\"1969-12-31 23:59:59\""),
        ],
    );
    check(
        TypeRoot::TimestampLtz { precision: 9 },
        &[("\"2020-01-01 00:00:00.000000001Z\"", "\"2020-01-01 00:00:00.000000001Z\"")],
    );
    check(TypeRoot::Date, &[("\"2020-02-29\"", "\"2020-02-29\"")]);
    check(TypeRoot::Time, &[("\"10:11:12.5\"", "\"10:11:12\"")]);
    check_refused(TypeRoot::Timestamp { precision: 3 }, &["\"2020-01-01T00:00:00\"", "0"]);
    check_refused(TypeRoot::TimestampLtz { precision: 3 }, &["\"2020-01-01 00:00:00\""]);
    check_refused(TypeRoot::Timestamp { precision: 9 }, &["\"9999-01-01 00:00:00\""]);
    check_refused(TypeRoot::Date, &["\"2020-2-29\"", "\"2021-02-29\""]);
}

#[test]
fn g10_3_iso_8601() {
    let schema = schema(&[
        ("t", TypeRoot::Timestamp { precision: 3 }),
        ("z", TypeRoot::TimestampLtz { precision: 3 }),
    ]);
    let record = r#"{"t":"2020-01-01T00:00:01.5","z":"2020-01-01T00:00:00Z"}"#;
    let options = [("timestamp-format.standard", "ISO-8601")];
    assert_eq!(through(&options, &schema, &[record]).as_deref(), Ok(record));
}

#[test]
fn g10_13_nested_values() {
    let inner = vec![
        Field::new("x", TypeRoot::Int.nullable()),
        Field::new("y", TypeRoot::string().nullable()),
    ];
    let schema = schema(&[
        ("r", TypeRoot::Row(inner)),
        ("a", TypeRoot::Array(Box::new(TypeRoot::Int.nullable()))),
        (
            "m",
            TypeRoot::Map(
                Box::new(TypeRoot::string().not_null()),
                Box::new(TypeRoot::Double.nullable()),
            ),
        ),
    ]);
    let cases = [
        (
            r#"{"r":{"x":1},"a":[1,null,3],"m":{"k":1,"l":null}}"#,
            r#"{"r":{"x":1,"y":null},"a":[1,null,3],"m":{"k":1.0,"l":null}}"#,
        ),
        (r#"{"r":{},"a":[],"m":{}}"#, r#"{"r":{"x":null,"y":null},"a":[],"m":{}}"#),
        (r#"{"r":null,"a":null}"#, r#"{"r":null,"a":null,"m":null}"#),
    ];
    for (record, expected) in cases {
        assert_eq!(through(&[], &schema, &[record]).as_deref(), Ok(expected), "{record}");
    }
    let ignore = [("ignore-parse-errors", "true")];
    let bad = r#"{"r":{"x":"no","y":"kept"},"a":[1,"no",3],"m":[]}"#;
    let good = r#"{"r":{"x":null,"y":"kept"},"a":[1,null,3],"m":null}"#;
    assert_eq!(through(&ignore, &schema, &[bad]).as_deref(), Ok(good));
    let error = through(&[], &schema, &[bad]).expect_err("a bad member");
    assert!(error.contains("column 'r.x'"), "{error}");
}

#[test]
fn g10_1_a_missing_field_fails_when_asked_to() {
    let schema = schema(&[("a", TypeRoot::Int), ("b", TypeRoot::Int)]);
    let options = [("fail-on-missing-field", "true")];
    let error = through(&options, &schema, &[r#"{"a":1}"#]).expect_err("b is missing");
    assert!(error.contains("'b' is missing"), "{error}");
    assert_eq!(
        through(&options, &schema, &[r#"{"a":1,"b":null}"#]).as_deref(),
        Ok(r#"{"a":1,"b":null}"#)
    );
}

#[test]
fn g10_2_unparseable_records_are_dropped_or_fail_and_leave_nothing() {
    let schema = schema(&[("a", TypeRoot::Int), ("b", TypeRoot::string())]);
    let bad = [
        r#"{"a":1,"b":"x""#,
        r#"{"a":1,"b":"x}"#,
        r#"{"a":1,}"#,
        r#"{"a":01}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":1} {"a":2}"#,
        r#"[1]"#,
        r#""x""#,
        "nul",
        r#"{"z":[1}"#,
        r#"{"z":tru}"#,
        r#"{"b":"\q"}"#,
        "{\"b\":\"tab\there\"}",
    ];
    for record in bad {
        assert!(through(&[], &schema, &[record]).is_err(), "{record}");
        let kept = through(
            &[("ignore-parse-errors", "true")],
            &schema,
            &[r#"{"a":7}"#, record, r#"{"a":8}"#],
        );
        let expected = "{\"a\":7,\"b\":null}\n{\"a\":8,\"b\":null}";
        assert_eq!(kept.as_deref(), Ok(expected), "{record}");
    }
    let deep = format!("{{\"z\":{}}}", "[".repeat(200));
    assert!(through(&[], &schema, &[&deep]).expect_err("too deep").contains("128 levels"));
}

#[test]
fn invalid_utf8_is_a_bad_record() {
    let schema = schema(&[("b", TypeRoot::string())]);
    let mut decoder = format(&[], &schema).decoder(&[0]);
    assert!(decoder.decode(b"{\"b\":\"\xff\"}").is_err());
    assert_eq!(decoder.rows(), 0);
}

#[test]
fn g8_29_blank_records_are_skipped() {
    let mut decoder = format(&[], &schema(&[("a", TypeRoot::Int)])).decoder(&[0]);
    for blank in ["", "  ", "\r"] {
        assert_eq!(decoder.decode(blank.as_bytes()), Ok(Decoded::Skipped));
    }
}

#[test]
fn only_the_columns_asked_for_are_read() {
    let schema = schema(&[("a", TypeRoot::Int), ("b", TypeRoot::Int), ("c", TypeRoot::Int)]);
    let mut decoder = format(&[], &schema).decoder(&[2, 0]);
    decoder.decode(br#"{"a":1,"b":"not an int","c":3}"#).expect("b is not looked at");
    let columns = decoder.finish();
    assert!(format!("{:?}", columns[0]).contains('3'));
    assert_eq!(columns.len(), 2);
    let mut none = format(&[], &schema).decoder(&[]);
    none.decode(br#"{"a":1}"#).expect("a row of no columns");
    assert_eq!((none.rows(), none.finish().len()), (1, 0));
}

#[test]
fn g10_5_decimals_and_bytes() {
    let decimal = TypeRoot::Decimal { precision: 10, scale: 9 };
    check(decimal, &[("0.000000027", "2.7E-8"), ("\"1.50\"", "1.5"), ("99999", "null")]);
    check(TypeRoot::bytes(), &[("\"aGk=\"", "\"aGk=\"")]);
    check_refused(TypeRoot::bytes(), &["\"%%\"", "1"]);
    let schema = schema(&[("f", TypeRoot::Decimal { precision: 10, scale: 0 })]);
    let plain = [("encode.decimal-as-plain-number", "true")];
    assert_eq!(through(&plain, &schema, &[r#"{"f":100000}"#]).as_deref(), Ok(r#"{"f":100000}"#));
    assert_eq!(through(&[], &schema, &[r#"{"f":100000}"#]).as_deref(), Ok(r#"{"f":1E+5}"#));
}

#[test]
fn g10_4_maps_need_text_keys() {
    let map = TypeRoot::Map(Box::new(TypeRoot::Int.not_null()), Box::new(TypeRoot::Int.nullable()));
    let error = create(&FormatOptions::new(), &schema(&[("m", map)])).expect_err("INT keys");
    assert!(error.message.contains("'m'"), "{error}");
}

#[test]
fn g10_1_excludes_g10_2() {
    let options = FormatOptions::from([
        ("fail-on-missing-field".to_owned(), "true".to_owned()),
        ("ignore-parse-errors".to_owned(), "TRUE".to_owned()),
    ]);
    assert!(create(&options, &schema(&[])).is_err());
}
