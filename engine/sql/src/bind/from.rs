//! FROM: each relation with the names its columns go by.

use std::sync::Arc;

use millrace_dataflow::catalog::TableUsage;
use millrace_dataflow::graph::JoinKind;
use millrace_dataflow::settings::parse_duration_ms;
use millrace_expr::TypedExpr;

use super::catalog::Entry;
use super::lookup_hint::LookupHint;
use super::scalar::Scalars;
use super::scope::Scope;
use super::unnest::Unnest;
use super::using::{Shared, common_columns};
use super::{Binder, Bound};
use crate::ast::{self, Alias, Hint, JoinCondition, Path, TableRef, TableRefKind};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{BoundTable, Rel, RelNode};
use crate::since::Feature;
use crate::span::Span;

/// Common tables in sight, innermost last.
#[derive(Clone, Default)]
pub(super) struct CommonTables {
    tables: Vec<(String, Arc<Rel>)>,
    /// What a STATE_TTL hint of the query block says of its tables, in milliseconds.
    state_ttl: Vec<StateTtl>,
    pub(super) lookup_hints: Vec<LookupHint>,
}

/// `'name' = 'time'` of a STATE_TTL hint.
#[derive(Clone)]
pub(super) struct StateTtl {
    pub name: String,
    pub ms: i64,
    pub span: Span,
}

impl CommonTables {
    pub(super) fn with(&self, name: &str, rel: Rel) -> CommonTables {
        let mut tables = self.tables.clone();
        tables.push((name.to_owned(), Arc::new(rel)));
        CommonTables { tables, ..CommonTables::default() }
    }

    /// The same tables in a query block with these hints, or none.
    pub(super) fn with_hints(
        &self,
        state_ttl: Vec<StateTtl>,
        lookup_hints: Vec<LookupHint>,
    ) -> CommonTables {
        CommonTables { tables: self.tables.clone(), state_ttl, lookup_hints }
    }

    /// A hint speaks of tables by name: of a join's side, and of what is grouped, when that
    /// is one table alone.
    pub(super) fn ttl_of(&self, side: &Scope) -> Option<i64> {
        let [relation] = side.relations.as_slice() else { return None };
        let name = relation.name.last()?;
        self.state_ttl.iter().find(|ttl| ttl.name == *name).map(|ttl| ttl.ms)
    }

    /// # Errors
    /// The hint names a table that the query block has not.
    pub(super) fn check_state_ttl(&self, scope: &Scope) -> Bound<()> {
        let has = |ttl: &&StateTtl| {
            scope.relations.iter().any(|relation| relation.name.last() == Some(&ttl.name))
        };
        match self.state_ttl.iter().find(|ttl| !has(ttl)) {
            Some(ttl) => Err(Problem::new(
                ttl.span,
                format!("the STATE_TTL hint names '{}', which is no table of this query", ttl.name),
            )
            .with_hint("name tables of FROM by their alias")),
            None => Ok(()),
        }
    }

    pub(super) fn find(&self, path: &Path) -> Option<&Rel> {
        let [name] = path.parts.as_slice() else { return None };
        self.tables.iter().rev().find(|(known, _)| *known == name.text).map(|(_, rel)| &**rel)
    }
}

impl Binder<'_> {
    pub(super) fn from(&self, table: &TableRef, common: &CommonTables) -> Bound<(Rel, Scope)> {
        match &table.kind {
            TableRefKind::Table { name, hints, alias } => {
                let rel = self.named_relation(name, hints, common)?;
                let parts = match common.find(name) {
                    Some(_) => vec![name.to_string()],
                    None => self.catalog.full_name(name)?.to_vec(),
                };
                aliased(rel, parts, alias.as_ref())
            }
            TableRefKind::Derived { query, alias } => {
                let rel = self.query(query, common)?;
                aliased(rel, Vec::new(), alias.as_ref())
            }
            TableRefKind::WindowFunction { call, alias } => {
                let rel = self.window_function(call, common, table.span)?;
                aliased(rel, Vec::new(), alias.as_ref())
            }
            TableRefKind::Join { left, right, kind, condition } => {
                self.join(left, right, *kind, condition, common, table.span)
            }
            TableRefKind::Unnest { .. } => {
                Err(Problem::new(table.span, "UNNEST as the only relation is not supported")
                    .with_hint("put a table before it: FROM t CROSS JOIN UNNEST(t.a) AS u(x)"))
            }

            TableRefKind::AsOf(_) => {
                let message = "FOR SYSTEM_TIME AS OF is for the right side of a join";
                Err(Problem::new(table.span, message))
            }
            TableRefKind::Lateral { query, alias } => {
                let rel = self.query(query, common)?;
                aliased(rel, Vec::new(), alias.as_ref())
            }
            TableRefKind::Unsupported { construct } => {
                Err(Problem::new(table.span, format!("{construct} is not offered yet")))
            }
        }
    }

    /// A table, view or common table by name.
    pub(super) fn named_relation(
        &self,
        name: &Path,
        hints: &[Hint],
        common: &CommonTables,
    ) -> Bound<Rel> {
        if let Some(rel) = common.find(name) {
            refuse_options(hints)?;
            return Ok(rel.clone());
        }
        match self.catalog.find(name)? {
            Entry::Table(table) => self.scan(table, name, hints),
            Entry::View(rel) => {
                refuse_options(hints)?;
                Ok((**rel).clone())
            }
            Entry::Broken => Err(Problem::new(name.span(), "")),
        }
    }

    fn scan(&self, table: &Arc<BoundTable>, name: &Path, hints: &[Hint]) -> Bound<Rel> {
        let table = self.with_hints(table, hints)?;
        self.check_usage(&table, TableUsage::Source, name.span())?;
        let schema = table.schema.clone();
        Ok(Rel::new(RelNode::Scan(table), schema, name.span()))
    }

    /// Hints of a SELECT: LOOKUP, STATE_TTL and the batch join strategies.
    pub(super) fn check_select_hints(&self, hints: &[Hint]) -> Bound<()> {
        hints.iter().try_for_each(|hint| self.check_select_hint(hint))
    }

    /// What STATE_TTL hints say of the tables of a query block (row B7.11).
    pub(super) fn state_ttl_hint(&self, select: &ast::Select) -> Bound<Vec<StateTtl>> {
        let is_ttl = |hint: &&Hint| hint.name.text.eq_ignore_ascii_case("STATE_TTL");
        let mut all = Vec::new();
        for hint in select.hints.iter().filter(is_ttl) {
            for option in &hint.options {
                let span = option.key.span;
                let ms = parse_duration_ms(&option.value.value).map_err(|error| {
                    Problem::new(span, format!("the STATE_TTL of '{}': {error}", option.key.value))
                })?;
                all.push(StateTtl { name: option.key.value.clone(), ms, span });
            }
        }
        Ok(all)
    }

    fn check_select_hint(&self, hint: &Hint) -> Bound<()> {
        let name = hint.name.text.to_ascii_uppercase();
        let span = hint.name.span;
        let refused = match name.as_str() {
            "LOOKUP" => return Feature::LookupHint.check(self.level, span),
            "STATE_TTL" => return Feature::StateTtlHint.check(self.level, span),
            "BROADCAST" | "SHUFFLE_HASH" | "SHUFFLE_MERGE" | "NEST_LOOP" => {
                "join strategy hints are for batch queries".to_owned()
            }
            "OPTIONS" => "the OPTIONS hint stands behind the name of a table".to_owned(),
            _ => format!("there is no hint {name}"),
        };
        Err(Problem::new(span, refused))
    }

    fn join(
        &self,
        left: &TableRef,
        right: &TableRef,
        kind: ast::JoinKind,
        condition: &JoinCondition,
        common: &CommonTables,
        span: Span,
    ) -> Bound<(Rel, Scope)> {
        if let TableRefKind::Unnest { collection, alias } = &right.kind {
            let alias = alias.as_ref();
            let unnest = Unnest { collection, alias, kind, condition, span: right.span };
            return self.unnest(left, &unnest, common);
        }
        let (left, left_scope) = self.from(left, common)?;
        if let TableRefKind::AsOf(table) = &right.kind {
            let left = (left, left_scope);
            return self.temporal_join(left, table, kind, condition, common, span);
        }
        if let TableRefKind::Lateral { query, alias } = &right.kind {
            let left = (left, left_scope);
            return self.lateral(left, (query, alias.as_ref()), kind, condition, common, span);
        }
        let (right, right_scope) = self.from(right, common)?;
        let state_ttl_ms = [common.ttl_of(&left_scope), common.ttl_of(&right_scope)];
        let shared = match condition {
            JoinCondition::Using(columns) => self.using(columns, left_scope, right_scope)?,
            JoinCondition::Natural => {
                let columns = common_columns(&left_scope, &right_scope, span);
                self.using(&columns, left_scope, right_scope)?
            }
            _ => {
                let scope = left_scope.join(right_scope);
                let conjuncts = self.join_conjuncts(condition, &scope)?;
                Shared::plain(scope, conjuncts)
            }
        };
        let (scope, conjuncts, pairs) = shared.into_parts();
        let written = kind;
        let kind = match kind {
            ast::JoinKind::Inner => JoinKind::Inner,
            ast::JoinKind::Left => JoinKind::Left,
            ast::JoinKind::Right => JoinKind::Right,
            ast::JoinKind::Full => JoinKind::Full,
        };
        let mut rel = pending_join(left, right, kind, conjuncts, span);
        if let RelNode::Join { state_ttl_ms: of_hint, .. } = &mut rel.node {
            *of_hint = state_ttl_ms;
        }
        let scope = padded(scope, &rel);
        self.merged((rel, scope), &pairs, written)
    }

    pub(super) fn join_conjuncts(
        &self,
        condition: &JoinCondition,
        scope: &Scope,
    ) -> Bound<Vec<TypedExpr>> {
        match condition {
            JoinCondition::None | JoinCondition::Using(_) | JoinCondition::Natural => {
                Ok(Vec::new())
            }
            JoinCondition::On(expression) => {
                let context = self.context();
                let bound = Scalars::new(scope, &context).condition(expression, "ON")?;
                Ok(expressions::conjuncts(bound))
            }
        }
    }
}

/// A join whose columns are left's, then right's; the side that may be missing is
/// nullable.
pub(super) fn pending_join(
    left: Rel,
    right: Rel,
    kind: JoinKind,
    conjuncts: Vec<TypedExpr>,
    span: Span,
) -> Rel {
    let schema = join_schema(&left, &right, kind);
    let (left, right) = (Box::new(left), Box::new(right));
    let node = RelNode::Join { left, right, kind, conjuncts, state_ttl_ms: [None, None] };
    Rel::new(node, schema, span)
}

pub(super) fn join_schema(left: &Rel, right: &Rel, kind: JoinKind) -> millrace_dataflow::Schema {
    let pads_left = matches!(kind, JoinKind::Right | JoinKind::Full);
    let pads_right = matches!(kind, JoinKind::Left | JoinKind::Full);
    let side = |rel: &Rel, padded: bool| {
        let fields = rel.schema.fields.clone().into_iter();
        fields.map(move |mut field| {
            field.data_type.nullable |= padded;
            field
        })
    };
    let fields = side(left, pads_left).chain(side(right, pads_right)).collect();
    millrace_dataflow::Schema::new(fields)
}

// The scope's columns with the nullability that the join gives them.
pub(super) fn padded(mut scope: Scope, rel: &Rel) -> Scope {
    for relation in &mut scope.relations {
        for (position, field) in relation.fields.iter_mut().enumerate() {
            field.data_type = rel.schema.fields[relation.offset + position].data_type.clone();
        }
    }
    scope
}

fn refuse_options(hints: &[Hint]) -> Bound<()> {
    match hints.first() {
        Some(hint) => Err(Problem::new(
            hint.name.span,
            "hints can be put on tables only, not on views or subqueries",
        )),
        None => Ok(()),
    }
}

/// The relation under its alias, with its columns renamed when the alias lists them.
pub(super) fn aliased(
    mut rel: Rel,
    name: Vec<String>,
    alias: Option<&Alias>,
) -> Bound<(Rel, Scope)> {
    let Some(alias) = alias else {
        let scope = Scope::of_schema(name, &rel.schema);
        return Ok((rel, scope));
    };
    if !alias.columns.is_empty() {
        rel = renamed(rel, &alias.columns, alias.name.span)?;
    }
    let scope = Scope::of_schema(vec![alias.name.text.clone()], &rel.schema);
    Ok((rel, scope))
}

/// The relation with other column names: `t(a, b)`, `CREATE VIEW v (a, b)`.
pub(super) fn renamed(mut rel: Rel, names: &[ast::Ident], span: Span) -> Bound<Rel> {
    if names.len() != rel.schema.len() {
        let message =
            format!("{} column names are given for {} columns", names.len(), rel.schema.len());
        return Err(Problem::new(span, message));
    }
    // A scan's columns are the table's: only a projection above it can rename them.
    if matches!(rel.node, RelNode::Scan(_)) {
        let all: Vec<usize> = (0..rel.schema.len()).collect();
        rel = super::aggregate::select_columns(rel, &all, span);
    }
    for (field, name) in rel.schema.fields.iter_mut().zip(names) {
        field.name = name.text.clone();
    }
    Ok(rel)
}
