//! `java.util.regex` patterns for Rust's engine: its classes are ASCII by default.

use regex::Regex;

#[derive(Debug)]
pub(crate) enum BadRegex {
    Invalid,
    /// Valid in Java; says what it uses.
    NotOffered(&'static str),
}

pub(crate) fn compile(pattern: &str) -> Result<Regex, BadRegex> {
    Regex::new(&translate(pattern)).map_err(|error| {
        let text = error.to_string();
        if text.contains("look-around") {
            BadRegex::NotOffered("look-around")
        } else if text.contains("backreferences") {
            BadRegex::NotOffered("back-references")
        } else {
            BadRegex::Invalid
        }
    })
}

/// `\d \w \s \b` and their complements mean ASCII; `\Q..\E` quotes; `\Z` is the end.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut letters = pattern.chars();
    let mut depth = 0usize;
    while let Some(letter) = letters.next() {
        match letter {
            '[' => {
                depth += 1;
                out.push('[');
            }
            ']' => {
                depth = depth.saturating_sub(1);
                out.push(']');
            }
            '\\' => match letters.next() {
                Some('Q') => {
                    let rest = letters.as_str();
                    let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                    out.push_str(&regex::escape(quoted));
                    letters = after.chars();
                }
                Some(class) => out.push_str(&escape(class, depth > 0)),
                None => out.push('\\'),
            },
            letter => out.push(letter),
        }
    }
    out
}

fn escape(class: char, inside: bool) -> String {
    let set = match class {
        'd' => "0-9",
        'w' => "a-zA-Z0-9_",
        's' => " \\t\\n\\x0B\\f\\r",
        'D' => "^0-9",
        'W' => "^a-zA-Z0-9_",
        'S' => "^ \\t\\n\\x0B\\f\\r",
        'h' => " \\t\\xA0",
        'b' | 'B' if !inside => return format!("(?-u:\\{class})"),
        'Z' if !inside => return "\\n?\\z".to_owned(),
        'e' => return "\\x1B".to_owned(),
        // Rust refuses to escape letters it has no meaning for; Java's others agree.
        other => return format!("\\{other}"),
    };
    if inside && !set.starts_with('^') { set.to_owned() } else { format!("[{set}]") }
}
