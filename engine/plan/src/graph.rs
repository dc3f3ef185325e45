//! Physical plan to job graph: expressions become runnable, edges get exchanges.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use arrow::compute::concat;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use millrace_dataflow::catalog::{ConnectorCatalog, ConnectorDescriptor};
use millrace_dataflow::graph::{
    Asking, ChangelogNormalize, Correlate, Deduplicate, Edge, Exchange, GroupAggregate,
    IntervalJoin, Join, LocalGroupAggregate, LookupJoin, LookupTable, Node, NotNullPolicy,
    Operator, Over, Rank, SinkMaterialize, SinkOperator, SourceOperator, TemporalJoin,
    TemporalSort, WatermarkSpec, WindowAggregate, WindowJoin,
};
use millrace_dataflow::settings::parse_duration_ms;
use millrace_dataflow::source::ScanSpec;
use millrace_dataflow::table::ProducedColumn;
use millrace_dataflow::{EvalContext, Expression, Field, JobGraph, RuntimeLevel, Schema};
use millrace_expr::{ExprContext, TypedExpr};
use millrace_sql::logical::{BoundTable, LookupOptions, TableColumn};
use millrace_sql::{Problem, expressions};

use crate::build::Built;
use crate::changelog::Changelog;
use crate::compiled::StateTtls;
use crate::identity;
use crate::members;
use crate::mini_batch::MiniBatches;
use crate::names;
use crate::physical::{
    PhysicalIntervalJoin, PhysicalJoin, PhysicalLookupJoin, PhysicalNode, PhysicalOperator,
    PhysicalWindowJoin, Plan,
};
use crate::sink_shuffle;
use crate::two_phase::{self, Strategy};

/// Rows a source puts into one batch at most.
const BATCH_ROWS: usize = 1024;

pub(crate) struct Lowering<'a> {
    pub plan: &'a Plan,
    pub changelog: &'a Changelog,
    pub mini_batches: &'a MiniBatches,
    pub connectors: &'a dyn ConnectorCatalog,
    pub settings: &'a BTreeMap<String, String>,
    pub level: RuntimeLevel,
    /// What a compiled plan says.
    pub state_ttls: &'a StateTtls,
}

impl Lowering<'_> {
    pub(crate) fn job_graph(&self) -> Built<JobGraph> {
        let ids = identity::operator_ids(self.plan);
        let parallelism = self.parallelism()?;
        let mut nodes = Vec::new();
        let mut edges = Vec::new();
        for (index, node) in self.plan.nodes.iter().enumerate() {
            for (input, from) in node.inputs.iter().enumerate() {
                let exchange = self.exchange(index, input, &parallelism)?;
                edges.push(Edge { from: *from, to: index, input, exchange });
            }
            nodes.push(Node {
                id: ids[index].clone(),
                name: names::node(self.plan, index),
                operator: self.operator(index, node)?,
                output: node.output.clone(),
                parallelism: parallelism[index],
                state: identity::state_layout(
                    self.plan,
                    index,
                    self.retracts(index),
                    self.state_ttls(index).iter().any(|ttl| *ttl > 0),
                ),
            });
        }
        Ok(JobGraph { level: self.level, nodes, edges })
    }

    // One subtask for what is global, and for what follows it without an exchange: a
    // changelog must not be torn apart.
    fn parallelism(&self) -> Built<Vec<Option<u16>>> {
        let mut all: Vec<Option<u16>> = Vec::new();
        for (index, node) in self.plan.nodes.iter().enumerate() {
            let one = match self.distribution(index) {
                Some(keys) => keys.is_empty(),
                None => match &node.operator {
                    PhysicalOperator::Values(_) => true,
                    _ => node.inputs.iter().any(|input| all[*input] == Some(1)),
                },
            };
            let own = match &node.operator {
                PhysicalOperator::Sink(table) => sink_shuffle::parallelism(node, table)?,
                _ => None,
            };
            all.push(own.or(one.then_some(1)));
        }
        Ok(all)
    }

    /// The keys (of the first input) that rows are distributed by; empty: all to one
    /// subtask; `None`: rows stay where they are.
    pub(crate) fn distribution(&self, index: usize) -> Option<Vec<usize>> {
        distribution(&self.plan.nodes[index].operator, 0)
    }

    fn exchange(&self, index: usize, input: usize, parallelism: &[Option<u16>]) -> Built<Exchange> {
        let node = &self.plan.nodes[index];
        if matches!(node.operator, PhysicalOperator::Sink(_)) {
            let (plan, settings) = (self.plan, self.settings);
            return sink_shuffle::exchange(plan, self.changelog, settings, index, parallelism);
        }
        Ok(match distribution(&node.operator, input) {
            Some(keys) if keys.is_empty() => Exchange::Global,
            Some(keys) => Exchange::Hash(keys),
            None if parallelism[index] == parallelism[node.inputs[input]] => Exchange::Forward,
            None => Exchange::Global,
        })
    }

    fn retracts(&self, index: usize) -> bool {
        let node = &self.plan.nodes[two_phase::first_phase(self.plan, index)];
        node.inputs.iter().any(|input| !self.changelog.kinds[*input].is_insert_only())
    }

    fn duration_setting(&self, key: &str) -> i64 {
        // Values were checked when the settings were.
        self.settings.get(key).and_then(|value| parse_duration_ms(value).ok()).unwrap_or(0)
    }

    /// The time-to-live of each state of a node, in milliseconds: what a compiled plan says
    /// of it, else a hint, else the job's (rows B13.1, H3.5).
    pub(crate) fn state_ttls(&self, index: usize) -> Vec<i64> {
        if let Some(of_plan) = self.state_ttls.get(&index).filter(|ttls| !ttls.is_empty()) {
            return of_plan.clone();
        }
        let of_job = self.duration_setting("table.exec.state.ttl");
        match &self.plan.nodes[index].operator {
            PhysicalOperator::GroupAggregate { state_ttl_ms, .. }
            | PhysicalOperator::GlobalGroupAggregate { state_ttl_ms, .. } => {
                vec![state_ttl_ms.unwrap_or(of_job)]
            }
            PhysicalOperator::Join(join) => {
                join.state_ttl_ms.iter().map(|of_hint| of_hint.unwrap_or(of_job)).collect()
            }
            _ => vec![of_job],
        }
    }

    fn operator(&self, index: usize, node: &PhysicalNode) -> Built<Operator> {
        let emit_update_before = self.changelog.mode(index).update_before;
        let state_ttls = self.state_ttls(index);
        let state_ttl_ms = state_ttls[0];
        Ok(match &node.operator {
            PhysicalOperator::Source { table, columns } => {
                let assigner = self.mini_batches.assigner(index);
                Operator::Source(SourceOperator {
                    watermark_step_ms: assigner.and_then(|a| a.watermark_step_ms()),
                    ..self.source(index, table, columns)?
                })
            }
            PhysicalOperator::Values(rows) => Operator::Values { rows: self.values(node, rows)? },
            PhysicalOperator::Calc { filter, project } => Operator::Calc {
                filter: filter.as_ref().map(|filter| self.lower(node, filter)).transpose()?,
                project: self.lower_all(node, project)?,
            },
            PhysicalOperator::WindowAssign(window) => {
                Operator::WindowAssign { window: window.clone() }
            }
            PhysicalOperator::WindowAggregate { window, keys, calls, properties, legacy: _ } => {
                Operator::WindowAggregate(WindowAggregate {
                    window: window.clone(),
                    keys: keys.clone(),
                    aggregates: calls.clone(),
                    properties: properties.clone(),
                    retracts: self.retracts(index),
                })
            }
            PhysicalOperator::WindowJoin(join) => {
                Operator::WindowJoin(self.window_join(node, join)?)
            }
            PhysicalOperator::WindowRank(rank) => Operator::WindowRank(rank.clone()),
            PhysicalOperator::LocalGroupAggregate { keys, calls } => {
                let mini_batch = self.mini_batches.of(index).ok_or_else(|| {
                    Problem::new(node.span, "an aggregation in two phases needs mini-batches")
                })?;
                Operator::LocalGroupAggregate(LocalGroupAggregate {
                    keys: keys.clone(),
                    aggregates: calls.clone(),
                    retracts: self.retracts(index),
                    mini_batch,
                    adaptive: Strategy::of(self.settings) == Strategy::Auto,
                })
            }
            PhysicalOperator::GroupAggregate { keys, calls, .. }
            | PhysicalOperator::GlobalGroupAggregate { keys, calls, .. } => {
                Operator::GroupAggregate(GroupAggregate {
                    keys: keys.clone(),
                    aggregates: two_phase::placed(self.plan, index, calls),
                    retracts: self.retracts(index),
                    emit_update_before,
                    state_ttl_ms,
                    mini_batch: self.mini_batches.of(index),
                    merges: two_phase::first_phase(self.plan, index) != index,
                })
            }
            PhysicalOperator::IntervalJoin(join) => {
                Operator::IntervalJoin(self.interval_join(node, join)?)
            }
            PhysicalOperator::Join(join) => Operator::Join(self.join(node, join, &state_ttls)?),
            PhysicalOperator::Rank { partition, order, start, end, output_rank } => {
                Operator::Rank(Rank {
                    partition: partition.clone(),
                    order: order.clone(),
                    start: *start,
                    end: *end,
                    output_rank: *output_rank,
                    retracts: self.retracts(index),
                    emit_update_before,
                    state_ttl_ms,
                })
            }
            PhysicalOperator::Deduplicate { keys, time, keep } => {
                Operator::Deduplicate(Deduplicate {
                    keys: keys.clone(),
                    time: *time,
                    keep: *keep,
                    emit_update_before,
                    state_ttl_ms,
                    mini_batch: self.mini_batches.of(index),
                })
            }
            PhysicalOperator::OverAggregate { partition, time, frame, calls } => {
                Operator::Over(Over {
                    partition: partition.clone(),
                    time: *time,
                    frame: *frame,
                    calls: calls.clone(),
                    state_ttl_ms,
                })
            }
            PhysicalOperator::Correlate { collection, keep, outer } => {
                Operator::Correlate(Correlate {
                    collection: self.lower(node, collection)?,
                    keep: keep.clone(),
                    outer: *outer,
                })
            }
            PhysicalOperator::ChangelogNormalize { keys } => {
                Operator::ChangelogNormalize(ChangelogNormalize {
                    keys: keys.clone(),
                    emit_update_before,
                    state_ttl_ms,
                    mini_batch: self.mini_batches.of(index),
                })
            }
            PhysicalOperator::SinkMaterialize { keys, upsert_key } => {
                Operator::SinkMaterialize(SinkMaterialize {
                    keys: keys.clone(),
                    upsert_key: upsert_key.clone(),
                    state_ttl_ms,
                })
            }
            PhysicalOperator::TemporalJoin(join) => Operator::TemporalJoin(TemporalJoin {
                kind: join.kind,
                left_keys: join.left_keys.clone(),
                right_keys: join.right_keys.clone(),
                left_time: join.left_time,
                right_time: join.right_time,
                residual: join.residual.as_ref().map(|e| self.lower(node, e)).transpose()?,
            }),
            PhysicalOperator::LookupJoin(join) => {
                let retracts = self.retracts(index);
                Operator::LookupJoin(Box::new(self.lookup_join(node, join, retracts)?))
            }
            PhysicalOperator::TemporalSort { order } => {
                Operator::TemporalSort(TemporalSort { order: order.clone() })
            }
            PhysicalOperator::Union => Operator::Union,
            PhysicalOperator::Sink(table) => Operator::Sink(self.sink(node, table)),
            PhysicalOperator::Collect => Operator::Collect,
        })
    }

    fn lower(&self, node: &PhysicalNode, expression: &TypedExpr) -> Built<Expression> {
        millrace_expr::lower(expression, &self.context(node))
            .map_err(|error| Problem::new(node.span, error.message))
    }

    fn lower_all(&self, node: &PhysicalNode, all: &[TypedExpr]) -> Built<Vec<Expression>> {
        all.iter().map(|expression| self.lower(node, expression)).collect()
    }

    fn context(&self, node: &PhysicalNode) -> ExprContext {
        ExprContext { level: self.level, time_zone: node.time_zone.clone() }
    }

    fn interval_join(
        &self,
        node: &PhysicalNode,
        join: &PhysicalIntervalJoin,
    ) -> Built<IntervalJoin> {
        Ok(IntervalJoin {
            kind: join.kind,
            left_keys: join.left_keys.clone(),
            right_keys: join.right_keys.clone(),
            left_time: join.left_time,
            right_time: join.right_time,
            lower_ms: join.lower_ms,
            upper_ms: join.upper_ms,
            residual: join.residual.as_ref().map(|e| self.lower(node, e)).transpose()?,
        })
    }

    fn join(&self, node: &PhysicalNode, join: &PhysicalJoin, ttls: &[i64]) -> Built<Join> {
        let retracts = |side: usize| !self.changelog.kinds[node.inputs[side]].is_insert_only();
        Ok(Join {
            emits: join.emits,
            left_keys: join.left_keys.clone(),
            right_keys: join.right_keys.clone(),
            null_safe: join.null_safe.clone(),
            residual: join.residual.as_ref().map(|e| self.lower(node, e)).transpose()?,
            retracts: [retracts(0), retracts(1)],
            state_ttl_ms: [ttls[0], ttls[ttls.len() - 1]],
        })
    }

    fn window_join(&self, node: &PhysicalNode, join: &PhysicalWindowJoin) -> Built<WindowJoin> {
        Ok(WindowJoin {
            kind: join.kind,
            left_window: join.left_window,
            right_window: join.right_window,
            left_keys: join.left_keys.clone(),
            right_keys: join.right_keys.clone(),
            residual: join.residual.as_ref().map(|e| self.lower(node, e)).transpose()?,
            time_zone: join.window.time_zone.clone(),
        })
    }

    fn sink(&self, node: &PhysicalNode, table: &BoundTable) -> SinkOperator {
        let physical = &table.spec.physical.fields;
        let policy = self.settings.get("table.exec.sink.not-null-enforcer");
        let drops = policy.is_some_and(|policy| policy.eq_ignore_ascii_case("DROP"));
        SinkOperator {
            table: table.spec.clone(),
            changelog: self.changelog.mode(node.inputs[0]),
            not_null: (0..physical.len()).filter(|at| !physical[*at].data_type.nullable).collect(),
            not_null_policy: if drops { NotNullPolicy::Drop } else { NotNullPolicy::Error },
        }
    }

    // Reads just the physical and metadata columns that the wanted ones are made of.
    fn source(&self, index: usize, table: &BoundTable, columns: &[usize]) -> Built<SourceOperator> {
        let node = &self.plan.nodes[index];
        let produced = produced_columns(table, columns.iter().copied());
        let descriptor = self.descriptor(table);
        let made = columns
            .iter()
            .map(|column| self.table_column(node, table, descriptor, *column, &produced))
            .collect::<Built<Vec<_>>>()?;
        let is_plain = made.len() == produced.len()
            && made.iter().enumerate().all(|(at, e)| expressions::column_of(e) == Some(at));
        let compute = if is_plain { None } else { Some(self.lower_all(node, &made)?) };
        let members = members::read(self.plan, index, &made, produced.len());
        let scan = scan(table, &produced, members);
        let watermark = self.watermark(node, table, columns)?;
        Ok(SourceOperator { scan, compute, watermark, watermark_step_ms: None })
    }

    // What a hint says of a lookup join wins over the job's settings (rows B7.5 to B7.7).
    fn asking(&self, hint: LookupOptions, retracts: bool) -> Asking {
        let setting = |name: &str| self.settings.get(&format!("table.exec.async-lookup.{name}"));
        let is_unordered = || {
            setting("output-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("ALLOW_UNORDERED"))
        };
        let capacity = || setting("buffer-capacity").and_then(|text| text.trim().parse().ok());
        let timeout_ms = || setting("timeout").and_then(|text| parse_duration_ms(text).ok());
        Asking {
            asynchronous: hint.asynchronous.unwrap_or(true),
            unordered: !retracts && hint.unordered.unwrap_or_else(is_unordered),
            capacity: hint.capacity.or_else(capacity).unwrap_or(100),
            timeout_ms: hint.timeout_ms.or_else(timeout_ms).unwrap_or(3 * 60 * 1000),
            retry: hint.retry,
        }
    }

    fn lookup_join(
        &self,
        node: &PhysicalNode,
        join: &PhysicalLookupJoin,
        retracts: bool,
    ) -> Built<LookupJoin> {
        let table = &join.table;
        let over_table = join.filter.iter().chain(&join.project).flat_map(expressions::columns);
        let produced = produced_columns(table, over_table);
        let descriptor = self.descriptor(table);
        let of_produced = |e: &TypedExpr| -> Built<Expression> {
            let columns = expressions::columns(e).into_iter().map(|column| {
                let made = self.table_column(node, table, descriptor, column, &produced)?;
                Ok((column, made))
            });
            let columns = columns.collect::<Built<BTreeMap<usize, TypedExpr>>>()?;
            self.lower(node, &expressions::replace(e, &|column, _| columns[&column].clone()))
        };
        let project = join.project.iter().map(of_produced).collect::<Built<_>>()?;
        let scan = scan(table, &produced, vec![None; produced.len()]);
        let filter = join.filter.as_ref().map(of_produced).transpose()?;
        let columns = Schema::new(join.project.iter().map(field_of).collect());
        let keys = join.right_keys.iter().filter_map(|key| {
            let column = expressions::column_of(&join.project[*key])?;
            produced.iter().position(|known| *known == column)
        });
        let keys = keys.collect();
        Ok(LookupJoin {
            kind: join.kind,
            table: LookupTable { scan, filter, project, columns, keys, cache: join.cache },
            left_keys: join.left_keys.clone(),
            right_keys: join.right_keys.clone(),
            emits: join.emits,
            residual: join.residual.as_ref().map(|e| self.lower(node, e)).transpose()?,
            asking: self.asking(join.hint, retracts),
            retracts,
        })
    }

    fn descriptor(&self, table: &BoundTable) -> Option<&ConnectorDescriptor> {
        self.connectors.connector(table.spec.options.get("connector")?)
    }

    // A table's column over the produced ones. A metadata column comes in the
    // connector's type and is cast to the declared one (row A2.3).
    fn table_column(
        &self,
        node: &PhysicalNode,
        table: &BoundTable,
        descriptor: Option<&ConnectorDescriptor>,
        column: usize,
        produced: &[usize],
    ) -> Built<TypedExpr> {
        let at = produced.iter().position(|known| *known == column).unwrap_or(0);
        let declared = table.schema.fields[column].data_type.clone();
        match &table.columns[column] {
            TableColumn::Physical(_) => Ok(TypedExpr::column(at, declared)),
            TableColumn::Metadata(index) => {
                let key = &table.spec.metadata[*index].key;
                let native = descriptor
                    .and_then(|d| d.metadata.iter().find(|known| known.key == key))
                    .map_or_else(|| declared.clone(), |known| known.data_type.clone());
                let value = TypedExpr::column(at, native);
                if value.data_type.root == declared.root {
                    return Ok(value);
                }
                millrace_expr::cast(value, declared, false, &self.context(node)).map_err(|error| {
                    let message = format!(
                        "metadata column '{}': {}",
                        table.schema.fields[column].name, error.message
                    );
                    Problem::new(node.span, message)
                })
            }
            TableColumn::Computed(expression) => {
                let inputs = expressions::columns(expression)
                    .into_iter()
                    .map(|input| {
                        let inner = self.table_column(node, table, descriptor, input, produced)?;
                        Ok((input, inner))
                    })
                    .collect::<Built<BTreeMap<usize, TypedExpr>>>()?;
                Ok(expressions::replace(expression, &|index, data_type| {
                    let known = inputs.get(&index).cloned();
                    known.unwrap_or_else(|| TypedExpr::column(index, data_type.clone()))
                }))
            }
        }
    }

    fn watermark(
        &self,
        node: &PhysicalNode,
        table: &BoundTable,
        columns: &[usize],
    ) -> Built<Option<WatermarkSpec>> {
        let Some(watermark) = &table.watermark else { return Ok(None) };
        let place = |column: usize| columns.iter().position(|known| *known == column);
        let expression =
            expressions::renumber(&watermark.expression, &|column| place(column).unwrap_or(column));
        let global = self.duration_setting("table.exec.source.idle-timeout");
        Ok(Some(WatermarkSpec {
            rowtime: place(watermark.column).unwrap_or(0),
            expression: self.lower(node, &expression)?,
            idle_timeout_ms: watermark.idle_timeout_ms.or((global > 0).then_some(global)),
            alignment: watermark.alignment.clone(),
            on_event: watermark.on_event,
        }))
    }

    fn values(&self, node: &PhysicalNode, rows: &[Vec<TypedExpr>]) -> Built<RecordBatch> {
        let nothing = one_row_without_columns();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for column in 0..node.output.len() {
            let mut cells = Vec::new();
            for row in rows {
                let cell = self.lower(node, &row[column])?;
                let cell = cell.run.evaluate(&nothing, &EvalContext::default());
                cells.push(cell.map_err(|error| Problem::new(node.span, error.message))?);
            }
            let cells: Vec<&dyn arrow::array::Array> = cells.iter().map(|cell| &**cell).collect();
            columns
                .push(concat(&cells).map_err(|error| Problem::new(node.span, error.to_string()))?);
        }
        record_batch(&node.output, columns, rows.len())
            .map_err(|error| Problem::new(node.span, error.to_string()))
    }
}

// The physical and metadata columns that columns of the table are made of.
fn produced_columns(table: &BoundTable, columns: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut produced: Vec<usize> = Vec::new();
    for column in columns {
        match &table.columns[column] {
            TableColumn::Computed(e) => produced.extend(expressions::columns(e)),
            _ => produced.push(column),
        }
    }
    produced.sort_unstable();
    produced.dedup();
    produced
}

fn scan(table: &BoundTable, produced: &[usize], members: Vec<Option<Vec<usize>>>) -> ScanSpec {
    let columns = produced.iter().filter_map(|column| match &table.columns[*column] {
        TableColumn::Physical(at) => Some(ProducedColumn::Physical(*at)),
        TableColumn::Metadata(at) => Some(ProducedColumn::Metadata(*at)),
        TableColumn::Computed(_) => None,
    });
    ScanSpec {
        table: table.spec.clone(),
        columns: columns.collect(),
        members,
        batch_rows: BATCH_ROWS,
    }
}

fn field_of(expression: &TypedExpr) -> Field {
    Field::new("", expression.data_type.clone())
}

fn one_row_without_columns() -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let schema = std::sync::Arc::new(arrow::datatypes::Schema::empty());
    RecordBatch::try_new_with_options(schema, vec![], &options)
        .expect("a batch without columns has as many rows as it is told")
}

fn record_batch(
    schema: &Schema,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.to_arrow(), columns, &options)
}

/// How an operator wants its input distributed.
pub(crate) fn distribution(operator: &PhysicalOperator, input: usize) -> Option<Vec<usize>> {
    match operator {
        PhysicalOperator::WindowAggregate { keys, .. }
        | PhysicalOperator::GroupAggregate { keys, .. }
        | PhysicalOperator::GlobalGroupAggregate { keys, .. }
        | PhysicalOperator::Deduplicate { keys, .. }
        | PhysicalOperator::ChangelogNormalize { keys }
        | PhysicalOperator::SinkMaterialize { keys, .. } => Some(keys.clone()),
        PhysicalOperator::WindowRank(rank) => Some(rank.partition.clone()),
        PhysicalOperator::WindowJoin(join) if input == 0 => Some(join.left_keys.clone()),
        PhysicalOperator::WindowJoin(join) => Some(join.right_keys.clone()),
        PhysicalOperator::Rank { partition, .. }
        | PhysicalOperator::OverAggregate { partition, .. } => Some(partition.clone()),
        PhysicalOperator::TemporalJoin(join) if input == 0 => Some(join.left_keys.clone()),
        PhysicalOperator::TemporalJoin(join) => Some(join.right_keys.clone()),
        PhysicalOperator::TemporalSort { .. } => Some(Vec::new()),
        PhysicalOperator::IntervalJoin(join) if input == 0 => Some(join.left_keys.clone()),
        PhysicalOperator::IntervalJoin(join) => Some(join.right_keys.clone()),
        PhysicalOperator::Join(join) if input == 0 => Some(join.left_keys.clone()),
        PhysicalOperator::Join(join) => Some(join.right_keys.clone()),
        _ => None,
    }
}
