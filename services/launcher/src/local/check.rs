//! `check --job FILE`: the planner's verdict on code and state.

use std::process::Stdio;

use millrace_domain::lifecycle::{CheckDiagnostic, CheckReport, CheckedOperator};
use serde_json::Value;

use super::LocalSettings;
use super::files::RunDirectory;
use super::process;
use crate::error::LauncherError;

pub(super) async fn run(
    settings: &LocalSettings,
    directory: &RunDirectory,
) -> Result<CheckReport, LauncherError> {
    let mut command = process::command(settings, "check", directory);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = match tokio::time::timeout(settings.check_timeout, command.output()).await {
        Err(_) => {
            return Err(LauncherError::CheckTimeout { seconds: settings.check_timeout.as_secs() });
        }
        Ok(output) => output.map_err(|source| LauncherError::Io {
            doing: "start the planner",
            path: settings.program.clone(),
            source,
        })?,
    };
    report(&output.stdout).ok_or_else(|| LauncherError::CheckFailed {
        problem: String::from_utf8_lossy(&output.stderr)
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or("it printed nothing")
            .trim()
            .to_owned(),
    })
}

/// What `check` prints on stdout, with the refusal in words.
fn report(stdout: &[u8]) -> Option<CheckReport> {
    let value: Value = serde_json::from_slice(stdout).ok()?;
    value.get("ok")?.as_bool()?;
    let report: CheckReport = serde_json::from_value(value).ok()?;
    let message = if report.ok { String::new() } else { message(&report) };
    Some(CheckReport { message, ..report })
}

/// The first error first; without one, what does not fit the state.
fn message(report: &CheckReport) -> String {
    let errors = report.diagnostics.iter().filter(|d| !d.severity.eq_ignore_ascii_case("warning"));
    let mut texts: Vec<String> = errors.map(diagnostic).collect();
    if texts.is_empty() {
        let misfits = report
            .operators
            .iter()
            .filter(|operator| matches!(operator.verdict.as_str(), "incompatible" | "dropped"));
        texts.extend(misfits.map(misfit));
    }
    texts.truncate(3);
    match texts.is_empty() {
        true => "The planner refused the code without saying why".to_owned(),
        false => texts.join(" "),
    }
}

fn diagnostic(diagnostic: &CheckDiagnostic) -> String {
    // Line 0: a problem of the whole.
    let place = match (diagnostic.line.filter(|line| *line > 0), diagnostic.column) {
        (Some(line), Some(column)) => format!("Line {line}, column {column}: "),
        (Some(line), None) => format!("Line {line}: "),
        _ => String::new(),
    };
    let hint = diagnostic.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    sentence(format!("{place}{}{hint}", diagnostic.message.trim()))
}

fn misfit(operator: &CheckedOperator) -> String {
    let reason = operator.reason.as_deref().unwrap_or("its state does not fit");
    sentence(format!("Operator {} is {}: {reason}", operator.name, operator.verdict))
}

fn sentence(text: String) -> String {
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stdout: &str, ok: bool, message: &str) {
        let got = report(stdout.as_bytes()).expect("a report");
        assert_eq!((got.ok, got.message.as_str()), (ok, message));
    }

    #[test]
    fn the_first_error_with_its_place_comes_first() {
        check(r#"{"ok":true,"diagnostics":[]}"#, true, "");
        check(
            r#"{"ok":false,"diagnostics":[
                {"severity":"warning","message":"slow"},
                {"severity":"error","line":3,"column":8,"message":"unknown column x","hint":"did you mean y?"}]}"#,
            false,
            "Line 3, column 8: unknown column x (did you mean y?).",
        );
        check(
            r#"{"ok":false,"operators":[{"id":"1","name":"agg","verdict":"incompatible","reason":"key INT became STRING"},
                {"id":"2","name":"src","verdict":"restored","reason":null}]}"#,
            false,
            "Operator agg is incompatible: key INT became STRING.",
        );
        check(
            r#"{"ok":false,"diagnostics":[{"severity":"error","line":0,"column":0,"message":"no state"}]}"#,
            false,
            "no state.",
        );
        check(r#"{"ok":false}"#, false, "The planner refused the code without saying why");
    }

    #[test]
    fn no_report_is_no_verdict() {
        assert_eq!(report(b""), None);
        assert_eq!(report(b"panicked"), None);
        assert_eq!(report(b"{}"), None);
    }
}
