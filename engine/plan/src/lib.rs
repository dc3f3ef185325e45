//! A script becomes a job graph: operator choice, unused columns dropped, shared
//! sub-plans, exchanges, changelog modes, stable operator ids, state layouts.
//!
//! Flow: [`plan_script`] parses and binds with `millrace_sql`, builds a physical plan,
//! derives its changelog modes and lowers it. [`compatibility`] says whether a
//! snapshot's state fits a graph.
//!
//! Contract: pure; the same script, settings, level and connectors give the same graph
//! with the same ids.
//!
//! Must not know: runtime, state, connectors. Reads no clock.

mod build;
mod changelog;
mod collapse;
mod columns;
mod compatibility;
mod explain;
mod graph;
mod identity;
mod join;
mod members;
mod mini_batch;
mod names;
mod physical;
mod render;
mod sink_materialize;
mod sink_shuffle;
mod two_phase;
mod upsert_keys;
mod upsert_source;

use std::collections::BTreeMap;

use millrace_dataflow::catalog::ConnectorCatalog;
use millrace_dataflow::{JobGraph, RuntimeLevel, Schema};
use millrace_expr::ExprContext;
use millrace_sql::logical::{BoundInsert, BoundScript, BoundSelect};
use millrace_sql::{BindOptions, Problem, Span};

pub use compatibility::{Verdict, VerdictKind, compatibility};
pub use millrace_dataflow::graph::OperatorStateMeta;
pub use millrace_sql::{Diagnostic, Severity};

/// What planning depends on beside the script and the connectors.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    pub level: RuntimeLevel,
    /// The job's settings; the script's SETs go over them.
    pub settings: BTreeMap<String, String>,
}

/// A script that can run.
#[derive(Clone, Debug)]
pub struct PlannedScript {
    /// Without nodes when the script only explains or shows.
    pub graph: JobGraph,
    /// The job's settings with the script's SETs over them.
    pub settings: BTreeMap<String, String>,
    /// The columns of the one SELECT at top level, whose rows the graph's
    /// [`millrace_dataflow::graph::Operator::Collect`] gives.
    pub collects: Option<Schema>,
    /// The plan of the job, as EXPLAIN shows it.
    pub explain: String,
    /// What EXPLAIN, SHOW and DESCRIBE answered, in the script's order by kind.
    pub reports: Vec<String>,
    pub warnings: Vec<Diagnostic>,
}

/// Parses, binds and plans a script.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text; warnings are among
/// them when there is an error.
pub fn plan_script(
    script: &str,
    options: &PlanOptions,
    connectors: &dyn ConnectorCatalog,
) -> Result<PlannedScript, Vec<Diagnostic>> {
    let place = |severity: Severity, problem: Problem| problem.into_diagnostic(severity, script);
    let error = |problem: Problem| place(Severity::Error, problem);
    let (statements, problems) = millrace_sql::parser::parse(script);
    if !problems.is_empty() {
        return Err(problems.into_iter().map(error).collect());
    }
    let bind_options =
        BindOptions { level: options.level, settings: &options.settings, connectors };
    let (bound, problems) = millrace_sql::bind(&statements, &bind_options);
    let is_bad = problems.iter().any(|(severity, _)| *severity == Severity::Error);
    let mut diagnostics: Vec<Diagnostic> =
        problems.into_iter().map(|(severity, problem)| place(severity, problem)).collect();
    if is_bad {
        return Err(diagnostics);
    }
    match plan_bound(bound, connectors) {
        Ok(mut planned) => {
            planned.warnings.append(&mut diagnostics);
            Ok(planned)
        }
        Err(problem) => {
            diagnostics.push(error(problem));
            Err(diagnostics)
        }
    }
}

fn plan_bound(
    script: BoundScript,
    connectors: &dyn ConnectorCatalog,
) -> Result<PlannedScript, Problem> {
    let mut reports = script.reports.clone();
    for explained in &script.explains {
        let (_, text) =
            plan_job(&explained.inserts, explained.select.as_ref(), &script, connectors)?;
        reports.push(text);
    }
    let has_job = !script.inserts.is_empty() || script.select.is_some();
    if !has_job && reports.is_empty() {
        return Err(Problem::new(
            Span::default(),
            "the script has no INSERT and no SELECT: there is nothing to run",
        ));
    }
    let (graph, explain) = plan_job(&script.inserts, script.select.as_ref(), &script, connectors)?;
    Ok(PlannedScript {
        graph,
        collects: script.select.map(|select| select.query.schema),
        explain: if has_job { explain } else { String::new() },
        settings: script.settings,
        reports,
        warnings: Vec::new(),
    })
}

fn plan_job(
    inserts: &[BoundInsert],
    select: Option<&BoundSelect>,
    script: &BoundScript,
    connectors: &dyn ConnectorCatalog,
) -> Result<(JobGraph, String), Problem> {
    let context = ExprContext { level: script.level, time_zone: "UTC".to_owned() };
    let sources = upsert_source::Sources { connectors, settings: &script.settings };
    let plan = build::build(inserts, select, &context, &sources)?;
    let changelog = changelog::infer(&plan, connectors, script.level)?;
    let plan = sink_materialize::added(plan, &changelog, connectors, &script.settings);
    let plan = two_phase::split(plan, &script.settings);
    let changelog = changelog::infer(&plan, connectors, script.level)?;
    let mini_batches = mini_batch::infer(&plan, &script.settings)?;
    let lowering = graph::Lowering {
        plan: &plan,
        changelog: &changelog,
        mini_batches: &mini_batches,
        connectors,
        settings: &script.settings,
        level: script.level,
    };
    let graph = lowering.job_graph()?;
    let text = explain::explain(&plan, &changelog, &mini_batches, &graph);
    Ok((graph, text))
}
