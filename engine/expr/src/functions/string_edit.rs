//! Strings: trimming, padding, replacing, encoding (section D.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use super::string::{LONGEST, part, text};
use crate::decimal;
use crate::physical::scope::Scope;
use crate::registry::{Body, Function, Since};
use crate::signature::{Signature, strings_to_string};
use crate::text::number;
use crate::typed::ExprError;
use crate::value::Value;

type Outcome<'a> = Result<Value<'a>, EvalError>;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("TRIM", (1, 3), trim_type, Body::Strict(trim)),
    Function::new(
        "LTRIM",
        (1, 1),
        shortened,
        Body::Strict(|r, _| Ok(cut(&r[0], " ", true, false))),
    ),
    Function::new(
        "RTRIM",
        (1, 1),
        shortened,
        Body::Strict(|r, _| Ok(cut(&r[0], " ", false, true))),
    ),
    Function::new("BTRIM", (1, 2), strings_to_string, Body::NotOffered).since(Since::V2_0),
    Function::new("OVERLAY", (3, 4), overlay_type, Body::Strict(overlay)),
    Function::new("REPLACE", (3, 3), strings_to_string, Body::Strict(replace)),
    Function::new("LPAD", (3, 3), pad_type, Body::Strict(|r, _| pad(r, true))),
    Function::new("RPAD", (3, 3), pad_type, Body::Strict(|r, _| pad(r, false))),
    Function::new("INITCAP", (1, 1), strings_to_string, Body::Strict(initcap)),
    Function::new("STR_TO_MAP", (1, 3), str_to_map_type, Body::Strict(str_to_map)),
    Function::new("ENCODE", (2, 2), encode_type, Body::Strict(encode)),
    Function::new("DECODE", (2, 2), decode_type, Body::Strict(decode)),
    Function::new("TO_BASE64", (1, 1), to_base64_type, Body::Strict(to_base64)),
    Function::new("FROM_BASE64", (1, 1), strings_to_string, Body::Strict(from_base64)),
    Function::new("IS_ALPHA", (1, 1), tested_type, Body::Rows(|r, _| tested(r, is_alpha))),
    Function::new("IS_DIGIT", (1, 1), tested_type, Body::Rows(|r, _| tested(r, is_digit))),
    Function::new("IS_DECIMAL", (1, 1), tested_type, Body::Rows(|r, _| tested(r, is_decimal))),
];

fn shortened(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let last = call.len() - 1;
    call.characters()?;
    let length = call.length(last);
    call.result(TypeRoot::VarChar(length))
}

/// Mode, trim set, string; or the string alone.
fn trim_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if call.len() == 2 {
        return Err(ExprError::new("TRIM takes a mode, a trim set and a string"));
    }
    shortened(call)
}

/// The second argument is a set of characters (row D3.6).
fn trim<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let [mode, set, value] = row else { return Ok(cut(&row[0], " ", true, true)) };
    let (leading, trailing) = match mode.as_str() {
        "LEADING" => (true, false),
        "TRAILING" => (false, true),
        "BOTH" => (true, true),
        other => return Err(EvalError::new(format!("'{other}' is no trim mode"))),
    };
    Ok(cut(value, set.as_str(), leading, trailing))
}

fn cut<'a>(value: &Value<'a>, set: &str, leading: bool, trailing: bool) -> Value<'a> {
    let whole = text(value);
    let in_set = |letter: char| set.contains(letter);
    let start = if leading { whole.len() - whole.trim_start_matches(in_set).len() } else { 0 };
    let end = if trailing { whole.trim_end_matches(in_set).len() } else { whole.len() };
    part(whole, start..end.max(start))
}

fn overlay_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    call.character(1)?;
    (2..call.len()).try_for_each(|index| call.integer(index))?;
    call.result(TypeRoot::string())
}

/// Flink: `SqlFunctionUtils.overlay`.
fn overlay<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let letters: Vec<char> = row[0].as_str().chars().collect();
    let replacement = row[1].as_str();
    let start = row[2].as_int();
    let count = row.get(3).map_or(replacement.chars().count() as i64, Value::as_int);
    if start <= 0 || start > letters.len() as i64 {
        return Ok(row[0].clone());
    }
    let from = start as usize - 1;
    let mut out: String = letters[..from].iter().collect();
    out.push_str(replacement);
    if count > 0 && start.saturating_add(count) <= letters.len() as i64 {
        out.extend(&letters[from + count as usize..]);
    }
    Ok(Value::text(out))
}

fn replace<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let (whole, by) = (row[0].as_str(), row[2].as_str());
    Ok(Value::text(match row[1].as_str().as_bytes() {
        [letter] => whole.replace(char::from(*letter), by),
        _ => whole.replace(row[1].as_str(), by),
    }))
}

fn pad_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    call.integer(1)?;
    call.character(2)?;
    call.result(TypeRoot::string())
}

/// Row D3.17: shortens to n; NULL for n < 0, or when nothing is there to pad with.
fn pad<'a>(row: &[Value<'a>], left: bool) -> Outcome<'a> {
    let Ok(wanted) = usize::try_from(row[1].as_int()) else { return Ok(Value::Null) };
    let whole = text(&row[0]);
    let length = whole.chars().count();
    if wanted <= length {
        let end = whole.char_indices().nth(wanted).map_or(whole.len(), |(byte, _)| byte);
        return Ok(part(whole, 0..end));
    }
    let with = row[2].as_str();
    if with.is_empty() {
        return Ok(Value::Null);
    }
    if wanted > LONGEST {
        return Err(EvalError::new("the result would be longer than 64 MiB"));
    }
    let padding: String = with.chars().cycle().take(wanted - length).collect();
    Ok(Value::text(if left { format!("{padding}{whole}") } else { format!("{whole}{padding}") }))
}

fn initcap<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let mut out = String::with_capacity(row[0].as_str().len());
    let mut inside = false;
    for letter in row[0].as_str().chars() {
        if inside {
            out.extend(letter.to_lowercase());
        } else {
            out.extend(letter.to_uppercase());
        }
        inside = letter.is_alphanumeric();
    }
    Ok(Value::text(out))
}

fn str_to_map_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    let string = TypeRoot::string();
    let map = TypeRoot::Map(Box::new(string.clone().nullable()), Box::new(string.nullable()));
    call.result(map)
}

/// Delimiters are regular expressions (row D3.20).
fn str_to_map<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let whole = row[0].as_str();
    let bad = |text: &str| EvalError::new(format!("'{text}' is no regular expression"));
    let (pairs, keys) =
        (row.get(1).map_or(",", Value::as_str), row.get(2).map_or("=", Value::as_str));
    let between = scope.regex(pairs)?.ok_or_else(|| bad(pairs))?.clone();
    let inside = scope.regex(keys)?.ok_or_else(|| bad(keys))?;
    let mut entries: Vec<(Value<'a>, Value<'a>)> = Vec::new();
    // Java's split drops trailing empty parts.
    let mut parts: Vec<&str> = between.split(whole).collect();
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    for pair in parts {
        let (key, value) = match inside.find(pair) {
            Some(found) => (&pair[..found.start()], Value::text(pair[found.end()..].to_owned())),
            None => (pair, Value::Null),
        };
        let key = Value::text(key.to_owned());
        entries.retain(|(other, _)| *other != key);
        entries.push((key, value));
    }
    Ok(Value::Map(entries))
}

fn encode_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    call.result(TypeRoot::bytes())
}

fn unknown_charset(name: &str) -> EvalError {
    EvalError::new(format!(
        "unknown charset '{name}'; there are US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE, UTF-16"
    ))
}

fn encode<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let text = row[0].as_str();
    let single = |limit: u32| -> Vec<u8> {
        text.chars().map(|c| if (c as u32) < limit { c as u8 } else { b'?' }).collect()
    };
    let big = || -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    Ok(Value::bytes(match row[1].as_str().to_ascii_uppercase().as_str() {
        "US-ASCII" => single(0x80),
        "ISO-8859-1" => single(0x100),
        "UTF-8" => text.as_bytes().to_vec(),
        "UTF-16BE" => big(),
        "UTF-16LE" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "UTF-16" => [vec![0xFE, 0xFF], big()].concat(),
        _ => return Err(unknown_charset(row[1].as_str())),
    }))
}

fn decode_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if *call.root(0) == TypeRoot::Null {
        call.cast(0, &TypeRoot::bytes());
    }
    if !call.root(0).is_binary() {
        return Err(call.error(0, "BYTES"));
    }
    call.character(1)?;
    call.result(TypeRoot::string())
}

fn decode<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let bytes = row[0].as_bytes();
    let wide = |bytes: &[u8], read: fn([u8; 2]) -> u16| -> String {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    Ok(Value::text(match row[1].as_str().to_ascii_uppercase().as_str() {
        "US-ASCII" => bytes
            .iter()
            .map(|b| if b.is_ascii() { char::from(*b) } else { char::REPLACEMENT_CHARACTER })
            .collect(),
        "ISO-8859-1" => bytes.iter().map(|byte| char::from(*byte)).collect(),
        "UTF-8" => String::from_utf8_lossy(bytes).into_owned(),
        "UTF-16BE" => wide(bytes, u16::from_be_bytes),
        "UTF-16LE" => wide(bytes, u16::from_le_bytes),
        "UTF-16" => match bytes {
            [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
            [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
            all => wide(all, u16::from_be_bytes),
        },
        _ => return Err(unknown_charset(row[1].as_str())),
    }))
}

fn to_base64_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if !call.root(0).is_binary() {
        call.character(0)?;
    }
    call.result(TypeRoot::string())
}

fn to_base64<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::text(STANDARD.encode(row[0].as_bytes())))
}

fn from_base64<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let bytes = STANDARD
        .decode(row[0].as_str())
        .map_err(|error| EvalError::new(format!("no valid Base64: {error}")))?;
    Ok(Value::text(String::from_utf8_lossy(&bytes).into_owned()))
}

fn tested_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if !call.root(0).is_numeric() {
        call.character(0)?;
    }
    Ok(TypeRoot::Boolean.not_null())
}

/// NULL and the empty text are FALSE (row D3.27).
fn tested<'a>(row: &[Value<'a>], holds: fn(&Value<'_>) -> bool) -> Outcome<'a> {
    Ok(Value::Boolean(holds(&row[0])))
}

fn all_letters(value: &Value<'_>, holds: fn(char) -> bool) -> bool {
    !value.as_str().is_empty() && value.as_str().chars().all(holds)
}

fn is_alpha(value: &Value<'_>) -> bool {
    all_letters(value, char::is_alphabetic)
}

fn is_digit(value: &Value<'_>) -> bool {
    matches!(value, Value::Integer(0..)) || all_letters(value, |letter| letter.is_ascii_digit())
}

fn is_decimal(value: &Value<'_>) -> bool {
    match value {
        Value::Integer(_) | Value::Decimal(_) | Value::Float(_) => true,
        Value::String(text) => decimal::parse(number::trim(text), 0, 38).is_some(),
        _ => false,
    }
}
