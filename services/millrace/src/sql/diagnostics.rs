//! What is wrong with a script, as people read it.

pub use millrace_plan::Diagnostic;
use millrace_plan::Severity;

/// `error: FILE:3:8: message`, the line of the script with a caret below it, a hint.
pub fn render(file: &str, problem: &Diagnostic) -> String {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = match problem.line {
        0 => file.to_owned(),
        line => format!("{file}:{line}:{}", problem.column),
    };
    let mut text = format!("{severity}: {place}: {}", problem.message);
    for line in problem.text.lines() {
        text.push_str("\n  ");
        text.push_str(line);
    }
    if let Some(hint) = &problem.hint {
        text.push_str("\nnext: ");
        text.push_str(hint);
    }
    text
}

#[cfg(test)]
mod tests {
    use millrace_plan::{Diagnostic, Severity};

    use super::render;

    #[test]
    fn a_problem_is_shown_with_place_line_and_hint() {
        let problem = Diagnostic {
            severity: Severity::Error,
            line: 3,
            column: 8,
            length: 2,
            message: "there is no column ab".into(),
            text: "SELECT ab\n       ^^".into(),
            hint: Some("the columns are a, b".into()),
        };
        let expected = "error: f.sql:3:8: there is no column ab\n  SELECT ab\n         ^^\n\
                        next: the columns are a, b";
        assert_eq!(render("f.sql", &problem), expected);
    }
}
