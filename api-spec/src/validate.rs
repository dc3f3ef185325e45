//! Walks a request along its shape and says what does not hold.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::shape::{Member, Shape};
use crate::timestamp::EpochSeconds;

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A value is of another type than the model's: the request cannot be read.
    #[error("{path}: {expected} is expected, not {found}")]
    Type { path: String, expected: &'static str, found: &'static str },
    /// Values that can be read and break a constraint; AWS's wording, all of them.
    #[error("{}", summary(.0))]
    Constraints(Vec<Violation>),
}

/// A value that breaks a constraint of its member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Value {value} at '{path}' failed to satisfy constraint: Member {rule}")]
pub struct Violation {
    /// Dotted, from the request down; list places from 0 in brackets.
    pub path: String,
    /// Quoted and cut; hidden when it may be a secret.
    pub value: String,
    pub rule: String,
}

fn summary(violations: &[Violation]) -> String {
    let plural = if violations.len() == 1 { "error" } else { "errors" };
    let all: Vec<String> = violations.iter().map(Violation::to_string).collect();
    format!("{} validation {plural} detected: {}", violations.len(), all.join("; "))
}

/// More would be noise, and a request can hold thousands.
const REPORTED: usize = 10;
/// Characters of a value shown in an error.
const SHOWN: usize = 64;

/// Checks `request` against `shape`. Members that the shape does not name are ignored,
/// a `null` member is an absent one.
///
/// # Errors
/// The first value of another type, or else the constraints that do not hold.
pub fn validate(shape: &Shape, request: &Value) -> Result<(), Finding> {
    let mut violations = Vec::new();
    walk(shape, "", request, &mut violations)?;
    violations.truncate(REPORTED);
    if violations.is_empty() { Ok(()) } else { Err(Finding::Constraints(violations)) }
}

fn walk(shape: &Shape, path: &str, value: &Value, out: &mut Vec<Violation>) -> Result<(), Finding> {
    match shape {
        Shape::Text { min, max, pattern, secret } => {
            let text = value.as_str().ok_or_else(|| wrong(path, "a string", value))?;
            let shown = if *secret { hidden() } else { quoted(text) };
            let length = text.chars().count();
            check_range(path, &shown, length as i64, *min as i64, *max as i64, LENGTH, out);
            if text.contains('\0') {
                // No text of a database holds it.
                let rule = "must not contain the character U+0000".to_owned();
                out.push(Violation { path: path.to_owned(), value: hidden(), rule });
            }
            if let Some(pattern) = pattern.filter(|pattern| !pattern.matches(text)) {
                let rule = format!("must satisfy regular expression pattern: {}", pattern.text);
                out.push(Violation { path: path.to_owned(), value: shown, rule });
            }
        }
        Shape::Enum(words) => {
            let text = value.as_str().ok_or_else(|| wrong(path, "a string", value))?;
            if !words.contains(&text) {
                let rule = format!("must satisfy enum value set: [{}]", words.join(", "));
                out.push(Violation { path: path.to_owned(), value: quoted(text), rule });
            }
        }
        Shape::Integer { min, max } => {
            let number = value
                .as_i64()
                .filter(|number| i32::try_from(*number).is_ok())
                .ok_or_else(|| wrong(path, "a 32-bit integer", value))?;
            check_range(path, &quoted(&number.to_string()), number, *min, *max, VALUE, out);
        }
        Shape::Long { min, max } => {
            let number = value.as_i64().ok_or_else(|| wrong(path, "a 64-bit integer", value))?;
            check_range(path, &quoted(&number.to_string()), number, *min, *max, VALUE, out);
        }
        Shape::Boolean => {
            value.as_bool().ok_or_else(|| wrong(path, "a boolean", value))?;
        }
        Shape::Timestamp => {
            let time = value.as_f64().and_then(EpochSeconds::from_number);
            time.ok_or_else(|| wrong(path, "a time in seconds since the epoch", value))?;
        }
        Shape::Blob { max } => {
            let text = value.as_str().ok_or_else(|| wrong(path, "a base64 string", value))?;
            let bytes = STANDARD.decode(text).map_err(|_| wrong(path, "a base64 string", value))?;
            check_range(path, &hidden(), bytes.len() as i64, 0, *max as i64, LENGTH, out);
        }
        Shape::List { of, min, max } => {
            let items = value.as_array().ok_or_else(|| wrong(path, "a list", value))?;
            let shown = format!("of {} items", items.len());
            check_range(path, &shown, items.len() as i64, *min as i64, *max as i64, LENGTH, out);
            for (at, item) in items.iter().enumerate() {
                walk(of, &format!("{path}[{at}]"), item, out)?;
            }
        }
        Shape::Map { key, value: of, min, max } => {
            let entries = value.as_object().ok_or_else(|| wrong(path, "a map", value))?;
            let shown = format!("of {} entries", entries.len());
            check_range(path, &shown, entries.len() as i64, *min as i64, *max as i64, LENGTH, out);
            for (name, value) in entries {
                walk(key, &format!("{path}.key"), &Value::String(name.clone()), out)?;
                walk(of, &format!("{path}.{}", cut(name)), value, out)?;
            }
        }
        Shape::Structure(members) => {
            let given = value.as_object().ok_or_else(|| wrong(path, "a structure", value))?;
            for member in *members {
                walk_member(member, path, given, out)?;
            }
        }
    }
    Ok(())
}

fn walk_member(
    member: &Member,
    path: &str,
    given: &Map<String, Value>,
    out: &mut Vec<Violation>,
) -> Result<(), Finding> {
    let dot = if path.is_empty() { "" } else { "." };
    let path = format!("{path}{dot}{}", member.name);
    match given.get(member.name) {
        Some(value) if !value.is_null() => walk(member.shape, &path, value, out),
        _ if member.required => {
            let rule = "must not be null".to_owned();
            out.push(Violation { path, value: "null".to_owned(), rule });
            Ok(())
        }
        _ => Ok(()),
    }
}

/// How AWS words a bound on a length, and on a value.
const LENGTH: &str = "must have length";
const VALUE: &str = "must have value";

fn check_range(
    path: &str,
    shown: &str,
    actual: i64,
    min: i64,
    max: i64,
    what: &str,
    out: &mut Vec<Violation>,
) {
    let rule = if actual < min {
        format!("{what} greater than or equal to {min}")
    } else if actual > max {
        format!("{what} less than or equal to {max}")
    } else {
        return;
    };
    out.push(Violation { path: path.to_owned(), value: shown.to_owned(), rule });
}

fn wrong(path: &str, expected: &'static str, found: &Value) -> Finding {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a fractional or too large number",
        Value::Number(_) => "a number out of range",
        Value::String(_) => "a string that is none",
        Value::Array(_) => "a list",
        Value::Object(_) => "a structure",
    };
    let path = if path.is_empty() { "the request" } else { path };
    Finding::Type { path: path.to_owned(), expected, found }
}

fn quoted(text: &str) -> String {
    format!("'{}'", cut(text))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn hidden() -> String {
    "(hidden)".to_owned()
}
