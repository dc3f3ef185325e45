//! Operator ids that survive edits, and the texts that say whether state fits.
//! The rule is written down in `engine/design/operator-identity.md`.

use std::collections::{BTreeMap, BTreeSet};

use millrace_dataflow::graph::{
    Keep, LookupCache, OperatorId, SortKey, StateLayout, WindowAssigner, WindowInput, WindowKind,
    WindowTime,
};
use millrace_dataflow::{Schema, TypeRoot};
use sha2::{Digest, Sha256};

use crate::names;
use crate::physical::{PhysicalOperator, Plan};
use crate::render;
use crate::two_phase::first_phase;

/// One id for each node of the plan.
pub(crate) fn operator_ids(plan: &Plan) -> Vec<OperatorId> {
    let sinks = first_sinks(plan);
    let mut occurrences: BTreeMap<String, usize> = BTreeMap::new();
    (0..plan.nodes.len())
        .map(|index| {
            let base = identity_text(plan, index, &sinks[index]);
            let occurrence = occurrences.entry(base.clone()).or_default();
            let text = format!("{base}#{occurrence}");
            *occurrence += 1;
            OperatorId(hex::encode(&Sha256::digest(text.as_bytes())[..16]))
        })
        .collect()
}

// Role, upstream tables, keys, and the first INSERT that the operator serves. A
// source serves the whole job, so it has no sink.
fn identity_text(plan: &Plan, index: usize, sink: &str) -> String {
    let node = &plan.nodes[index];
    let role = role(&node.operator);
    let tables: Vec<String> = upstream_tables(plan, index).into_iter().collect();
    let keys: Vec<String> = keys(plan, index);
    let sink = match node.operator {
        PhysicalOperator::Source { .. } => "",
        _ => sink,
    };
    format!("{role}|{}|{}|{sink}", tables.join(","), keys.join(","))
}

pub(crate) fn role(operator: &PhysicalOperator) -> &'static str {
    match operator {
        PhysicalOperator::Source { .. } => "source",
        PhysicalOperator::Values(_) => "values",
        PhysicalOperator::Calc { .. } => "calc",
        PhysicalOperator::WindowAssign(_) => "window-assign",
        PhysicalOperator::WindowAggregate { .. } => "window-aggregate",
        PhysicalOperator::WindowJoin(_) => "window-join",
        PhysicalOperator::WindowRank(_) => "window-rank",
        PhysicalOperator::GroupAggregate { .. } | PhysicalOperator::GlobalGroupAggregate { .. } => {
            "group-aggregate"
        }
        PhysicalOperator::LocalGroupAggregate { .. } => "local-group-aggregate",
        PhysicalOperator::IntervalJoin(_) => "interval-join",
        PhysicalOperator::Join(_) => "join",
        PhysicalOperator::Rank { .. } => "rank",
        PhysicalOperator::Deduplicate { .. } => "deduplicate",
        PhysicalOperator::OverAggregate { .. } => "over-aggregate",
        PhysicalOperator::Correlate { .. } => "correlate",
        PhysicalOperator::ChangelogNormalize { .. } => "changelog-normalize",
        PhysicalOperator::SinkMaterialize { .. } => "sink-materialize",
        PhysicalOperator::TemporalJoin(_) => "temporal-join",
        PhysicalOperator::LookupJoin(_) => "lookup-join",
        PhysicalOperator::TemporalSort { .. } => "temporal-sort",
        PhysicalOperator::Union => "union",
        PhysicalOperator::Sink(_) => "sink",
        PhysicalOperator::Collect => "collect",
    }
}

// For each node the sink of the first root that reads it.
fn first_sinks(plan: &Plan) -> Vec<String> {
    let mut sinks: Vec<Option<String>> = vec![None; plan.nodes.len()];
    for (root, node) in plan.nodes.iter().enumerate() {
        let name = match &node.operator {
            PhysicalOperator::Sink(table) => table.spec.name.clone(),
            PhysicalOperator::Collect => "collect".to_owned(),
            _ => continue,
        };
        mark(plan, root, &name, &mut sinks);
    }
    sinks.into_iter().map(Option::unwrap_or_default).collect()
}

fn mark(plan: &Plan, node: usize, name: &str, sinks: &mut [Option<String>]) {
    if sinks[node].is_some() {
        return;
    }
    sinks[node] = Some(name.to_owned());
    for input in &plan.nodes[node].inputs {
        mark(plan, *input, name, sinks);
    }
}

fn upstream_tables(plan: &Plan, index: usize) -> BTreeSet<String> {
    let node = &plan.nodes[index];
    let mut tables: BTreeSet<String> =
        node.inputs.iter().flat_map(|input| upstream_tables(plan, *input)).collect();
    match &node.operator {
        PhysicalOperator::Source { table, .. } => drop(tables.insert(table.spec.name.clone())),
        PhysicalOperator::LookupJoin(join) => drop(tables.insert(join.table.spec.name.clone())),
        // A sink is its table's, whatever it is fed from.
        PhysicalOperator::Sink(_) => tables.clear(),
        _ => {}
    }
    tables
}

fn keys(plan: &Plan, index: usize) -> Vec<String> {
    let node = &plan.nodes[index];
    let of = |columns: &[usize], input: usize| -> Vec<String> {
        columns.iter().map(|column| lineage(plan, node.inputs[input], *column)).collect()
    };
    match &node.operator {
        PhysicalOperator::WindowAggregate { keys, .. }
        | PhysicalOperator::GroupAggregate { keys, .. }
        | PhysicalOperator::LocalGroupAggregate { keys, .. }
        | PhysicalOperator::GlobalGroupAggregate { keys, .. }
        | PhysicalOperator::Deduplicate { keys, .. }
        | PhysicalOperator::ChangelogNormalize { keys }
        | PhysicalOperator::SinkMaterialize { keys, .. } => of(keys, 0),
        PhysicalOperator::WindowRank(rank) => of(&rank.partition, 0),
        PhysicalOperator::WindowJoin(join) => {
            let mut keys = of(&join.left_keys, 0);
            keys.extend(of(&join.right_keys, 1));
            keys
        }
        PhysicalOperator::Rank { partition, .. }
        | PhysicalOperator::OverAggregate { partition, .. } => of(partition, 0),
        PhysicalOperator::IntervalJoin(join) => {
            let mut keys = of(&join.left_keys, 0);
            keys.extend(of(&join.right_keys, 1));
            keys
        }
        PhysicalOperator::Join(join) => {
            let mut keys = of(&join.left_keys, 0);
            keys.extend(of(&join.right_keys, 1));
            keys
        }

        PhysicalOperator::TemporalJoin(join) => {
            let mut keys = of(&join.left_keys, 0);
            keys.extend(of(&join.right_keys, 1));
            keys
        }
        PhysicalOperator::LookupJoin(join) => of(&join.left_keys, 0),
        _ => Vec::new(),
    }
}

/// Where a column comes from, down to the tables: independent of aliases, positions
/// and filters.
pub(crate) fn lineage(plan: &Plan, index: usize, column: usize) -> String {
    let node = &plan.nodes[index];
    let below = |input: usize, column: usize| lineage(plan, node.inputs[input], column);
    match &node.operator {
        PhysicalOperator::Source { table, columns } => {
            let name = columns.get(column).map(|at| table.schema.fields[*at].name.as_str());
            format!("{}.{}", table.spec.name, name.unwrap_or_default())
        }
        PhysicalOperator::Values(_) => format!("values.{column}"),
        PhysicalOperator::Calc { project, .. } => {
            render::expression(&project[column], &|column| below(0, column))
        }
        PhysicalOperator::WindowAssign(_) => {
            let width = plan.nodes[node.inputs[0]].output.len();
            match column.checked_sub(width) {
                None => below(0, column),
                Some(bound) => {
                    ["window_start", "window_end", "window_time"][bound.min(2)].to_owned()
                }
            }
        }
        PhysicalOperator::WindowAggregate { keys, calls, .. }
        | PhysicalOperator::LocalGroupAggregate { keys, calls }
        | PhysicalOperator::GroupAggregate { keys, calls, .. } => {
            match column.checked_sub(keys.len()) {
                None => below(0, keys[column]),
                Some(at) => match calls.get(at) {
                    Some(call) => names::call(call, &|column| below(0, column)),
                    None => node.output.fields[column].name.clone(),
                },
            }
        }
        // Column for column what the first phase is of.
        PhysicalOperator::GlobalGroupAggregate { .. } => below(0, column),
        PhysicalOperator::IntervalJoin(_)
        | PhysicalOperator::Join(_)
        | PhysicalOperator::TemporalJoin(_)
        | PhysicalOperator::WindowJoin(_) => {
            let width = plan.nodes[node.inputs[0]].output.len();
            match column.checked_sub(width) {
                None => below(0, column),
                Some(column) => below(1, column),
            }
        }
        PhysicalOperator::LookupJoin(join) => {
            let width = plan.nodes[node.inputs[0]].output.len();
            let of_table = |column: usize| names::table_column(&join.table, column);
            match column.checked_sub(width) {
                None => below(0, column),
                Some(column) => render::expression(&join.project[column], &of_table),
            }
        }
        PhysicalOperator::Rank { .. } | PhysicalOperator::WindowRank(_) => {
            let width = plan.nodes[node.inputs[0]].output.len();
            if column < width { below(0, column) } else { "rank".to_owned() }
        }
        PhysicalOperator::OverAggregate { calls, .. } => {
            let width = plan.nodes[node.inputs[0]].output.len();
            match column.checked_sub(width) {
                None => below(0, column),
                Some(at) => format!("{} OVER", names::call(&calls[at], &|c| below(0, c))),
            }
        }
        PhysicalOperator::Correlate { collection, keep, .. } => {
            match column.checked_sub(keep.len()) {
                None => below(0, keep[column]),
                Some(at) => {
                    let collection = render::expression(collection, &|c| below(0, c));
                    format!("UNNEST({collection}).{at}")
                }
            }
        }
        PhysicalOperator::Union => {
            let inputs = (0..node.inputs.len()).map(|input| below(input, column));
            let inputs: BTreeSet<String> = inputs.collect();
            inputs.into_iter().collect::<Vec<_>>().join(" or ")
        }
        PhysicalOperator::Deduplicate { .. }
        | PhysicalOperator::ChangelogNormalize { .. }
        | PhysicalOperator::SinkMaterialize { .. }
        | PhysicalOperator::TemporalSort { .. }
        | PhysicalOperator::Sink(_)
        | PhysicalOperator::Collect => below(0, column),
    }
}

/// What of a node's state must be equal for a snapshot to fit; `None` without state.
pub(crate) fn state_layout(
    plan: &Plan,
    index: usize,
    retracts: bool,
    has_ttl: bool,
) -> Option<StateLayout> {
    let node = &plan.nodes[index];
    let input = |at: usize| &plan.nodes[node.inputs[at]].output;
    let ttl = if has_ttl { "; ttl=yes" } else { "" };
    let parts = match &node.operator {
        PhysicalOperator::Source { table, .. } => connector(table),
        PhysicalOperator::Sink(table) => connector(table),
        PhysicalOperator::WindowAggregate { window, keys, calls, .. } => format!(
            "keys=[{}]; window={}; aggregates=[{}]{}",
            types(input(0), keys),
            window_text(plan, index, window),
            aggregates(plan, index, calls),
            if retracts { "; retracts=true" } else { "" }
        ),
        PhysicalOperator::WindowJoin(join) => format!(
            "join={:?}; keys=[{}]; left=[{}]; right=[{}]; window={}",
            join.kind,
            types(input(0), &join.left_keys),
            all_types(input(0)),
            all_types(input(1)),
            window_shape(&join.window)
        ),
        PhysicalOperator::WindowRank(rank) => format!(
            "partition=[{}]; order=[{}]; range={}..{}; row=[{}]; keep={}",
            types(input(0), &rank.partition),
            order_text(plan, node.inputs[0], &rank.order),
            rank.start,
            rank.end,
            all_types(input(0)),
            if rank.latest_first { "last" } else { "first" }
        ),
        PhysicalOperator::GroupAggregate { .. } | PhysicalOperator::GlobalGroupAggregate { .. } => {
            format!("{}; retracts={retracts}{ttl}", group_text(plan, first_phase(plan, index)))
        }
        PhysicalOperator::IntervalJoin(join) => format!(
            "join={:?}; keys=[{}]; left=[{}]; right=[{}]; time={}; bounds=[{} ms, {} ms]",
            join.kind,
            types(input(0), &join.left_keys),
            all_types(input(0)),
            all_types(input(1)),
            time(join.left_time),
            join.lower_ms,
            join.upper_ms
        ),
        PhysicalOperator::Join(join) => {
            format!(
                "join={}; keys=[{}]; null_safe={:?}; left=[{}]; right=[{}]{ttl}",
                names::join_type(join.emits),
                types(input(0), &join.left_keys),
                join.null_safe,
                all_types(input(0)),
                all_types(input(1)),
            )
        }
        PhysicalOperator::Rank { partition, order, start, end, .. } => {
            format!(
                "partition=[{}]; order=[{}]; range={start}..{end}; row=[{}]; retracts={retracts}{ttl}",
                types(input(0), partition),
                order_text(plan, node.inputs[0], order),
                all_types(input(0))
            )
        }
        PhysicalOperator::Deduplicate { keys, time: by, keep } => format!(
            "keys=[{}]; keep={}; time={}; row=[{}]{ttl}",
            types(input(0), keys),
            if *keep == Keep::First { "first" } else { "last" },
            time(*by),
            all_types(input(0))
        ),
        PhysicalOperator::OverAggregate { partition, time: by, frame, calls } => format!(
            "partition=[{}]; time={}; frame={}; aggregates=[{}]; row=[{}]{ttl}",
            types(input(0), partition),
            time(*by),
            names::frame(*frame),
            aggregates(plan, index, calls),
            all_types(input(0))
        ),
        PhysicalOperator::ChangelogNormalize { keys } => {
            format!("keys=[{}]; row=[{}]{ttl}", types(input(0), keys), all_types(input(0)))
        }
        PhysicalOperator::SinkMaterialize { keys, upsert_key } => {
            let by = upsert_key.as_ref().map_or_else(
                || "row".to_owned(),
                |columns| format!("upsert key {}", types(input(0), columns)),
            );
            let (keys, row) = (types(input(0), keys), all_types(input(0)));
            format!("keys=[{keys}]; by={by}; row=[{row}]{ttl}")
        }
        PhysicalOperator::TemporalJoin(join) => format!(
            "join={:?}; keys=[{}]; left=[{}]; right=[{}]",
            join.kind,
            types(input(0), &join.left_keys),
            all_types(input(0)),
            all_types(input(1))
        ),
        // Rows that wait for an answer; nothing waits for a table that is held whole.
        PhysicalOperator::LookupJoin(join) => match join.cache {
            LookupCache::Full(_) => return None,
            _ => format!("row=[{}]", all_types(input(0))),
        },
        PhysicalOperator::TemporalSort { .. } => format!("row=[{}]", all_types(input(0))),
        // Whether the rows were emitted.
        PhysicalOperator::Values(rows) => format!("rows={}", rows.len()),
        PhysicalOperator::Calc { .. }
        | PhysicalOperator::LocalGroupAggregate { .. }
        | PhysicalOperator::WindowAssign(_)
        | PhysicalOperator::Correlate { .. }
        | PhysicalOperator::Union
        | PhysicalOperator::Collect => return None,
    };
    let kind = role(&node.operator);
    let kind = if kind == "values" { "source" } else { kind };
    Some(StateLayout { kind: kind.to_owned(), layout: parts })
}

fn order_text(plan: &Plan, input: usize, order: &[SortKey]) -> String {
    let key = |key: &SortKey| {
        let source = lineage(plan, input, key.column);
        let direction = if key.ascending { "ASC" } else { "DESC" };
        let nulls = if key.nulls_first { "NULLS FIRST" } else { "NULLS LAST" };
        format!("{source} {direction} {nulls}")
    };
    order.iter().map(key).collect::<Vec<_>>().join(", ")
}

fn connector(table: &millrace_sql::logical::BoundTable) -> String {
    let connector = table.spec.options.get("connector").map_or("", String::as_str);
    format!("connector={connector}")
}

fn types(schema: &Schema, columns: &[usize]) -> String {
    let root = |column: &usize| type_text(&schema.fields[*column].data_type.root);
    columns.iter().map(root).collect::<Vec<_>>().join(", ")
}

// Nullability is no part of the stored form, so a NOT NULL more or less still fits.
fn all_types(schema: &Schema) -> String {
    let all: Vec<usize> = (0..schema.len()).collect();
    types(schema, &all)
}

fn type_text(root: &TypeRoot) -> String {
    root.to_string().replace(" NOT NULL", "")
}

// Of what takes the rows themselves: the layout does not depend on the phases.
fn group_text(plan: &Plan, index: usize) -> String {
    let node = &plan.nodes[index];
    let input = &plan.nodes[node.inputs[0]].output;
    match &node.operator {
        PhysicalOperator::GroupAggregate { keys, calls, .. }
        | PhysicalOperator::LocalGroupAggregate { keys, calls } => {
            let (keys, calls) = (types(input, keys), aggregates(plan, index, calls));
            format!("keys=[{keys}]; aggregates=[{calls}]")
        }
        _ => String::new(),
    }
}

fn aggregates(
    plan: &Plan,
    index: usize,
    calls: &[millrace_dataflow::graph::AggregateCall],
) -> String {
    let input = plan.nodes[index].inputs[0];
    let text = |call: &millrace_dataflow::graph::AggregateCall| {
        let call_text = names::call(call, &|column| lineage(plan, input, column));
        let types = call.argument_types.iter().map(|t| type_text(&t.root));
        let types = types.collect::<Vec<_>>().join(", ");
        format!("{call_text} ({types}) -> {}", type_text(&call.output.root))
    };
    calls.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn time(time: WindowTime) -> &'static str {
    match time {
        WindowTime::Rowtime(_) => "rowtime",
        WindowTime::Proctime => "proctime",
    }
}

fn window_text(plan: &Plan, index: usize, window: &WindowInput) -> String {
    match window {
        WindowInput::Attached { .. } => "attached".to_owned(),
        WindowInput::Assign(window) => assigner_text(plan, index, window),
    }
}

fn assigner_text(plan: &Plan, index: usize, window: &WindowAssigner) -> String {
    let by = match window.time {
        WindowTime::Rowtime(column) => lineage(plan, plan.nodes[index].inputs[0], column),
        WindowTime::Proctime => "proctime".to_owned(),
    };
    let zone = window.time_zone.as_deref().unwrap_or("UTC");
    format!("{}, offset {} ms) by {by} in {zone}", kind_text(window.kind), window.offset_ms)
}

// Of a window that rows carry: what it is, not what it was assigned by.
fn window_shape(window: &WindowAssigner) -> String {
    let zone = window.time_zone.as_deref().unwrap_or("UTC");
    format!("{}, offset {} ms) in {zone}", kind_text(window.kind), window.offset_ms)
}

fn kind_text(kind: WindowKind) -> String {
    match kind {
        WindowKind::Tumble { size_ms } => format!("TUMBLE({size_ms} ms"),
        WindowKind::Hop { slide_ms, size_ms } => format!("HOP({slide_ms} ms, {size_ms} ms"),
        WindowKind::Cumulate { step_ms, size_ms } => format!("CUMULATE({step_ms} ms, {size_ms} ms"),
        WindowKind::Session { gap_ms } => format!("SESSION({gap_ms} ms"),
    }
}
