//! What is wrong with a script, shown at the place where it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::secrets::masked;
use crate::span::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// A problem and its place. `line` and `column` count from 1, `column` and `length`
/// in characters; all three are 0 when the problem has no place in the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub line: usize,
    pub column: usize,
    pub length: usize,
    /// One sentence or two: what is wrong.
    pub message: String,
    /// The source line with a caret below it; empty without a place.
    pub text: String,
    /// What to do next, when that is known.
    pub hint: Option<String>,
}

/// A problem that is not yet placed: the parser's and the binder's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub span: Span,
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub fn new(span: Span, message: impl Into<String>) -> Problem {
        Problem { span, message: message.into(), hint: None }
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    pub fn or_hint(mut self, hint: Option<String>) -> Problem {
        self.hint = self.hint.or(hint);
        self
    }

    /// With its place in the script; a problem at [`Span::default`] has none.
    pub fn into_diagnostic(self, severity: Severity, script: &str) -> Diagnostic {
        if self.span == Span::default() {
            let hint = self.hint;
            return Diagnostic { hint, ..Diagnostic::without_place(severity, self.message) };
        }
        let place = Place::of(self.span, script);
        Diagnostic {
            severity,
            line: place.line,
            column: place.column,
            length: place.length,
            message: self.message,
            text: place.text,
            hint: self.hint,
        }
    }
}

impl Diagnostic {
    /// A problem of the job rather than of a place in its script.
    pub fn without_place(severity: Severity, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            line: 0,
            column: 0,
            length: 0,
            message: message.into(),
            text: String::new(),
            hint: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    /// Message, place, source line, caret, hint: for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)?;
        if self.line > 0 {
            write!(f, "\n --> line {}, column {}\n{}", self.line, self.column, self.text)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

struct Place {
    line: usize,
    column: usize,
    length: usize,
    text: String,
}

impl Place {
    fn of(span: Span, script: &str) -> Place {
        let start = floor_char(script, span.start.min(script.len()));
        let line_start = script[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = script[start..].find('\n').map_or(script.len(), |at| start + at);
        let end = floor_char(script, span.end.clamp(start, line_end));
        let column = script[line_start..start].chars().count() + 1;
        let length = script[start..end].chars().count().max(1);
        let line = script[..start].matches('\n').count() + 1;
        let shown = masked(script);
        let source = shown.split('\n').nth(line - 1).unwrap_or_default().trim_end_matches('\r');
        Place {
            line,
            column,
            length,
            text: format!("{source}\n{}{}", padding(source, column), "^".repeat(length)),
        }
    }
}

// Tabs are kept so that the caret stands below its column whatever the tab width.
fn padding(source: &str, column: usize) -> String {
    let mut text: String =
        source.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let missing = (column - 1).saturating_sub(text.chars().count());
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(script: &str, start: usize, end: usize) -> Diagnostic {
        Problem::new(Span::new(start, end), "m").into_diagnostic(Severity::Error, script)
    }

    #[test]
    fn a_place_counts_characters_from_one() {
        let d = place("a\n é bad x", 6, 9);
        assert_eq!((d.line, d.column, d.length), (2, 4, 3));
        assert_eq!(d.text, " é bad x\n   ^^^");
    }

    #[test]
    fn a_place_at_the_end_or_over_lines_is_cut_to_one_line() {
        let d = place("ab", 2, 2);
        assert_eq!((d.line, d.column, d.length, d.text.as_str()), (1, 3, 1, "ab\n  ^"));
        let d = place("ab\ncd", 1, 5);
        assert_eq!((d.line, d.column, d.length), (1, 2, 1));
    }

    #[test]
    fn a_diagnostic_reads_alone() {
        let d = Problem::new(Span::new(7, 8), "no column x").with_hint("there is y");
        let shown = d.into_diagnostic(Severity::Error, "SELECT x").to_string();
        assert_eq!(
            shown,
            "error: no column x\n --> line 1, column 8\nSELECT x\n       ^\nhint: there is y"
        );
    }
}
