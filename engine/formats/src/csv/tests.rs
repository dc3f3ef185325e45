use millrace_dataflow::types::{Field, Schema, TypeRoot};

use super::*;
use crate::format::{Encoded, FormatOptions};
use crate::json;

fn schema(roots: &[TypeRoot]) -> Schema {
    let field =
        |(at, root): (usize, &TypeRoot)| Field::new(format!("f{at}"), root.clone().nullable());
    Schema::new(roots.iter().enumerate().map(field).collect())
}

fn options(options: &[(&str, &str)]) -> FormatOptions {
    options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Reads records and shows the rows as JSON arrays of values would be: through the
/// json writer, one object a line.
fn read(
    given: &[(&str, &str)],
    roots: &[TypeRoot],
    records: &[&str],
) -> Result<Vec<String>, String> {
    let schema = schema(roots);
    let csv = create(&options(given), &schema).map_err(|error| error.to_string())?;
    let columns: Vec<usize> = (0..schema.len()).collect();
    let mut decoder = csv.decoder(&columns);
    for record in records {
        decoder.decode(record.as_bytes()).map_err(|error| error.to_string())?;
    }
    let rows = decoder.rows();
    let json = (json::DESCRIPTOR.create)(&FormatOptions::new(), &schema).expect("json");
    let mut out = Encoded::default();
    json.encoder().encode(&decoder.finish(), rows, &mut out).expect("writable");
    let text = String::from_utf8(out.bytes).expect("UTF-8");
    Ok(text.lines().map(str::to_owned).collect())
}

/// Reads JSON objects and writes them as csv.
fn write(given: &[(&str, &str)], roots: &[TypeRoot], record: &str) -> String {
    let schema = schema(roots);
    let json = (json::DESCRIPTOR.create)(&FormatOptions::new(), &schema).expect("json");
    let columns: Vec<usize> = (0..schema.len()).collect();
    let mut decoder = json.decoder(&columns);
    decoder.decode(record.as_bytes()).expect("good json");
    let mut out = Encoded::default();
    let csv = create(&options(given), &schema).expect("good options");
    csv.encoder().encode(&decoder.finish(), 1, &mut out).expect("writable");
    String::from_utf8(out.bytes).expect("UTF-8")
}

const INT: TypeRoot = TypeRoot::Int;
const TEXT: TypeRoot = TypeRoot::VarChar(millrace_dataflow::types::MAX_LENGTH);

fn check_read(given: &[(&str, &str)], roots: &[TypeRoot], record: &str, expected: &[&str]) {
    let rows = read(given, roots, &[record]);
    let expected: Vec<String> = expected.iter().map(|row| (*row).to_owned()).collect();
    assert_eq!(rows, Ok(expected), "{record}");
}

#[test]
fn g11_1_to_g11_4_and_g11_7_shapes_of_records() {
    let both = &[TEXT, TEXT];
    check_read(&[], both, "a,b", &[r#"{"f0":"a","f1":"b"}"#]);
    check_read(&[], both, "a,b\r", &[r#"{"f0":"a","f1":"b"}"#]);
    check_read(&[], both, r#""a,1","say ""x""""#, &[r#"{"f0":"a,1","f1":"say \"x\""}"#]);
    check_read(&[], both, r#"a"b,"""#.trim_end_matches('"'), &[r#"{"f0":"a\"b","f1":""}"#]);
    check_read(&[], both, "", &[]);
    check_read(&[], both, "#a,b", &[r##"{"f0":"#a","f1":"b"}"##]);
    check_read(&[("allow-comments", "true")], both, "#a,b", &[]);
    check_read(&[("field-delimiter", "\\t")], both, "a,1\tb", &[r#"{"f0":"a,1","f1":"b"}"#]);
    check_read(&[("quote-character", "'")], both, "'a,b',\"", &[r#"{"f0":"a,b","f1":"\""}"#]);
    let unquoted = [("disable-quote-character", "true")];
    check_read(&unquoted, both, r#""a","b""#, &[r#"{"f0":"\"a\"","f1":"\"b\""}"#]);
    let escape = [("escape-character", "\\")];
    check_read(&escape, both, r#"a\,b,"c\"d""#, &[r#"{"f0":"a,b","f1":"c\"d"}"#]);
}

#[test]
fn g11_8_and_g11_11_empty_fields_and_the_null_literal() {
    check_read(&[], &[TEXT, TEXT], ",", &[r#"{"f0":"","f1":""}"#]);
    check_read(&[("null-literal", "")], &[TEXT, INT], ",", &[r#"{"f0":null,"f1":null}"#]);
    check_read(&[("null-literal", "n/a")], &[TEXT, INT], "n/a,n/a", &[r#"{"f0":null,"f1":null}"#]);
    check_read(&[("ignore-parse-errors", "true")], &[TEXT, INT], ",", &[r#"{"f0":"","f1":null}"#]);
    assert!(read(&[], &[TEXT, INT], &[","]).is_err());
    check_read(&[], &[TEXT], "", &[r#"{"f0":""}"#]);
}

#[test]
fn g11_10_widths_and_bad_fields() {
    let roots = &[INT, TEXT];
    let ignore = &[("ignore-parse-errors", "true")];
    for (record, ignored) in [
        ("1", vec![r#"{"f0":1,"f1":null}"#]),
        ("1,a,b", vec![]),
        ("x,a", vec![r#"{"f0":null,"f1":"a"}"#]),
        ("3.7,a", vec![r#"{"f0":null,"f1":"a"}"#]),
        ("1,\"a", vec![]),
        ("1,\"a\"b", vec![]),
    ] {
        assert!(read(&[], roots, &[record]).is_err(), "{record}");
        check_read(ignore, roots, record, &ignored);
    }
    let error = read(&[], roots, &["1,a,b"]).expect_err("too wide");
    assert!(error.contains("3 fields") && error.contains("2 columns"), "{error}");
}

#[test]
fn values_of_every_type() {
    let roots = &[
        TypeRoot::Boolean,
        TypeRoot::Double,
        TypeRoot::Decimal { precision: 5, scale: 2 },
        TypeRoot::Date,
        TypeRoot::Timestamp { precision: 3 },
        TypeRoot::TimestampLtz { precision: 3 },
        TypeRoot::bytes(),
    ];
    check_read(
        &[],
        roots,
        "TRUE, 1e10 ,1.005,2020-01-01,2020-01-01 10:00:00.5,2020-01-01 10:00:00Z,aGk=",
        &[concat!(
            r#"{"f0":true,"f1":1.0E10,"f2":1.01,"f3":"2020-01-01","#,
            r#""f4":"2020-01-01 10:00:00.5","f5":"2020-01-01 10:00:00Z","f6":"aGk="}"#
        )],
    );
}

#[test]
fn g11_6_arrays_and_rows_share_the_element_delimiter() {
    let array = TypeRoot::Array(Box::new(INT.nullable()));
    let row =
        TypeRoot::Row(vec![Field::new("x", INT.nullable()), Field::new("y", TEXT.nullable())]);
    let roots = &[array, row];
    check_read(&[], roots, "1;2;3,7;q", &[r#"{"f0":[1,2,3],"f1":{"x":7,"y":"q"}}"#]);
    assert_eq!(write(&[], roots, r#"{"f0":[1,2],"f1":{"x":7,"y":"q"}}"#), "1;2,7;q\n");
    let nested = TypeRoot::Array(Box::new(TypeRoot::Array(Box::new(INT.nullable())).nullable()));
    assert!(create(&FormatOptions::new(), &schema(&[nested])).is_err());
}

#[test]
fn g11_12_what_is_quoted() {
    for (value, expected) in [
        ("abc", "abc"),
        ("a b", "\"a b\""),
        ("a,b", "\"a,b\""),
        ("a\\\"b", "\"a\"\"b\""),
        ("+1", "\"+1\""),
        ("a-b.c/d:e;f", "a-b.c/d:e;f"),
        ("line\\nbreak", "\"line\nbreak\""),
        ("", ""),
        ("exactly-24-characters-xx", "exactly-24-characters-xx"),
        ("more-than-24-characters-x", "\"more-than-24-characters-x\""),
        ("é", "é"),
        ("ééééééééééééé", "ééééééééééééé"),
    ] {
        let record = format!("{{\"f0\":\"{value}\"}}");
        assert_eq!(write(&[], &[TEXT], &record), format!("{expected}\n"), "{value}");
    }
    let unquoted = [("disable-quote-character", "true")];
    assert_eq!(write(&unquoted, &[TEXT], r#"{"f0":"a b"}"#), "a b\n");
    // Jackson's loose rule: a later delimiter makes digits of a text look unsafe.
    assert_eq!(
        write(&[("field-delimiter", ";")], &[TEXT, INT], r#"{"f0":"1","f1":1}"#),
        "\"1\";1\n"
    );
}

#[test]
fn g11_9_and_g11_12_numbers_and_times() {
    let roots = &[
        TypeRoot::Decimal { precision: 10, scale: 0 },
        TypeRoot::Double,
        TypeRoot::Timestamp { precision: 3 },
        TypeRoot::TimestampLtz { precision: 3 },
        TypeRoot::Date,
        INT,
    ];
    let record = concat!(
        r#"{"f0":100000,"f1":1e10,"f2":"2020-01-01 00:00:00.1","#,
        r#""f3":"2020-01-01 00:00:00Z","f4":"2020-01-01"}"#
    );
    assert_eq!(
        write(&[], roots, record),
        "\"1E+5\",1.0E10,\"2020-01-01 00:00:00.1\",\"2020-01-01 00:00:00Z\",2020-01-01,\n"
    );
    let plain = [("write-bigdecimal-in-scientific-notation", "false"), ("null-literal", "NULL")];
    assert!(write(&plain, roots, record).starts_with("100000,"));
    assert!(write(&plain, roots, record).ends_with(",NULL\n"));
}

#[test]
fn a_quoted_line_break_keeps_the_record_open() {
    let ends_with_its_line = |line: &str, options: &CsvOptions| {
        let text = format!("{line}\nnext\n");
        split::record_end(text.as_bytes(), options) == Some(line.len())
    };
    let plain = CsvOptions::default();
    for (line, open) in [
        ("", false),
        ("a,b", false),
        ("a,\"b", true),
        ("\"a\"\"", true),
        ("\"a\"\"\"", false),
        ("a\"b", false),
        ("\"a,b\",c", false),
        ("\"a\",\"", true),
        ("\"a\nb\",c", false),
    ] {
        assert_eq!(ends_with_its_line(line, &plain), !open, "{line}");
    }
    let escapes = CsvOptions { escape: Some(b'\\'), ..CsvOptions::default() };
    for (line, open) in [("\"a\\\"", true), ("a\\", false), ("\"a\\\nb\"", false)] {
        assert_eq!(ends_with_its_line(line, &escapes), !open, "{line}");
    }
    assert_eq!(split::record_end(b"no end", &plain), None);
}
