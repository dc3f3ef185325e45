//! Names, types and shapes: statements become a [`BoundScript`].
//!
//! Statements are taken in order, as Flink's client does: a SET acts on what
//! follows, a view is bound where it is created. A statement that fails gives one
//! problem; what it would have created is remembered as broken, so that its users
//! are not reported too.

mod aggregate;
mod catalog;
mod from;
mod grouping_sets;
mod insert;
mod interval_join;
mod literal;
mod lookup_hint;
mod lookup_join;
mod over;
mod query;
mod rank;
mod regular_join;
mod scalar;
mod scalar_subquery;
mod scope;
mod select;
mod set_operator;
mod subquery;
mod table;
mod temporal_join;
mod unnest;
mod using;
mod window;
mod window_join;
mod window_rank;

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::catalog::ConnectorCatalog;
use millrace_expr::ExprContext;

use crate::ast::{Insert, Query, Statement, StatementKind};
use crate::diagnostic::{Problem, Severity};
use crate::logical::{BoundInsert, BoundScript, BoundSelect, Explained};
use crate::settings;
use crate::span::Span;
use catalog::Catalog;

/// What binding depends on beside the text.
pub struct BindOptions<'a> {
    pub level: RuntimeLevel,
    /// The job's settings; the script's SETs go over them.
    pub settings: &'a BTreeMap<String, String>,
    pub connectors: &'a dyn ConnectorCatalog,
}

type Bound<T> = Result<T, Problem>;

/// The bound script, and everything wrong or doubtful in it. The script has a
/// meaning when no problem is an error.
pub fn bind(
    statements: &[Statement],
    options: &BindOptions<'_>,
) -> (BoundScript, Vec<(Severity, Problem)>) {
    let mut binder = Binder::new(options);
    for (key, value) in options.settings {
        binder.check_setting(key, value, Span::default(), Span::default());
    }
    for statement in statements {
        if let Err(problem) = binder.statement(statement) {
            binder.report(Severity::Error, problem);
        }
    }
    binder.finish()
}

struct Binder<'a> {
    level: RuntimeLevel,
    connectors: &'a dyn ConnectorCatalog,
    initial_settings: &'a BTreeMap<String, String>,
    settings: BTreeMap<String, String>,
    catalog: Catalog,
    /// Where a table's option is written: (full name, key) to the value's place.
    option_spans: BTreeMap<(String, String), Span>,
    inserts: Vec<BoundInsert>,
    selects: Vec<BoundSelect>,
    explains: Vec<Explained>,
    reports: Vec<String>,
    problems: Vec<(Severity, Problem)>,
}

impl<'a> Binder<'a> {
    fn new(options: &BindOptions<'a>) -> Binder<'a> {
        let name = |key: &str, default: &str| {
            options.settings.get(key).cloned().unwrap_or_else(|| default.to_owned())
        };
        Binder {
            level: options.level,
            connectors: options.connectors,
            initial_settings: options.settings,
            settings: options.settings.clone(),
            catalog: Catalog::new(
                name("table.builtin-catalog-name", "default_catalog"),
                name("table.builtin-database-name", "default_database"),
            ),
            option_spans: BTreeMap::new(),
            inserts: Vec::new(),
            selects: Vec::new(),
            explains: Vec::new(),
            reports: Vec::new(),
            problems: Vec::new(),
        }
    }

    // A problem without a message follows from one that was reported.
    fn report(&mut self, severity: Severity, problem: Problem) {
        if !problem.message.is_empty() {
            self.problems.push((severity, problem));
        }
    }

    fn warn(&mut self, problem: Problem) {
        self.report(Severity::Warning, problem);
    }

    fn finish(mut self) -> (BoundScript, Vec<(Severity, Problem)>) {
        self.check_several_selects();
        let script = BoundScript {
            level: self.level,
            settings: self.settings,
            inserts: self.inserts,
            select: self.selects.pop(),
            explains: self.explains,
            reports: self.reports,
        };
        (script, self.problems)
    }

    fn check_several_selects(&mut self) {
        let message = match (self.selects.len(), self.inserts.is_empty()) {
            (0, _) | (1, true) => return,
            (1, false) => {
                "a script that inserts into tables cannot also return a SELECT: a script runs as one job"
            }
            _ => "a script runs as one job and returns one SELECT; here are several",
        };
        let span = self.selects.last().map_or(Span::default(), |select| select.span);
        let problem = Problem::new(span, message)
            .with_hint("write INSERT INTO a table with connector 'print', or run the SELECT alone");
        self.report(Severity::Error, problem);
    }

    fn statement(&mut self, statement: &Statement) -> Bound<()> {
        match &statement.kind {
            StatementKind::CreateTable(table) => self.create_table(table),
            StatementKind::CreateView(view) => self.create_view(view),
            StatementKind::Drop { what, name, if_exists, temporary } => {
                self.catalog.drop(*what, name, *if_exists, *temporary)
            }
            StatementKind::Set { key, value } => {
                self.check_setting(&key.value, &value.value, key.span, value.span);
                self.settings.insert(key.value.clone(), value.value.trim().to_owned());
                Ok(())
            }
            StatementKind::ShowSettings => {
                let lines = self.settings.iter().map(|(key, value)| format!("'{key}' = '{value}'"));
                let text = lines.collect::<Vec<_>>().join("\n");
                self.reports.push(text);
                Ok(())
            }
            StatementKind::Reset { key } => {
                self.reset(key.as_ref().map(|key| key.value.as_str()));
                Ok(())
            }
            StatementKind::Insert(insert) => self.run_inserts(std::slice::from_ref(insert)),
            StatementKind::StatementSet(inserts) => self.run_inserts(inserts),
            StatementKind::Query(query) => {
                let select = self.top_level_select(query)?;
                self.selects.push(select);
                Ok(())
            }
            StatementKind::Explain { statement } => self.explain(statement),
            StatementKind::ShowTables => {
                self.reports.push(self.catalog.list(true).join("\n"));
                Ok(())
            }
            StatementKind::ShowViews => {
                self.reports.push(self.catalog.list(false).join("\n"));
                Ok(())
            }
            StatementKind::Describe { name } => {
                let text = self.catalog.describe(name)?;
                self.reports.push(text);
                Ok(())
            }
            StatementKind::UseCatalog { name } => self.catalog.use_catalog(name),
            StatementKind::UseDatabase { name } => self.catalog.use_database(name),
        }
    }

    fn reset(&mut self, key: Option<&str>) {
        match key {
            None => self.settings = self.initial_settings.clone(),
            Some(key) => match self.initial_settings.get(key) {
                Some(value) => drop(self.settings.insert(key.to_owned(), value.clone())),
                None => drop(self.settings.remove(key)),
            },
        }
    }

    fn check_setting(&mut self, key: &str, value: &str, key_span: Span, value_span: Span) {
        match settings::check(key, value) {
            settings::Checked::Good => {}
            settings::Checked::Bad(message) => {
                self.report(Severity::Error, Problem::new(value_span, message));
            }
            settings::Checked::Unknown { message, hint } => {
                self.warn(Problem::new(key_span, message).or_hint(hint));
            }
        }
        if key == "execution.runtime-mode" && value.trim().eq_ignore_ascii_case("BATCH") {
            let message =
                "setting 'execution.runtime-mode': the embedded engine runs STREAMING only";
            self.report(Severity::Error, Problem::new(value_span, message));
        }
    }

    fn run_inserts(&mut self, inserts: &[Insert]) -> Bound<()> {
        for insert in inserts {
            match self.bind_insert(insert) {
                Ok(bound) => self.inserts.push(bound),
                Err(problem) => self.report(Severity::Error, problem),
            }
        }
        Ok(())
    }

    fn explain(&mut self, statement: &Statement) -> Bound<()> {
        let mut explained = Explained { inserts: Vec::new(), select: None };
        match &statement.kind {
            StatementKind::Insert(insert) => explained.inserts.push(self.bind_insert(insert)?),
            StatementKind::StatementSet(inserts) => {
                for insert in inserts {
                    explained.inserts.push(self.bind_insert(insert)?);
                }
            }
            StatementKind::Query(query) => explained.select = Some(self.top_level_select(query)?),
            _ => return Err(Problem::new(statement.span, "this statement has no plan")),
        }
        self.explains.push(explained);
        Ok(())
    }

    fn top_level_select(&mut self, query: &Query) -> Bound<BoundSelect> {
        let rel = self.finished_query(query)?;
        Ok(BoundSelect { query: rel, span: query.span, time_zone: self.time_zone() })
    }

    fn create_table(&mut self, table: &crate::ast::CreateTable) -> Bound<()> {
        match self.bind_table(table) {
            Ok(Some(bound)) => {
                for option in &table.options {
                    let key = (bound.spec.name.clone(), option.key.value.clone());
                    self.option_spans.insert(key, option.key.span.to(option.value.span));
                }
                self.catalog.add_table(&table.name, table.temporary, Arc::new(bound))
            }
            Ok(None) => Ok(()),
            Err(problem) => {
                self.catalog.add_broken(&table.name);
                Err(problem)
            }
        }
    }

    fn create_view(&mut self, view: &crate::ast::CreateView) -> Bound<()> {
        if view.if_not_exists && self.catalog.exists(&view.name) {
            return Ok(());
        }
        match self.view_relation(view) {
            Ok(rel) => self.catalog.add_view(&view.name, view.temporary, Arc::new(rel)),
            Err(problem) => {
                self.catalog.add_broken(&view.name);
                Err(problem)
            }
        }
    }

    /// `table.local-time-zone`; Flink's `default` is the host's zone, here UTC.
    fn time_zone(&self) -> String {
        match self.settings.get("table.local-time-zone").map(String::as_str) {
            None | Some("default") | Some("Z") => "UTC".to_owned(),
            Some(zone) => zone.to_owned(),
        }
    }

    fn context(&self) -> ExprContext {
        ExprContext { level: self.level, time_zone: self.time_zone() }
    }
}
