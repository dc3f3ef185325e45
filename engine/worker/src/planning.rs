//! From a script to something that can run.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_connectors::Connectors;
use millrace_dataflow::RuntimeLevel;
use millrace_plan::{Diagnostic, PlanOptions, PlannedScript, plan_script};
use millrace_runtime::{CreateOperator, RuntimeSettings, operators};

/// A script that is ready to run.
pub struct Planned {
    pub script: PlannedScript,
    pub settings: RuntimeSettings,
}

/// Plans a script; `settings` are those given from outside, which the script's own
/// SET statements override.
///
/// # Errors
/// What is wrong with the script or a setting.
pub fn plan(
    script: &str,
    level: RuntimeLevel,
    settings: &BTreeMap<String, String>,
    connectors: &Connectors,
) -> Result<Planned, Vec<Diagnostic>> {
    let options = PlanOptions { level, settings: settings.clone() };
    let script = plan_script(script, &options, connectors)?;
    let settings = RuntimeSettings::parse(&script.settings, level)
        .map_err(|error| vec![without_place(error.to_string())])?;
    Ok(Planned { script, settings })
}

/// A problem of no place in the script.
pub fn without_place(message: String) -> Diagnostic {
    Diagnostic {
        severity: millrace_plan::Severity::Error,
        line: 0,
        column: 0,
        length: 0,
        message,
        text: String::new(),
        hint: None,
    }
}

/// Our own operators.
pub fn create_operator() -> CreateOperator {
    Arc::new(|node, inputs| operators::create(&node.operator, inputs, &node.output, &node.name))
}

/// One diagnostic as one line: `line 3, column 8: unknown column a`.
pub fn one_line(diagnostic: &Diagnostic) -> String {
    let mut text = match diagnostic.line {
        0 => diagnostic.message.clone(),
        line => format!("line {line}, column {}: {}", diagnostic.column, diagnostic.message),
    };
    if let Some(hint) = &diagnostic.hint {
        text.push_str("; ");
        text.push_str(hint);
    }
    text
}
