//! Every constraint of every member of every request: just inside passes, just outside
//! is refused by a message that names the member. The cases are made from the shapes, so
//! a member added to them is covered without another word.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millrace_api_spec::operations::OPERATIONS;
use millrace_api_spec::shape::Shape;
use millrace_api_spec::{Finding, validate};
use serde_json::{Map, Value, json};

/// A value, and the path and rule by which it must be refused; `None`: it passes.
struct Case {
    value: Value,
    refused: Option<(String, String)>,
}

fn passes(value: Value) -> Case {
    Case { value, refused: None }
}

fn refused(value: Value, rule: impl Into<String>) -> Case {
    Case { value, refused: Some((String::new(), rule.into())) }
}

/// The least that the shape allows.
fn sample(shape: &Shape) -> Value {
    match shape {
        Shape::Text { min, pattern, .. } => text((*min).max(1), pattern.map(|p| p.text)),
        Shape::Enum(words) => json!(words[0]),
        Shape::Integer { min, .. } | Shape::Long { min, .. } => json!(min),
        Shape::Boolean => json!(true),
        Shape::Timestamp => json!(1_795_356_208),
        Shape::Blob { .. } => json!(""),
        Shape::List { of, min, .. } => json!(vec![sample(of); *min]),
        Shape::Map { value, min, .. } => entries(*min, value),
        Shape::Structure(members) => {
            let required = members.iter().filter(|member| member.required);
            required.map(|member| (member.name.to_owned(), sample(member.shape))).collect()
        }
    }
}

const TIME_OF_DAY: &str = "([01][0-9]|2[0-3]):[0-5][0-9]";
/// Anything but control characters.
const PRINTABLE: &str = r"[^\u0000-\u001F\u007F]*";

/// A text of this length that matches the pattern.
fn text(length: usize, pattern: Option<&str>) -> Value {
    match pattern {
        Some("arn:.*") => json!(format!("arn:{}", "x".repeat(length.saturating_sub(4)))),
        Some(r"\$\S*") => json!(format!("${}", "x".repeat(length.saturating_sub(1)))),
        Some("UTF-8") if length == 5 => json!("UTF-8"),
        Some(TIME_OF_DAY) if length == 5 => json!("23:59"),
        _ => json!("x".repeat(length)),
    }
}

fn entries(count: usize, value: &Shape) -> Value {
    let entry = |at| (format!("key-{at}"), sample(value));
    Value::Object((0..count).map(entry).collect::<Map<_, _>>())
}

fn cases(shape: &Shape) -> Vec<Case> {
    match shape {
        Shape::Text { min, max, pattern, .. } => text_cases(*min, *max, pattern.map(|p| p.text)),
        Shape::Enum(words) => {
            let mut cases: Vec<Case> = words.iter().map(|word| passes(json!(word))).collect();
            cases.push(refused(json!("NONSENSE"), "must satisfy enum value set"));
            cases.push(refused(json!(words[0].to_lowercase()), "must satisfy enum value set"));
            cases.push(refused(json!(7), "a string is expected"));
            cases
        }
        Shape::Integer { min, max } => number_cases(*min, *max, i64::from(i32::MAX)),
        Shape::Long { min, max } => number_cases(*min, *max, i64::MAX),
        Shape::Boolean => vec![
            passes(json!(true)),
            passes(json!(false)),
            refused(json!("true"), "a boolean is expected"),
        ],
        Shape::Timestamp => vec![
            passes(json!(1_795_356_208)),
            passes(json!(1_795_356_204.683_654)),
            refused(json!("2026-11-22T00:00:00Z"), "a time in seconds"),
            refused(json!(1e300), "a time in seconds"),
        ],
        Shape::Blob { max } => vec![
            passes(json!(STANDARD.encode(vec![0; *max]))),
            refused(json!(STANDARD.encode(vec![0; *max + 1])), at_most(*max)),
            refused(json!("not base64!"), "a base64 string is expected"),
        ],
        Shape::List { of, min, max } => list_cases(of, *min, *max),
        Shape::Map { key, value, min, max } => map_cases(key, value, *min, *max),
        Shape::Structure(_) => structure_cases(shape),
    }
}

fn at_most(max: usize) -> String {
    format!("must have length less than or equal to {max}")
}

fn at_least(min: usize) -> String {
    format!("must have length greater than or equal to {min}")
}

fn text_cases(min: usize, max: usize, pattern: Option<&str>) -> Vec<Case> {
    let least = min.max(if pattern == Some("arn:.*") { 4 } else { min });
    let mut cases = vec![
        passes(text(least, pattern)),
        passes(text(max, pattern)),
        refused(text(max + 1, pattern), at_most(max)),
        refused(json!(7), "a string is expected"),
        refused(json!(["x"]), "a string is expected"),
    ];
    if min > 0 {
        cases.push(refused(json!(""), at_least(min)));
    }
    if pattern.is_some() {
        let rule = "must satisfy regular expression pattern";
        if pattern != Some(PRINTABLE) {
            cases.push(refused(json!("bad name!"), rule));
        }
        cases.push(refused(json!("good\nbad "), rule));
    } else {
        // Lengths are of characters, not of bytes.
        cases.push(passes(json!("ü".repeat(max))));
    }
    cases
}

fn number_cases(min: i64, max: i64, type_max: i64) -> Vec<Case> {
    let mut cases = vec![
        passes(json!(min)),
        passes(json!(max)),
        refused(json!(min - 1), format!("must have value greater than or equal to {min}")),
        refused(json!("1"), "-bit integer is expected"),
        refused(json!(1.5), "-bit integer is expected"),
        refused(json!(1e19), "-bit integer is expected"),
    ];
    if max < type_max {
        let rule = format!("must have value less than or equal to {max}");
        cases.push(refused(json!(max + 1), rule));
    }
    cases
}

fn list_cases(of: &Shape, min: usize, max: usize) -> Vec<Case> {
    let of_length = |length: usize| json!(vec![sample(of); length]);
    let mut cases = vec![
        passes(of_length(min)),
        passes(of_length(max)),
        refused(of_length(max + 1), at_most(max)),
        refused(json!({}), "a list is expected"),
    ];
    if min > 0 {
        cases.push(refused(of_length(min - 1), at_least(min)));
    }
    cases.extend(self::cases(of).into_iter().map(|case| wrap(case, "[0]", |value| json!([value]))));
    cases
}

fn map_cases(key: &Shape, value: &Shape, min: usize, max: usize) -> Vec<Case> {
    let mut all = vec![
        passes(entries(min, value)),
        passes(entries(max, value)),
        refused(entries(min - 1, value), at_least(min)),
        refused(entries(max + 1, value), at_most(max)),
        refused(json!([]), "a map is expected"),
    ];
    all.extend(
        cases(value).into_iter().map(|case| wrap(case, ".k", |value| json!({ "k": value }))),
    );
    let keys = cases(key).into_iter().filter(|case| case.value.is_string());
    all.extend(keys.map(|case| {
        wrap(case, ".key", |name| json!({ name.as_str().expect("filtered"): sample(value) }))
    }));
    all
}

fn structure_cases(shape: &Shape) -> Vec<Case> {
    let Shape::Structure(members) = shape else { unreachable!("called for structures") };
    let with = |name: &str, value: Value| {
        let mut whole = sample(shape);
        whole[name] = value;
        whole
    };
    let mut all = vec![passes(sample(shape)), refused(json!([]), "a structure is expected")];
    all.push(passes(with("NoSuchMember", json!(7))));
    for member in *members {
        let path = format!(".{}", member.name);
        let null = match member.required {
            true => refused(Value::Null, "must not be null"),
            false => passes(Value::Null),
        };
        let of_member = cases(member.shape).into_iter().chain([null]);
        all.extend(of_member.map(|case| wrap(case, &path, |value| with(member.name, value))));
    }
    all
}

fn wrap(case: Case, step: &str, around: impl FnOnce(Value) -> Value) -> Case {
    let refused = case.refused.map(|(path, rule)| (format!("{step}{path}"), rule));
    Case { value: around(case.value), refused }
}

/// How many constraints were seen to pass, and to refuse.
fn check(operation: &str, shape: &Shape) -> (usize, usize) {
    let (mut inside, mut outside) = (0, 0);
    for case in cases(shape) {
        let found = validate(shape, &case.value);
        let shown: String = case.value.to_string().chars().take(300).collect();
        match (&case.refused, found) {
            (None, Ok(())) => inside += 1,
            (Some((path, rule)), Err(finding)) => {
                let message = finding.to_string();
                let member = path.trim_start_matches('.');
                assert!(
                    message.contains(member) && message.contains(rule.as_str()),
                    "{operation}: {message}\ndoes not say {member:?} and {rule:?}"
                );
                outside += 1;
            }
            (expected, found) => {
                panic!("{operation}: {shown}\nexpected {expected:?}, found {found:?}")
            }
        }
    }
    (inside, outside)
}

#[test]
fn every_constraint_of_every_member_holds() {
    let mut all = (0, 0);
    for operation in OPERATIONS {
        let (inside, outside) = check(operation.name, operation.input);
        all = (all.0 + inside, all.1 + outside);
    }
    // Fewer would mean that the walk lost a part of the tables.
    assert!(all.0 > 1_000 && all.1 > 1_500, "{all:?}");
}

fn message(operation: &str, request: Value) -> String {
    let shape = OPERATIONS.iter().find(|spec| spec.name == operation).expect("an operation").input;
    validate(shape, &request).expect_err("it is wrong").to_string()
}

#[test]
fn the_message_is_worded_as_by_aws_and_names_all_that_is_wrong() {
    let request = json!({ "ApplicationName": "bad name!", "Limit": 51 });
    assert_eq!(
        message("ListApplicationVersions", request),
        "2 validation errors detected: Value 'bad name!' at 'ApplicationName' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; \
         Value '51' at 'Limit' failed to satisfy constraint: Member must have value less than or \
         equal to 50"
    );
}

#[test]
fn a_secret_is_not_repeated() {
    let secret = "hunter2".repeat(400);
    let request = json!({
        "ApplicationName": "a",
        "RuntimeEnvironment": "FLINK-1_18",
        "ServiceExecutionRole": "arn:aws:iam::000000000000:role/r",
        "ApplicationConfiguration": { "EnvironmentProperties": { "PropertyGroups": [
            { "PropertyGroupId": "g", "PropertyMap": { "password": secret } }
        ] } }
    });
    let message = message("CreateApplication", request);
    assert!(message.contains("PropertyGroups[0].PropertyMap.password"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_long_value_is_cut() {
    let message = message("DescribeApplication", json!({ "ApplicationName": "x".repeat(5000) }));
    assert!(message.len() < 300, "{message}");
}

#[test]
fn a_value_of_another_type_is_told_apart() {
    let shape = OPERATIONS.iter().find(|spec| spec.name == "StopApplication").unwrap();
    let found = validate(shape.input, &json!({ "ApplicationName": "a", "Force": "yes" }));
    assert!(matches!(found, Err(Finding::Type { path, .. }) if path == "Force"));
}
