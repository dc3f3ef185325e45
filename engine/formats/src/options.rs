//! Options as data: which keys a connector or format has, of what type, with what
//! default, and how their text is read (Flink: `ConfigOption`).

use std::time::Duration;

use millrace_dataflow::{RuntimeLevel, settings};

/// One option of a connector or a format.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// A `#` stands for the name of a column (rows `fields.#.kind`).
    pub key: &'static str,
    pub kind: OptionKind,
    pub required: bool,
    /// As it would be written in `WITH (...)`.
    pub default: Option<&'static str>,
    /// The first level that has it.
    pub since: RuntimeLevel,
}

/// How an option's text is read.
#[derive(Clone, Copy, Debug)]
pub enum OptionKind {
    Text,
    Boolean,
    Int,
    Long,
    Double,
    /// Flink's durations: `60 s`, `1min`, `500` (milliseconds).
    Duration,
    /// Flink's memory sizes: `128mb`, `200 b`, `1024` (bytes).
    MemorySize,
    Regex,
    /// One of these, in any case (section G: enums only are case-insensitive).
    Enum(&'static [&'static str]),
    /// Exactly one character; a literal `\t` and the like is unescaped.
    Char,
}

impl OptionSpec {
    pub const fn required(key: &'static str, kind: OptionKind) -> OptionSpec {
        OptionSpec { key, kind, required: true, default: None, since: RuntimeLevel::Flink1_15 }
    }

    pub const fn optional(key: &'static str, kind: OptionKind) -> OptionSpec {
        OptionSpec { required: false, ..OptionSpec::required(key, kind) }
    }

    pub const fn defaulted(
        key: &'static str,
        kind: OptionKind,
        default: &'static str,
    ) -> OptionSpec {
        OptionSpec { default: Some(default), ..OptionSpec::optional(key, kind) }
    }

    pub const fn since(self, level: RuntimeLevel) -> OptionSpec {
        OptionSpec { since: level, ..self }
    }

    /// Whether this spec is for `key`, with `#` matching one or more path parts.
    pub fn matches(&self, key: &str) -> bool {
        match self.key.split_once('#') {
            None => self.key == key,
            Some((before, after)) => {
                key.len() > before.len() + after.len()
                    && key.starts_with(before)
                    && key.ends_with(after)
            }
        }
    }
}

impl OptionKind {
    /// # Errors
    /// What the text should have been.
    pub fn check(self, text: &str) -> Result<(), String> {
        match self {
            OptionKind::Text => Ok(()),
            OptionKind::Boolean => known(parse_boolean(text), "true or false"),
            OptionKind::Int => known(text.trim().parse::<i32>().ok(), "an integer"),
            OptionKind::Long => known(text.trim().parse::<i64>().ok(), "an integer"),
            OptionKind::Double => known(text.trim().parse::<f64>().ok(), "a number"),
            OptionKind::Duration => {
                known(parse_duration(text), "a duration such as '500 ms', '10 s' or '1 min'")
            }
            OptionKind::MemorySize => {
                known(parse_memory_size(text), "a size such as '64 kb' or '128 mb'")
            }
            OptionKind::Char => known(parse_char(text), "a single ASCII character"),
            // The regular expression library is the connector's.
            OptionKind::Regex => known((!text.is_empty()).then_some(()), "a regular expression"),
            OptionKind::Enum(values) => {
                let found = values.iter().any(|value| value.eq_ignore_ascii_case(text.trim()));
                known(found.then_some(()), &format!("one of {}", values.join(", ")))
            }
        }
    }
}

fn known<T>(value: Option<T>, wanted: &str) -> Result<(), String> {
    value.map(drop).ok_or_else(|| wanted.to_owned())
}

/// `true` and `false` in any case.
pub fn parse_boolean(text: &str) -> Option<bool> {
    match text.trim() {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A number and a unit, milliseconds when there is none; parts below one are cut off.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let ms = settings::parse_duration_ms(text).ok()?;
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// A number and a unit in bytes, binary multiples.
pub fn parse_memory_size(text: &str) -> Option<u64> {
    settings::parse_size_bytes(text).ok()
}

/// One ASCII character, given as itself or as an escape (`\t`, `\\`, `\u0001`).
pub fn parse_char(text: &str) -> Option<u8> {
    let code = match text {
        "\\t" => b'\t',
        "\\\\" => b'\\',
        _ if text.len() == 6 && text.starts_with("\\u") => {
            u8::try_from(u32::from_str_radix(&text[2..], 16).ok()?).ok()?
        }
        _ => *text.as_bytes().first()?,
    };
    let single = text.len() == 1 || text.starts_with('\\');
    (single && code.is_ascii()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_be_escaped() {
        for (text, expected) in [
            (";", Some(b';')),
            ("\t", Some(b'\t')),
            ("\\t", Some(b'\t')),
            ("\\u0001", Some(1)),
            ("\\", Some(b'\\')),
            (";;", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(parse_char(text), expected, "{text}");
        }
    }

    #[test]
    fn a_hash_in_a_key_stands_for_a_column() {
        let spec = OptionSpec::optional("fields.#.kind", OptionKind::Text);
        assert!(spec.matches("fields.a.kind"));
        assert!(spec.matches("fields.a.b.kind"));
        assert!(!spec.matches("fields..kind"));
        assert!(!spec.matches("fields.a.min"));
    }
}
