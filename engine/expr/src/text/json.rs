//! JSON text as Jackson writes it, and paths as Jayway reads them (row D7.5).

use serde_json::Value as Json;

use super::number::double_to_text;

/// Compact text with Java's numbers.
pub(crate) fn to_text(value: &Json) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

pub(crate) fn write(out: &mut String, value: &Json) {
    match value {
        Json::Object(members) => {
            out.push('{');
            for (position, (key, member)) in members.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                quote(out, key);
                out.push(':');
                write(out, member);
            }
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Json::String(text) => quote(out, text),
        scalar => out.push_str(&scalar_text(scalar)),
    }
}

pub(crate) fn quote(out: &mut String, text: &str) {
    out.push_str(&Json::String(text.to_owned()).to_string());
}

/// A scalar without quotes, as Java's `String.valueOf`.
pub(crate) fn scalar_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(number) if number.is_f64() => {
            double_to_text(number.as_f64().unwrap_or(f64::NAN))
        }
        other => other.to_string(),
    }
}

#[derive(Debug, PartialEq)]
enum Step {
    Member(String),
    Index(i64),
    /// `[*]` or `.*`
    All,
    /// `..name`
    Deep(String),
}

/// `lax` or `strict` (when neither is said, as in Calcite), and the steps behind `$`.
#[derive(Debug, PartialEq)]
pub(crate) struct Path {
    pub strict: bool,
    steps: Vec<Step>,
}

impl Path {
    /// # Errors
    /// What is wrong with the path.
    pub fn parse(text: &str) -> Result<Path, String> {
        let trimmed = text.trim();
        let (mode, steps) = match trimmed.split_once(char::is_whitespace) {
            Some((mode, rest)) if ["lax", "strict"].contains(&mode.to_lowercase().as_str()) => {
                (mode.to_lowercase(), rest.trim())
            }
            _ => ("strict".to_owned(), trimmed),
        };
        let steps = steps
            .strip_prefix('$')
            .and_then(read_steps)
            .ok_or_else(|| format!("illegal JSON path '{text}'"))?;
        Ok(Path { strict: mode == "strict", steps })
    }

    /// What the path leads to; several matches are an array. `None` when nothing.
    pub fn find(&self, root: &Json) -> Option<Json> {
        let mut found = vec![root];
        let mut several = false;
        for step in &self.steps {
            several |= matches!(step, Step::All | Step::Deep(_));
            found = found.into_iter().flat_map(|value| follow(value, step)).collect();
        }
        if several {
            return Some(Json::Array(found.into_iter().cloned().collect()));
        }
        found.first().map(|value| (*value).clone())
    }
}

fn follow<'a>(value: &'a Json, step: &Step) -> Vec<&'a Json> {
    match (step, value) {
        (Step::Member(name), Json::Object(members)) => members.get(name).into_iter().collect(),
        (Step::Index(index), Json::Array(items)) => {
            let at = if *index < 0 { items.len() as i64 + index } else { *index };
            usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
        }
        (Step::All, Json::Array(items)) => items.iter().collect(),
        (Step::All, Json::Object(members)) => members.values().collect(),
        (Step::Deep(name), value) => {
            let mut found = Vec::new();
            deep(value, name, &mut found);
            found
        }
        _ => Vec::new(),
    }
}

// serde_json bounds the depth of what it parses at 128.
fn deep<'a>(value: &'a Json, name: &str, found: &mut Vec<&'a Json>) {
    match value {
        Json::Object(members) => {
            found.extend(members.get(name));
            members.values().for_each(|member| deep(member, name, found));
        }
        Json::Array(items) => items.iter().for_each(|item| deep(item, name, found)),
        _ => {}
    }
}

fn read_steps(mut rest: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            let (name, after) = name(after)?;
            steps.push(Step::Deep(name));
            rest = after;
        } else if let Some(after) = rest.strip_prefix(".*") {
            steps.push(Step::All);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = name(after)?;
            steps.push(Step::Member(name));
            rest = after;
        } else {
            let (step, after) = bracket(rest.strip_prefix('[')?)?;
            steps.push(step);
            rest = after;
        }
    }
    Some(steps)
}

fn name(text: &str) -> Option<(String, &str)> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let found = text[..end].trim();
    (!found.is_empty()).then(|| (found.to_owned(), &text[end..]))
}

fn bracket(text: &str) -> Option<(Step, &str)> {
    let text = text.trim_start();
    for mark in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(mark) {
            let (name, after) = inner.split_once(mark)?;
            let after = after.trim_start().strip_prefix(']')?;
            return Some((Step::Member(name.to_owned()), after));
        }
    }
    let (inner, after) = text.split_once(']')?;
    let step = match inner.trim() {
        "*" => Step::All,
        index => Step::Index(index.parse().ok()?),
    };
    Some((step, after))
}
