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
mod compiled;
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
pub use compiled::{CompiledPlan, PlanEdge, PlanNode, PlanShuffle, PlanState};
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
    pub compiled: CompiledPlan,
}

/// Parses, binds and plans a script, or a compiled plan (a text that begins with `{`).
///
/// # Errors
/// Everything that is wrong with it, in the order of the text; warnings are among
/// them when there is an error. Places in a plan's script are counted in that script.
pub fn plan_script(
    text: &str,
    options: &PlanOptions,
    connectors: &dyn ConnectorCatalog,
) -> Result<PlannedScript, Vec<Diagnostic>> {
    if !compiled::is_plan(text) {
        return plan_text(text, options, connectors, None);
    }
    let plan = CompiledPlan::read(text, options.level).map_err(|problem| vec![*problem])?;
    plan_text(&plan.script, options, connectors, Some(&plan))
}

/// Compiles a script: its plan as JSON, to be run in its place (row A6.5).
///
/// # Errors
/// As [`plan_script`]; and the script is no job but a query, or there is none.
pub fn compile_script(
    script: &str,
    options: &PlanOptions,
    connectors: &dyn ConnectorCatalog,
) -> Result<String, Vec<Diagnostic>> {
    let planned = plan_text(script, options, connectors, None)?;
    let refused = |message: &str| {
        let problem = Diagnostic::without_place(Severity::Error, message);
        Err(vec![problem])
    };
    if planned.collects.is_some() {
        return refused("a plan is compiled of INSERTs; this script has a SELECT at top level");
    }
    if planned.graph.nodes.is_empty() {
        return refused("the script has no INSERT: there is nothing to compile");
    }
    let plan = planned.compiled;
    Ok(serde_json::to_string_pretty(&plan).expect("texts and numbers can be written as JSON"))
}

fn plan_text(
    script: &str,
    options: &PlanOptions,
    connectors: &dyn ConnectorCatalog,
    compiled: Option<&CompiledPlan>,
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
    match plan_bound(script, bound, connectors, compiled) {
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
    text: &str,
    script: BoundScript,
    connectors: &dyn ConnectorCatalog,
    compiled: Option<&CompiledPlan>,
) -> Result<PlannedScript, Problem> {
    let mut reports = script.reports.clone();
    for explained in &script.explains {
        let job = (explained.inserts.as_slice(), explained.select.as_ref());
        reports.push(plan_job(job, &script, connectors, None)?.explain());
    }
    let has_job = !script.inserts.is_empty() || script.select.is_some();
    if !has_job && reports.is_empty() {
        return Err(Problem::new(
            Span::default(),
            "the script has no INSERT and no SELECT: there is nothing to run",
        ));
    }
    let job = (script.inserts.as_slice(), script.select.as_ref());
    let planned = plan_job(job, &script, connectors, compiled)?;
    let explain = planned.explain();
    Ok(PlannedScript {
        compiled: planned.compiled(text, script.level),
        graph: planned.graph,
        collects: script.select.map(|select| select.query.schema),
        explain: if has_job { explain } else { String::new() },
        settings: script.settings,
        reports,
        warnings: Vec::new(),
    })
}

/// A job whose operators are chosen and lowered.
struct PlannedJob {
    plan: physical::Plan,
    changelog: changelog::Changelog,
    mini_batches: mini_batch::MiniBatches,
    ttls: compiled::StateTtls,
    graph: JobGraph,
}

impl PlannedJob {
    fn explain(&self) -> String {
        explain::explain(&self.plan, &self.changelog, &self.mini_batches, &self.graph)
    }

    fn compiled(&self, script: &str, level: RuntimeLevel) -> CompiledPlan {
        let (plan, graph) = (&self.plan, &self.graph);
        CompiledPlan::of(script, level, &compiled::Made { plan, graph, ttls: self.ttls.clone() })
    }
}

fn plan_job(
    (inserts, select): (&[BoundInsert], Option<&BoundSelect>),
    script: &BoundScript,
    connectors: &dyn ConnectorCatalog,
    compiled: Option<&CompiledPlan>,
) -> Result<PlannedJob, Problem> {
    let context = ExprContext { level: script.level, time_zone: "UTC".to_owned() };
    let sources = upsert_source::Sources { connectors, settings: &script.settings };
    let plan = build::build(inserts, select, &context, &sources)?;
    let changelog = changelog::infer(&plan, connectors, script.level)?;
    let plan = sink_materialize::added(plan, &changelog, connectors, &script.settings);
    let plan = two_phase::split(plan, &script.settings);
    let changelog = changelog::infer(&plan, connectors, script.level)?;
    let mini_batches = mini_batch::infer(&plan, &script.settings)?;
    let of_plan = match compiled {
        Some(compiled) => compiled.ttls(&plan, &identity::operator_ids(&plan))?,
        None => compiled::StateTtls::new(),
    };
    let lowering = graph::Lowering {
        plan: &plan,
        changelog: &changelog,
        mini_batches: &mini_batches,
        connectors,
        settings: &script.settings,
        level: script.level,
        state_ttls: &of_plan,
    };
    let graph = lowering.job_graph()?;
    let ttls = (0..plan.nodes.len()).map(|node| (node, lowering.state_ttls(node))).collect();
    Ok(PlannedJob { plan, changelog, mini_batches, ttls, graph })
}
