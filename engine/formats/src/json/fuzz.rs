//! Records that look like earlier ones are read as if each were read the long way:
//! random tables, random records, damaged at random, with every option.

use millrace_dataflow::types::{DataType, Field, Schema, TypeRoot};

use super::{Json, JsonDecoder, JsonOptions};
use crate::fuzz::{Dice, Seen, any_fields, check_same, in_lines, one_by_one, seeds, some_columns};
use crate::time::TimestampStandard;

fn any_options(dice: &mut Dice) -> JsonOptions {
    let fail_on_missing_field = dice.one_in(3);
    JsonOptions {
        fail_on_missing_field,
        ignore_parse_errors: !fail_on_missing_field && dice.one_in(2),
        standard: *dice.pick(&[TimestampStandard::Sql, TimestampStandard::Iso8601]),
        ..JsonOptions::default()
    }
}

/// What a table's records have in common: the order of fields, some of them unknown,
/// and white space.
struct Habit {
    spaces: &'static str,
    /// Of ten records, so many break the habit.
    broken: usize,
}

fn object(dice: &mut Dice, fields: &[Field], habit: &Habit) -> String {
    let mut members: Vec<String> = Vec::new();
    for field in fields {
        if dice.below(10) < habit.broken && dice.one_in(4) {
            continue;
        }
        let value = value(dice, &field.data_type, habit);
        members.push(format!("\"{}\"{s}:{s}{value}", field.name, s = habit.spaces));
        if field.name == "id" {
            let unknown = any_value(dice, 3);
            members.push(format!("\"unknown\":{s}{unknown}", s = habit.spaces));
        }
        if dice.below(10) < habit.broken && dice.one_in(4) {
            let again = dice.pick(&["a", "b", "\\u0061", "z"]);
            members.push(format!("\"{again}\":{}", any_value(dice, 1)));
        }
    }
    if dice.below(10) < habit.broken && dice.one_in(3) {
        members.reverse();
    }
    format!("{{{}}}", members.join(&format!(",{}", habit.spaces)))
}

const TEXTS: &[&str] = &[
    "",
    "x",
    "plain text",
    "seventeen bytes..",
    "a text of more than thirty-two bytes, plain",
    "é and 😀 among many more bytes than sixteen",
    "\\n",
    "tab\\tand \\\"quotes\\\"",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\udc00\\ud800",
    "\\u12",
    "\\q",
    "12",
    "-1",
    "true",
    "null",
    "2026-11-22",
    "10:11:12",
    "2026-11-22 10:11:12.345",
    "2026-11-22T10:11:12",
    "aGk=",
    "2026-11-22 10:11:12.345Z",
    "2026-11-22T10:11:12.5Z",
    "2026-11-22T10:11",
    "1.5",
    "NaN",
    "{",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "7",
    "-128",
    "127",
    "128",
    "32767",
    "32768",
    "2147483647",
    "-2147483649",
    "12345678",
    "123456789012345",
    "1234567890123456",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "123456789012345678901234567890",
    "1.5",
    "-3.7",
    "1e3",
    "1E-3",
    "2.5e400",
    "01",
    "1.",
    ".5",
    "-",
    "1e",
    "99999999.99",
    "99999999.995",
];

fn value(dice: &mut Dice, data_type: &DataType, habit: &Habit) -> String {
    if dice.one_in(12) {
        return "null".to_owned();
    }
    if dice.one_in(40) {
        return any_value(dice, 2);
    }
    let text = |dice: &mut Dice| format!("\"{}\"", dice.pick(TEXTS));
    let (second, nanos) = (dice.below(60), dice.below(1_000_000_000));
    match &data_type.root {
        TypeRoot::Boolean => (*dice.pick(&["true", "false", "\"true\""])).to_owned(),
        TypeRoot::Float | TypeRoot::Double | TypeRoot::Decimal { .. } => {
            format!("{}.{}", dice.below(1_000), dice.below(100))
        }
        TypeRoot::Char(_) | TypeRoot::VarChar(_) => text(dice),
        TypeRoot::Binary(_) | TypeRoot::VarBinary(_) => "\"aGVsbG8=\"".to_owned(),
        TypeRoot::Date => format!("\"2024-02-{:02}\"", dice.below(31)),
        TypeRoot::Time => format!("\"10:11:{second:02}\""),
        TypeRoot::Timestamp { .. } => format!("\"2024-02-28 23:59:{second:02}.{nanos:09}\""),
        TypeRoot::TimestampLtz { .. } => {
            format!("\"2024-02-28T00:00:{second:02}.{}Z\"", nanos % 99)
        }
        TypeRoot::Array(element) => {
            let count = dice.below(3);
            let elements: Vec<String> = (0..count).map(|_| value(dice, element, habit)).collect();
            format!("[{}]", elements.join(", "))
        }
        TypeRoot::Map(_, inner) => format!("{{\"k\":{}}}", value(dice, inner, habit)),
        TypeRoot::Row(fields) => object(dice, fields, habit),
        _ if dice.one_in(9) => (*dice.pick(NUMBERS)).to_owned(),
        _ => dice.below(100).to_string(),
    }
}

fn any_value(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 3 } else { 5 }) {
        0 => (*dice.pick(NUMBERS)).to_owned(),
        1 => format!("\"{}\"", dice.pick(TEXTS)),
        2 => (*dice.pick(&["null", "true", "false", "nul", "{}", "[]", "{ }"])).to_owned(),
        3 => format!("[{}, {}]", any_value(dice, depth - 1), any_value(dice, depth - 1)),
        _ => format!("{{\"a\" : {}}}", any_value(dice, depth - 1)),
    }
}

fn any_records(dice: &mut Dice, fields: &[Field]) -> Vec<Vec<u8>> {
    let spaces = *dice.pick(&["", "", " ", "\t "]);
    let habit = Habit { spaces, broken: dice.below(4) };
    let tail = *dice.pick(&["", "", " ", "\r"]);
    let count = 5 + dice.below(30);
    let mut records: Vec<Vec<u8>> =
        (0..count).map(|_| (object(dice, fields, &habit) + tail).into_bytes()).collect();
    for at in 0..records.len() {
        if dice.one_in(6) {
            let other = records[dice.below(count)].clone();
            dice.damage(&mut records[at], &other);
        }
    }
    records
}

fn check(seed: u64) {
    let mut dice = Dice::new(seed);
    let schema = Schema::new(any_fields(&mut dice, 3));
    let options = any_options(&mut dice);
    let records = any_records(&mut dice, &schema.fields);
    let columns = some_columns(&mut dice, &schema);
    let fields: Vec<Field> = columns.iter().map(|at| schema.fields[*at].clone()).collect();
    let decoder = || JsonDecoder::new(fields.clone(), options.clone());
    let lines: Vec<u8> = records.iter().flat_map(|record| [record, &b"\n"[..]].concat()).collect();
    let written = Json { options: JsonOptions::default(), schema: Schema::new(fields.clone()) };
    let expected = one_by_one(&mut decoder().without_prediction(), &records);
    let alone = one_by_one(&mut decoder(), &records);
    let together = in_lines(&mut decoder(), &lines, &mut dice);
    let what = |way: &str| {
        format!("{way}, seed {seed}, {options:?}, {schema:?}\n{}", String::from_utf8_lossy(&lines))
    };
    check_same(&written, &expected, &alone, &what("each alone"));
    check_same(&written, &expected, &together, &what("in lines"));
}

#[test]
fn random_records_are_read_as_if_each_were_read_the_long_way() {
    seeds().for_each(check);
}

#[test]
fn records_of_one_shape_are_predicted() {
    let schema = Schema::new(vec![
        Field::new("a", TypeRoot::Int.nullable()),
        Field::new(
            "r",
            TypeRoot::Row(vec![Field::new("b", TypeRoot::string().nullable())]).nullable(),
        ),
    ]);
    let mut decoder = JsonDecoder::new(schema.fields, JsonOptions::default());
    let lines = b"{\"a\": 1, \"x\": [], \"r\": {\"b\": \"y\"} }\n".repeat(100);
    let other = b"{\"r\":null}\n".repeat(10);
    let Seen { rows, .. } =
        in_lines(&mut decoder, &[&lines[..], &other].concat(), &mut Dice::new(1));
    assert_eq!(rows, 110);
    assert_eq!(decoder.predictor().misses, 2, "one for each shape");
}

#[test]
fn records_without_any_order_are_soon_read_the_long_way_only() {
    let names: Vec<String> = (0..6).map(|at| format!("f{at}")).collect();
    let fields: Vec<Field> =
        names.iter().map(|name| Field::new(name.clone(), TypeRoot::Int.nullable())).collect();
    let mut dice = Dice::new(3);
    let mut record = || {
        let mut members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
        (1..members.len()).for_each(|at| members.swap(at, dice.below(at + 1)));
        format!("{{{}}}", members.join(",")).into_bytes()
    };
    let records: Vec<Vec<u8>> = (0..2_000).map(|_| record()).collect();
    let mut decoder = JsonDecoder::new(fields, JsonOptions::default());
    assert_eq!(one_by_one(&mut decoder, &records).rows, 2_000);
    let attempts = decoder.predictor().attempts;
    assert!(attempts < 300, "{attempts} attempts");
}
