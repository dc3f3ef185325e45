//! Bound plan to physical plan: unused columns are dropped on the way down, filters
//! and projections become one Calc, equal sub-plans become one.

mod lookup;
mod over;
mod windows;

use std::collections::BTreeSet;
use std::sync::Arc;

use millrace_dataflow::graph::{AggregateCall, WindowInput, WindowTime};
use millrace_dataflow::{Field, Schema, TypeRoot};
use millrace_expr::{ExprContext, Literal, TypedExpr};
use millrace_sql::logical::{
    BoundInsert, BoundSelect, BoundTable, IntervalJoinRel, Rel, RelNode, TemporalJoinRel,
};
use millrace_sql::{Problem, Span, expressions};

use crate::collapse::{Collapsed, pulled_up};
use crate::columns::{
    aggregate_columns, at_least_one, identity, join_side, moved, moved_all, moved_call, moved_time,
    pick, property, wanted_calls,
};
use crate::physical::{
    PhysicalIntervalJoin, PhysicalNode, PhysicalOperator, PhysicalTemporalJoin, Plan,
};
use crate::upsert_source::Sources;

pub(crate) type Built<T> = Result<T, Problem>;

/// The plan of some INSERTs and perhaps a SELECT.
///
/// It is built twice: the first time to learn which columns of each table anyone
/// needs, so that one source can serve all its users.
pub(crate) fn build(
    inserts: &[BoundInsert],
    select: Option<&BoundSelect>,
    context: &ExprContext,
    sources: &Sources<'_>,
) -> Built<Plan> {
    let mut needs = TableNeeds { sources, tables: Vec::new() };
    let mut first = Builder { plan: Plan::default(), needs: &mut needs, context: context.clone() };
    first.roots(inserts, select)?;
    let mut second = Builder { plan: Plan::default(), needs: &mut needs, context: context.clone() };
    second.roots(inserts, select)?;
    Ok(second.plan.compacted())
}

/// The columns needed of each table as it is used.
struct TableNeeds<'a> {
    sources: &'a Sources<'a>,
    tables: Vec<(Arc<BoundTable>, BTreeSet<usize>)>,
}

impl TableNeeds<'_> {
    /// Adds to what is needed of the table; all that is needed of it so far.
    fn add(&mut self, table: &Arc<BoundTable>, columns: &[usize]) -> Vec<usize> {
        let known = self.tables.iter().position(|(known, _)| known == table);
        let at = known.unwrap_or_else(|| {
            let mut always = watermark_columns(table);
            always.extend(self.sources.normalized_key(table).unwrap_or_default());
            self.tables.push((table.clone(), always));
            self.tables.len() - 1
        });
        let needed = &mut self.tables[at].1;
        needed.extend(columns);
        needed.iter().copied().collect()
    }
}

// The source assigns watermarks whoever reads it (row A2.7: a NULL there is an error).
fn watermark_columns(table: &BoundTable) -> BTreeSet<usize> {
    let Some(watermark) = &table.watermark else { return BTreeSet::new() };
    let mut columns = expressions::columns(&watermark.expression);
    columns.insert(watermark.column);
    columns
}

pub(crate) struct Builder<'a, 'b> {
    plan: Plan,
    needs: &'a mut TableNeeds<'b>,
    context: ExprContext,
}

impl Builder<'_, '_> {
    fn roots(&mut self, inserts: &[BoundInsert], select: Option<&BoundSelect>) -> Built<()> {
        for insert in inserts {
            self.context.time_zone = insert.time_zone.clone();
            let input = self.all_columns(&insert.query)?;
            let output = insert.query.schema.clone();
            let operator = PhysicalOperator::Sink(insert.table.clone());
            self.node(operator, vec![input], output, insert.span);
        }
        if let Some(select) = select {
            self.context.time_zone = select.time_zone.clone();
            let input = self.all_columns(&select.query)?;
            let output = select.query.schema.clone();
            self.node(PhysicalOperator::Collect, vec![input], output, select.span);
        }
        Ok(())
    }

    pub(crate) fn node(
        &mut self,
        operator: PhysicalOperator,
        inputs: Vec<usize>,
        output: Schema,
        span: Span,
    ) -> usize {
        let time_zone = self.context.time_zone.clone();
        self.plan.add(PhysicalNode { operator, inputs, output, span, time_zone })
    }

    fn all_columns(&mut self, rel: &Rel) -> Built<usize> {
        let all: Vec<usize> = (0..rel.schema.len()).collect();
        self.relation(rel, &all)
    }

    /// A node whose output is exactly these columns of the relation. When none is
    /// wanted (`COUNT(*)`), one comes anyway: a batch has rows only with a column.
    pub(crate) fn relation(&mut self, rel: &Rel, wanted: &[usize]) -> Built<usize> {
        let first = [0];
        let wanted = if wanted.is_empty() && !rel.schema.is_empty() { &first } else { wanted };
        let collapsed = Collapsed::of(rel, wanted);
        if let (RelNode::Values(rows), []) = (&collapsed.base.node, collapsed.filters.as_slice()) {
            return Ok(self.values(rows, &collapsed.project, &pick(&rel.schema, wanted), rel.span));
        }
        let needed = collapsed.needed();
        let base = self.base(collapsed.base, &needed)?;
        if collapsed.project.is_empty() && !needed.is_empty() {
            return self.rows_alone(rel, &collapsed, base, &needed);
        }
        let renumber = |e: &TypedExpr| expressions::renumber(e, &|c| moved(c, &needed));
        let filters = collapsed.filters.iter().map(renumber).collect();
        let filter = expressions::conjunction(filters, &self.context);
        let project = collapsed.project.iter().map(renumber).collect();
        Ok(self.calc(base, filter, project, pick(&rel.schema, wanted), rel.span))
    }

    // A relation without columns still has rows: one column of its base carries them.
    fn rows_alone(
        &mut self,
        rel: &Rel,
        collapsed: &Collapsed<'_>,
        base: usize,
        needed: &[usize],
    ) -> Built<usize> {
        let renumber = |e: &TypedExpr| expressions::renumber(e, &|column| moved(column, needed));
        let filters = collapsed.filters.iter().map(renumber).collect();
        let filter = expressions::conjunction(filters, &self.context);
        let output = pick(&collapsed.base.schema, &needed[..1]);
        let project = identity(&output);
        Ok(self.calc(base, filter, project, output, rel.span))
    }

    // A Calc, unless it would change nothing. Above one that only picks columns it reads
    // from below that.
    fn calc(
        &mut self,
        mut input: usize,
        mut filter: Option<TypedExpr>,
        mut project: Vec<TypedExpr>,
        output: Schema,
        span: Span,
    ) -> usize {
        while let Some((below, columns)) = self.plan.picked_columns(input) {
            filter = filter.map(|filter| expressions::inline(&filter, &columns));
            project = project.iter().map(|e| expressions::inline(e, &columns)).collect();
            input = below;
        }
        let width = self.plan.nodes[input].output.len();
        let mut columns = project.iter().map(expressions::column_of).enumerate();
        let is_identity = project.len() == width && columns.all(|(at, column)| column == Some(at));
        if filter.is_none() && is_identity {
            return input;
        }
        self.node(PhysicalOperator::Calc { filter, project }, vec![input], output, span)
    }

    // Rows that depend on nothing are computed at planning; those that read a clock or
    // a random number, by a Calc over one row.
    fn values(
        &mut self,
        rows: &[Vec<TypedExpr>],
        project: &[TypedExpr],
        output: &Schema,
        span: Span,
    ) -> usize {
        let rows: Vec<Vec<TypedExpr>> = rows
            .iter()
            .map(|row| project.iter().map(|e| expressions::inline(e, row)).collect())
            .collect();
        if output.is_empty() {
            let rows = rows.iter().map(|_| vec![zero()]).collect();
            return self.node(PhysicalOperator::Values(rows), vec![], zero_schema(), span);
        }
        if let [row] = rows.as_slice()
            && !row.iter().all(is_constant)
        {
            let operator = PhysicalOperator::Values(vec![vec![zero()]]);
            let base = self.node(operator, vec![], zero_schema(), span);
            return self.calc(base, None, row.clone(), output.clone(), span);
        }
        self.node(PhysicalOperator::Values(rows), vec![], output.clone(), span)
    }

    /// A node that is neither filter nor projection, with exactly these columns.
    fn base(&mut self, rel: &Rel, wanted: &[usize]) -> Built<usize> {
        let native = match &rel.node {
            RelNode::Scan(table) => self.scan(table, wanted, rel.span)?,
            RelNode::Values(rows) => {
                let all: Vec<TypedExpr> = identity(&rel.schema);
                let node = self.values(rows, &all, &rel.schema, rel.span);
                Native { node, columns: (0..rel.schema.len()).collect() }
            }
            RelNode::Window { input, window, .. } => {
                self.window_assign(rel, input, window, wanted)?
            }
            RelNode::WindowAggregate { .. } => self.window_aggregate(rel, wanted)?,
            RelNode::Aggregate { input, keys, calls, state_ttl_ms } => {
                self.aggregate(rel, input, (keys, calls, *state_ttl_ms), wanted)?
            }
            RelNode::IntervalJoin(join) => self.interval_join(rel, join, wanted)?,
            RelNode::RegularJoin(join) => self.join(rel, join, wanted)?,
            RelNode::WindowJoin(join) => self.window_join(rel, join, wanted)?,
            RelNode::WindowRank { input, rank } => self.window_rank(rel, input, rank, wanted)?,
            RelNode::TemporalJoin(join) => self.temporal_join(rel, join, wanted)?,
            RelNode::LookupJoin(join) => self.lookup_join(rel, join, wanted)?,
            RelNode::TemporalSort { .. } => self.temporal_sort(rel, wanted)?,
            RelNode::Rank { .. } => self.rank(rel, wanted)?,
            RelNode::Deduplicate { .. } => self.deduplicate(rel, wanted)?,
            RelNode::Over { .. } => self.over(rel, wanted)?,
            RelNode::RowNumber { .. } => self.row_number(rel, wanted)?,
            RelNode::Correlate { .. } => self.correlate(rel, wanted)?,
            RelNode::Union(inputs) => {
                let inputs = inputs
                    .iter()
                    .map(|input| self.relation(input, wanted))
                    .collect::<Built<_>>()?;
                let output = pick(&rel.schema, wanted);
                let node = self.node(PhysicalOperator::Union, inputs, output, rel.span);
                Native { node, columns: wanted.to_vec() }
            }
            // Reached only for a projection that must not be merged into the one above.
            RelNode::Project { .. } | RelNode::Filter { .. } => {
                let node = self.relation(rel, wanted)?;
                Native { node, columns: wanted.to_vec() }
            }
            RelNode::Join { .. } => {
                return Err(Problem::new(rel.span, "this part of the query was not resolved"));
            }
        };
        Ok(self.narrowed(native, rel, wanted))
    }

    // From the columns a node has to those wanted of it.
    fn narrowed(&mut self, native: Native, rel: &Rel, wanted: &[usize]) -> usize {
        let project = wanted
            .iter()
            .filter_map(|column| {
                let at = native.columns.iter().position(|known| known == column)?;
                let data_type = rel.schema.fields[*column].data_type.clone();
                Some(TypedExpr::column(at, data_type))
            })
            .collect();
        self.calc(native.node, None, project, pick(&rel.schema, wanted), rel.span)
    }

    fn scan(&mut self, table: &Arc<BoundTable>, wanted: &[usize], span: Span) -> Built<Native> {
        self.needs.sources.check(table, span)?;
        let columns = self.needs.add(table, wanted);
        let output = pick(&table.schema, &columns);
        let operator = PhysicalOperator::Source { table: table.clone(), columns: columns.clone() };
        let mut node = self.node(operator, vec![], output.clone(), span);
        if let Some(key) = self.needs.sources.normalized_key(table) {
            let keys = moved_all(&key, &columns);
            let operator = PhysicalOperator::ChangelogNormalize { keys };
            node = self.node(operator, vec![node], output, span);
        }
        Ok(Native { node, columns })
    }

    fn window_assign(
        &mut self,
        rel: &Rel,
        input: &Rel,
        window: &millrace_dataflow::graph::WindowAssigner,
        wanted: &[usize],
    ) -> Built<Native> {
        windows::refuse_sessions_alone(window, rel.span)?;
        let width = input.schema.len();
        let mut needed: BTreeSet<usize> = wanted.iter().copied().filter(|c| *c < width).collect();
        if let WindowTime::Rowtime(column) = window.time {
            needed.insert(column);
        }
        let mut needed: Vec<usize> = needed.into_iter().collect();
        if needed.is_empty() {
            needed.push(0);
        }
        let node = self.relation(input, &needed)?;
        let mut window = window.clone();
        window.time = moved_time(window.time, &needed);
        let columns: Vec<usize> = needed.into_iter().chain(width..width + 3).collect();
        let output = pick(&rel.schema, &columns);
        let node = self.node(PhysicalOperator::WindowAssign(window), vec![node], output, rel.span);
        Ok(Native { node, columns })
    }

    // The windowing function is taken into the aggregate when nothing between them
    // looks at the windows; else the rows carry their windows.
    fn window_aggregate(&mut self, rel: &Rel, wanted: &[usize]) -> Built<Native> {
        let RelNode::WindowAggregate { input, keys, calls, start, end, with_time, legacy } =
            &rel.node
        else {
            return Err(Problem::new(rel.span, "this is no window aggregation"));
        };
        let first_bound = keys.len() + calls.len();
        let calls_wanted = wanted_calls(keys.len(), calls, wanted);
        let kept: Vec<AggregateCall> = calls_wanted.iter().map(|at| calls[*at].clone()).collect();
        let properties: Vec<usize> = (first_bound..first_bound + 2 + usize::from(*with_time))
            .filter(|c| wanted.contains(c))
            .collect();
        let columns: Vec<usize> = (0..keys.len())
            .chain(calls_wanted.iter().map(|at| keys.len() + at))
            .chain(properties.iter().copied())
            .collect();
        let time = input.windows.filter(|_| *with_time).and_then(|windows| windows.time);
        let (node, window, needed) =
            self.window_input(input, keys, &kept, (*start, *end), time, rel.span)?;
        let operator = PhysicalOperator::WindowAggregate {
            window,
            keys: moved_all(keys, &needed),
            calls: kept.iter().map(|call| moved_call(call, &needed)).collect(),
            properties: properties.iter().map(|c| property(*c - first_bound)).collect(),
            legacy: *legacy,
        };
        let output = pick(&rel.schema, &columns);
        Ok(Native { node: self.node(operator, vec![node], output, rel.span), columns })
    }

    fn window_input(
        &mut self,
        input: &Rel,
        keys: &[usize],
        calls: &[AggregateCall],
        (start, end): (usize, usize),
        time: Option<usize>,
        span: Span,
    ) -> Built<(usize, WindowInput, Vec<usize>)> {
        let mut needed = aggregate_columns(keys, calls);
        windows::check_session_keys(input, keys, span)?;
        if let Some((below, window, time_at)) = pulled_up(input, &needed, (start, end), time) {
            let wanted: Vec<usize> = (0..below.schema.len()).collect();
            let node = self.relation(&below, &wanted)?;
            let mut window = window;
            if let (WindowTime::Rowtime(_), Some(at)) = (window.time, time_at) {
                window.time = WindowTime::Rowtime(at);
            }
            return Ok((node, WindowInput::Assign(window), needed));
        }
        if let Some(windows) = input.windows {
            refuse_attached(windows, &self.context, span)?;
        }
        needed.retain(|column| *column != start && *column != end);
        needed.extend([start, end]);
        let node = self.relation(input, &needed)?;
        let window = WindowInput::Attached { start: needed.len() - 2, end: needed.len() - 1 };
        Ok((node, window, needed))
    }

    fn aggregate(
        &mut self,
        rel: &Rel,
        input: &Rel,
        (keys, calls, state_ttl_ms): (&[usize], &[AggregateCall], Option<i64>),
        wanted: &[usize],
    ) -> Built<Native> {
        let mut calls_wanted = wanted_calls(keys.len(), calls, wanted);
        // A global aggregate without a call would emit nothing.
        if keys.is_empty() && calls_wanted.is_empty() {
            calls_wanted = (0..calls.len()).collect();
        }
        let kept: Vec<AggregateCall> = calls_wanted.iter().map(|at| calls[*at].clone()).collect();
        let needed = aggregate_columns(keys, &kept);
        let node = self.relation(input, &needed)?;
        let columns: Vec<usize> =
            (0..keys.len()).chain(calls_wanted.iter().map(|at| keys.len() + at)).collect();
        let operator = PhysicalOperator::GroupAggregate {
            keys: moved_all(keys, &needed),
            calls: kept.iter().map(|call| moved_call(call, &needed)).collect(),
            state_ttl_ms,
        };
        let output = pick(&rel.schema, &columns);
        Ok(Native { node: self.node(operator, vec![node], output, rel.span), columns })
    }

    fn interval_join(
        &mut self,
        rel: &Rel,
        join: &IntervalJoinRel,
        wanted: &[usize],
    ) -> Built<Native> {
        let width = join.left.schema.len();
        let residual = join.residual.as_ref().map(expressions::columns).unwrap_or_default();
        let all: BTreeSet<usize> = wanted.iter().copied().chain(residual).collect();
        let left_wanted = all.iter().copied().filter(|column| *column < width);
        let left_needed = join_side(left_wanted, &join.left_keys, join.left_time, join.proctime);
        let right_wanted =
            all.iter().filter(|column| **column >= width).map(|column| column - width);
        let right_needed =
            join_side(right_wanted, &join.right_keys, join.right_time, join.proctime);
        let left = self.relation(&join.left, &left_needed)?;
        let right = self.relation(&join.right, &right_needed)?;
        let columns: Vec<usize> =
            left_needed.iter().copied().chain(right_needed.iter().map(|c| c + width)).collect();
        let time = |column: usize, needed: &[usize]| match join.proctime {
            true => WindowTime::Proctime,
            false => WindowTime::Rowtime(moved(column, needed)),
        };
        let operator = PhysicalIntervalJoin {
            kind: join.kind,
            left_keys: moved_all(&join.left_keys, &left_needed),
            right_keys: moved_all(&join.right_keys, &right_needed),
            left_time: time(join.left_time, &left_needed),
            right_time: time(join.right_time, &right_needed),
            lower_ms: join.lower_ms,
            upper_ms: join.upper_ms,
            residual: join
                .residual
                .as_ref()
                .map(|residual| expressions::renumber(residual, &|c| moved(c, &columns))),
        };
        let operator = PhysicalOperator::IntervalJoin(Box::new(operator));
        let output = pick(&rel.schema, &columns);
        Ok(Native { node: self.node(operator, vec![left, right], output, rel.span), columns })
    }

    fn temporal_join(
        &mut self,
        rel: &Rel,
        join: &TemporalJoinRel,
        wanted: &[usize],
    ) -> Built<Native> {
        let width = join.left.schema.len();
        let residual = join.residual.as_ref().map(expressions::columns).unwrap_or_default();
        let all: BTreeSet<usize> = wanted.iter().copied().chain(residual).collect();
        let on_left = all.iter().copied().filter(|column| *column < width);
        let on_right = all.iter().filter(|column| **column >= width).map(|column| column - width);
        let left_needed = join_side(on_left, &join.left_keys, join.left_time, false);
        let right_needed = join_side(on_right, &join.right_keys, join.right_time, false);
        let left = self.relation(&join.left, &left_needed)?;
        let right = self.relation(&join.right, &right_needed)?;
        let columns: Vec<usize> =
            left_needed.iter().copied().chain(right_needed.iter().map(|c| c + width)).collect();
        let operator = PhysicalTemporalJoin {
            kind: join.kind,
            left_keys: moved_all(&join.left_keys, &left_needed),
            right_keys: moved_all(&join.right_keys, &right_needed),
            left_time: moved(join.left_time, &left_needed),
            right_time: moved(join.right_time, &right_needed),
            residual: join
                .residual
                .as_ref()
                .map(|residual| expressions::renumber(residual, &|c| moved(c, &columns))),
        };
        let operator = PhysicalOperator::TemporalJoin(Box::new(operator));
        let output = pick(&rel.schema, &columns);
        Ok(Native { node: self.node(operator, vec![left, right], output, rel.span), columns })
    }

    fn temporal_sort(&mut self, rel: &Rel, wanted: &[usize]) -> Built<Native> {
        let RelNode::TemporalSort { input, order } = &rel.node else {
            return Err(Problem::new(rel.span, "this is no temporal sort"));
        };
        let needed = at_least_one(wanted.iter().copied().chain(order.iter().map(|key| key.column)));
        let node = self.relation(input, &needed)?;
        let mut order = order.clone();
        order.iter_mut().for_each(|key| key.column = moved(key.column, &needed));
        let operator = PhysicalOperator::TemporalSort { order };
        let output = pick(&rel.schema, &needed);
        let node = self.node(operator, vec![node], output, rel.span);
        Ok(Native { node, columns: needed })
    }

    fn rank(&mut self, rel: &Rel, wanted: &[usize]) -> Built<Native> {
        let RelNode::Rank { input, partition, order, start, end, output_rank } = &rel.node else {
            return Err(Problem::new(rel.span, "this is no rank"));
        };
        let width = input.schema.len();
        let rank_wanted = *output_rank && wanted.contains(&width);
        let order_columns = order.iter().map(|key| key.column);
        let needed = at_least_one(
            wanted
                .iter()
                .copied()
                .filter(|c| *c < width)
                .chain(partition.clone())
                .chain(order_columns),
        );
        let node = self.relation(input, &needed)?;
        let mut order = order.clone();
        order.iter_mut().for_each(|key| key.column = moved(key.column, &needed));
        let operator = PhysicalOperator::Rank {
            partition: moved_all(partition, &needed),
            order,
            start: *start,
            end: *end,
            output_rank: rank_wanted,
        };
        let mut columns = needed;
        columns.extend(rank_wanted.then_some(width));
        let output = pick(&rel.schema, &columns);
        Ok(Native { node: self.node(operator, vec![node], output, rel.span), columns })
    }

    fn deduplicate(&mut self, rel: &Rel, wanted: &[usize]) -> Built<Native> {
        let RelNode::Deduplicate { input, keys, time, keep, .. } = &rel.node else {
            return Err(Problem::new(rel.span, "this is no deduplication"));
        };
        let rowtime = match time {
            WindowTime::Rowtime(column) => Some(*column),
            WindowTime::Proctime => None,
        };
        let needed = at_least_one(wanted.iter().copied().chain(keys.clone()).chain(rowtime));
        let node = self.relation(input, &needed)?;
        let operator = PhysicalOperator::Deduplicate {
            keys: moved_all(keys, &needed),
            time: moved_time(*time, &needed),
            keep: *keep,
        };
        let output = pick(&rel.schema, &needed);
        let node = self.node(operator, vec![node], output, rel.span);
        Ok(Native { node, columns: needed })
    }
}

/// A node and which of its relation's columns it has, in order.
pub(crate) struct Native {
    pub node: usize,
    pub columns: Vec<usize>,
}

// The cell of a row that has no column of its own.
fn zero() -> TypedExpr {
    TypedExpr::literal(Literal::Integer(0), TypeRoot::Int.not_null())
}

fn zero_schema() -> Schema {
    Schema::new(vec![Field::new("ZERO", TypeRoot::Int.not_null())])
}

fn is_constant(expression: &TypedExpr) -> bool {
    let mut constant = expressions::is_deterministic(expression);
    expressions::visit(expression, &mut |node| {
        if let millrace_expr::TypedKind::Call { function, .. } = &node.kind {
            constant &= !CLOCK_FUNCTIONS.contains(&function.as_str());
        }
    });
    constant
}

const CLOCK_FUNCTIONS: [&str; 10] = [
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_ROW_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NOW",
    "PROCTIME",
    "UNIX_TIMESTAMP",
    "CURRENT_WATERMARK",
];

fn refuse_attached(
    windows: millrace_sql::logical::WindowColumns,
    context: &ExprContext,
    span: Span,
) -> Built<()> {
    if windows.proctime {
        let message =
            "grouping again by the windows of a processing-time window is not offered yet";
        return Err(Problem::new(span, message));
    }
    if windows.local_time && context.time_zone != "UTC" {
        let message = format!(
            "grouping by windows over TIMESTAMP_LTZ that an expression has looked at is not offered yet in the time zone {}",
            context.time_zone
        );
        return Err(Problem::new(span, message).with_hint("set 'table.local-time-zone' to 'UTC'"));
    }
    Ok(())
}
