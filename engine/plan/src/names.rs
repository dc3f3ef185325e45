//! Operators as Flink's plans show them.

mod phases;
mod windows;

use millrace_dataflow::Schema;
use millrace_dataflow::graph::{
    AggregateCall, AggregateFunction, JoinEmits, JoinKind, Keep, OverFrame, SortKey,
    WindowAssigner, WindowInput, WindowKind, WindowProperty, WindowTime,
};
use millrace_expr::{TypedExpr, TypedKind};
use millrace_sql::logical::BoundTable;

use crate::physical::{
    PhysicalIntervalJoin, PhysicalJoin, PhysicalLookupJoin, PhysicalOperator, PhysicalTemporalJoin,
    Plan,
};
use crate::render;

/// `GroupAggregate(groupBy=[k], select=[k, COUNT(*) AS n])`.
pub(crate) fn node(plan: &Plan, index: usize) -> String {
    let node = &plan.nodes[index];
    let input = node.inputs.first().map(|input| &plan.nodes[*input].output);
    let empty = Schema::default();
    let input = input.unwrap_or(&empty);
    let output = &node.output;
    match &node.operator {
        PhysicalOperator::Source { table, .. } => {
            format!("TableSourceScan(table=[[{}]], fields=[{}])", path(table), fields(output))
        }
        PhysicalOperator::Values(rows) => values(rows),
        PhysicalOperator::Calc { filter, project } => calc(filter.as_ref(), project, input, output),
        PhysicalOperator::WindowAssign(window) => {
            format!("WindowTableFunction(window=[{}])", assigner(window, input))
        }
        PhysicalOperator::WindowAggregate { window, keys, calls, properties, legacy: _ } => {
            let window = match window {
                WindowInput::Assign(window) => assigner(window, input),
                WindowInput::Attached { start, end } => {
                    format!("win_start=[{}], win_end=[{}]", name(input, *start), name(input, *end))
                }
            };
            let mut select = aggregate_select(keys, calls, input, output);
            select.extend(window_properties(properties, keys.len() + calls.len(), output));
            let group_by = group_by(keys, input);
            format!("WindowAggregate({group_by}window=[{window}], select=[{}])", select.join(", "))
        }
        PhysicalOperator::GroupAggregate { keys, calls, .. } => {
            let select = aggregate_select(keys, calls, input, output).join(", ");
            format!("GroupAggregate({}select=[{select}])", group_by(keys, input))
        }
        PhysicalOperator::LocalGroupAggregate { keys, calls } => phases::local(keys, calls, input),
        PhysicalOperator::GlobalGroupAggregate { keys, calls, .. } => {
            phases::global(keys, calls, input, output)
        }
        PhysicalOperator::IntervalJoin(join) => {
            let right = &plan.nodes[node.inputs[1]].output;
            interval_join(join, input, right, output)
        }
        PhysicalOperator::Join(join) => {
            join_text(join, input, &plan.nodes[node.inputs[1]].output, output)
        }
        PhysicalOperator::WindowJoin(join) => {
            let right = &plan.nodes[node.inputs[1]].output;
            windows::join(join, input, right, output)
        }
        PhysicalOperator::WindowRank(rank) => windows::rank(rank, input, output),
        PhysicalOperator::Rank { partition, order, start, end, output_rank } => {
            let partition = columns(partition, input);
            let order = sort(order, input);
            let fields = fields(output);
            format!(
                "Rank(rankType=[ROW_NUMBER], rankRange=[rankStart={start}, rankEnd={end}], partitionBy=[{partition}], orderBy=[{order}], outputRank=[{output_rank}], select=[{fields}])"
            )
        }
        PhysicalOperator::Deduplicate { keys, time, keep } => {
            let keep = if *keep == Keep::First { "FirstRow" } else { "LastRow" };
            let time = if *time == WindowTime::Proctime { "PROCTIME" } else { "ROWTIME" };
            format!("Deduplicate(keep=[{keep}], key=[{}], order=[{time}])", columns(keys, input))
        }
        PhysicalOperator::OverAggregate { partition, time, frame, calls } => {
            let partition = match partition.as_slice() {
                [] => String::new(),
                keys => format!("partitionBy=[{}], ", columns(keys, input)),
            };
            let time = match time {
                WindowTime::Rowtime(column) => name(input, *column),
                WindowTime::Proctime => "PROCTIME".to_owned(),
            };
            let all: Vec<usize> = (0..input.len()).collect();
            let select = aggregate_select(&all, calls, input, output).join(", ");
            let frame = self::frame(*frame);
            format!(
                "OverAggregate({partition}orderBy=[{time} ASC], window=[{frame}], select=[{select}])"
            )
        }
        PhysicalOperator::Correlate { collection, outer, .. } => {
            let kind = if *outer { "LEFT" } else { "INNER" };
            let collection = render::expression(collection, &|column| name(input, column));
            let fields = fields(output);
            format!(
                "Correlate(invocation=[UNNEST({collection})], joinType=[{kind}], select=[{fields}])"
            )
        }

        PhysicalOperator::ChangelogNormalize { keys } => {
            format!("ChangelogNormalize(key=[{}])", columns(keys, input))
        }
        PhysicalOperator::SinkMaterialize { keys, .. } => {
            format!("SinkMaterialize(key=[{}])", columns(keys, input))
        }
        PhysicalOperator::TemporalJoin(join) => {
            let right = &plan.nodes[node.inputs[1]].output;
            temporal_join(join, input, right, output)
        }
        PhysicalOperator::LookupJoin(join) => lookup_join(join, input, output),
        PhysicalOperator::TemporalSort { order } => {
            format!("TemporalSort(orderBy=[{}])", sort(order, input))
        }
        PhysicalOperator::Union => format!("Union(all=[true], union=[{}])", fields(output)),
        PhysicalOperator::Sink(table) => {
            format!("Sink(table=[{}], fields=[{}])", table.spec.name, fields(output))
        }
        PhysicalOperator::Collect => format!("Collect(fields=[{}])", fields(output)),
    }
}

fn path(table: &BoundTable) -> String {
    table.spec.name.replace('.', ", ")
}

fn name(schema: &Schema, column: usize) -> String {
    schema.fields.get(column).map_or_else(|| format!("${column}"), |field| field.name.clone())
}

pub(crate) fn columns(columns: &[usize], schema: &Schema) -> String {
    columns.iter().map(|column| name(schema, *column)).collect::<Vec<_>>().join(", ")
}

fn fields(schema: &Schema) -> String {
    schema.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn values(rows: &[Vec<TypedExpr>]) -> String {
    let no_columns = |column: usize| format!("${column}");
    let row = |row: &Vec<TypedExpr>| {
        let values: Vec<String> = row.iter().map(|e| render::expression(e, &no_columns)).collect();
        format!("{{ {} }}", values.join(", "))
    };
    let shown: Vec<String> = rows.iter().take(3).map(row).collect();
    let more = if rows.len() > 3 { format!(", ... {} rows", rows.len()) } else { String::new() };
    format!("Values(tuples=[[{}{more}]])", shown.join(", "))
}

fn calc(
    filter: Option<&TypedExpr>,
    project: &[TypedExpr],
    input: &Schema,
    output: &Schema,
) -> String {
    let column = |column: usize| name(input, column);
    let items: Vec<String> = project
        .iter()
        .zip(&output.fields)
        .map(|(expression, field)| {
            let text = render::expression(expression, &column);
            let is_itself = matches!(expression.kind, TypedKind::Column(_)) && text == field.name;
            if is_itself { text } else { format!("{text} AS {}", field.name) }
        })
        .collect();
    let filter = filter.map(|filter| format!(", where=[{}]", render::expression(filter, &column)));
    format!("Calc(select=[{}]{})", items.join(", "), filter.unwrap_or_default())
}

/// `TUMBLE(time_col=[ts], size=[60000 ms])`.
pub(crate) fn assigner(window: &WindowAssigner, input: &Schema) -> String {
    let time = match window.time {
        WindowTime::Rowtime(column) => name(input, column),
        WindowTime::Proctime => "PROCTIME".to_owned(),
    };
    let offset = match window.offset_ms {
        0 => String::new(),
        ms => format!(", offset=[{ms} ms]"),
    };
    let zone = window.time_zone.as_ref().map(|zone| format!(", zone=[{zone}]")).unwrap_or_default();
    format!("{}time_col=[{time}], {}{offset}{zone})", opening(window.kind), sizes(window.kind))
}

fn opening(kind: WindowKind) -> &'static str {
    match kind {
        WindowKind::Tumble { .. } => "TUMBLE(",
        WindowKind::Hop { .. } => "HOP(",
        WindowKind::Cumulate { .. } => "CUMULATE(",
        WindowKind::Session { .. } => "SESSION(",
    }
}

fn sizes(kind: WindowKind) -> String {
    match kind {
        WindowKind::Tumble { size_ms } => format!("size=[{size_ms} ms]"),
        WindowKind::Hop { slide_ms, size_ms } => {
            format!("size=[{size_ms} ms], slide=[{slide_ms} ms]")
        }
        WindowKind::Cumulate { step_ms, size_ms } => {
            format!("max_size=[{size_ms} ms], step=[{step_ms} ms]")
        }
        WindowKind::Session { gap_ms } => format!("gap=[{gap_ms} ms]"),
    }
}

fn group_by(keys: &[usize], input: &Schema) -> String {
    if keys.is_empty() { String::new() } else { format!("groupBy=[{}], ", columns(keys, input)) }
}

fn aggregate_select(
    keys: &[usize],
    calls: &[AggregateCall],
    input: &Schema,
    output: &Schema,
) -> Vec<String> {
    let column = |column: usize| name(input, column);
    let keys = keys.iter().map(|key| column(*key)).collect::<Vec<_>>();
    let calls = calls.iter().zip(output.fields.iter().skip(keys.len()));
    let calls = calls
        .map(|(aggregate, field)| format!("{} AS {}", call(aggregate, &column), field.name))
        .collect::<Vec<_>>();
    keys.into_iter().chain(calls).collect()
}

/// `COUNT(DISTINCT x) FILTER f`, with the columns named by `column`.
pub(crate) fn call(call: &AggregateCall, column: &impl Fn(usize) -> String) -> String {
    let mut arguments: Vec<String> = call.arguments.iter().map(|c| column(*c)).collect();
    let function = match &call.function {
        AggregateFunction::CountStar => return filtered("COUNT(*)".to_owned(), call, column),
        AggregateFunction::Count => "COUNT",
        AggregateFunction::Sum => "SUM",
        AggregateFunction::Avg => "AVG",
        AggregateFunction::Min => "MIN",
        AggregateFunction::Max => "MAX",
        AggregateFunction::FirstValue => "FIRST_VALUE",
        AggregateFunction::LastValue => "LAST_VALUE",
        AggregateFunction::StddevPop => "STDDEV_POP",
        AggregateFunction::StddevSamp => "STDDEV_SAMP",
        AggregateFunction::VarPop => "VAR_POP",
        AggregateFunction::VarSamp => "VAR_SAMP",
        AggregateFunction::ListAgg { separator } => {
            arguments.push(format!("'{separator}'"));
            "LISTAGG"
        }
        AggregateFunction::Collect => "COLLECT",
        AggregateFunction::RowNumber => return "ROW_NUMBER()".to_owned(),
        AggregateFunction::Lag { offset } => {
            arguments.insert(1, offset.to_string());
            "LAG"
        }
    };
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    filtered(format!("{function}({distinct}{})", arguments.join(", ")), call, column)
}

fn filtered(text: String, call: &AggregateCall, column: &impl Fn(usize) -> String) -> String {
    match call.filter {
        Some(filter) => format!("{text} FILTER {}", column(filter)),
        None => text,
    }
}

/// `ROWS BETWEEN 2 PRECEDING AND CURRENT ROW`.
pub(crate) fn frame(frame: OverFrame) -> String {
    let (unit, lower) = match frame {
        OverFrame::UnboundedRows => ("ROWS", "UNBOUNDED".to_owned()),
        OverFrame::UnboundedRange => ("RANGE", "UNBOUNDED".to_owned()),
        OverFrame::Rows(rows) => ("ROWS", rows.to_string()),
        OverFrame::Range(ms) => ("RANGE", format!("{ms} ms")),
    };
    format!("{unit} BETWEEN {lower} PRECEDING AND CURRENT ROW")
}

fn window_properties(properties: &[WindowProperty], first: usize, output: &Schema) -> Vec<String> {
    let named = properties.iter().zip(output.fields.iter().skip(first));
    named
        .map(|(property, field)| {
            let text = match property {
                WindowProperty::Start => "start('w$)",
                WindowProperty::End => "end('w$)",
                WindowProperty::Time => "rowtime('w$)",
            };
            format!("{text} AS {}", field.name)
        })
        .collect()
}

fn interval_join(
    join: &PhysicalIntervalJoin,
    left: &Schema,
    right: &Schema,
    output: &Schema,
) -> String {
    let kind = match join.kind {
        JoinKind::Inner => "InnerJoin",
        JoinKind::Left => "LeftOuterJoin",
        JoinKind::Right => "RightOuterJoin",
        JoinKind::Full => "FullOuterJoin",
    };
    let time = |time: WindowTime, schema: &Schema| match time {
        WindowTime::Rowtime(column) => name(schema, column),
        WindowTime::Proctime => "PROCTIME".to_owned(),
    };
    let is_row_time = join.left_time != WindowTime::Proctime;
    let keys: Vec<String> = join
        .left_keys
        .iter()
        .zip(&join.right_keys)
        .map(|(one, other)| format!("({} = {})", name(left, *one), name(right, *other)))
        .collect();
    let residual = join.residual.as_ref().map(|residual| {
        let column =
            |c: usize| if c < left.len() { name(left, c) } else { name(right, c - left.len()) };
        format!(" AND {}", render::expression(residual, &column))
    });
    format!(
        "IntervalJoin(joinType=[{kind}], windowBounds=[isRowTime={is_row_time}, leftLowerBound={}, leftUpperBound={}, leftTimeIndex={}, rightTimeIndex={}], where=[{}{}], select=[{}])",
        join.lower_ms,
        join.upper_ms,
        time(join.left_time, left),
        time(join.right_time, right),
        keys.join(" AND "),
        residual.unwrap_or_default(),
        fields(output)
    )
}

/// As Flink's plans have it.
pub(crate) fn join_type(emits: JoinEmits) -> &'static str {
    match emits {
        JoinEmits::Pairs(JoinKind::Inner) => "InnerJoin",
        JoinEmits::Pairs(JoinKind::Left) => "LeftOuterJoin",
        JoinEmits::Pairs(JoinKind::Right) => "RightOuterJoin",
        JoinEmits::Pairs(JoinKind::Full) => "FullOuterJoin",
        JoinEmits::Semi => "LeftSemiJoin",
        JoinEmits::Anti => "LeftAntiJoin",
    }
}

fn join_text(join: &PhysicalJoin, left: &Schema, right: &Schema, output: &Schema) -> String {
    let key = |at: usize| {
        let equal = if join.null_safe[at] { "IS NOT DISTINCT FROM" } else { "=" };
        let (one, other) = (join.left_keys[at], join.right_keys[at]);
        format!("({} {equal} {})", name(left, one), name(right, other))
    };
    let mut conditions: Vec<String> = (0..join.left_keys.len()).map(key).collect();
    conditions.extend(join.residual.as_ref().map(|residual| {
        let column =
            |c: usize| if c < left.len() { name(left, c) } else { name(right, c - left.len()) };
        render::expression(residual, &column)
    }));
    let condition = if conditions.is_empty() { "true".into() } else { conditions.join(" AND ") };
    let (kind, select) = (join_type(join.emits), fields(output));
    format!("Join(joinType=[{kind}], where=[{condition}], select=[{select}])")
}

fn temporal_join(
    join: &PhysicalTemporalJoin,
    left: &Schema,
    right: &Schema,
    output: &Schema,
) -> String {
    let kind = if join.kind == JoinKind::Left { "LeftOuterJoin" } else { "InnerJoin" };
    let pairs = join.left_keys.iter().zip(&join.right_keys);
    let mut conditions: Vec<String> =
        pairs.map(|(l, r)| format!("({} = {})", name(left, *l), name(right, *r))).collect();
    let (left_time, right_time) = (name(left, join.left_time), name(right, join.right_time));
    conditions.push(format!("__TEMPORAL_JOIN_CONDITION({left_time}, {right_time})"));
    conditions.extend(join.residual.as_ref().map(|residual| {
        let column =
            |c: usize| if c < left.len() { name(left, c) } else { name(right, c - left.len()) };
        render::expression(residual, &column)
    }));
    let (conditions, fields) = (conditions.join(" AND "), fields(output));
    format!("TemporalJoin(joinType=[{kind}], where=[{conditions}], select=[{fields}])")
}

/// A column of a table by its full name.
pub(crate) fn table_column(table: &BoundTable, column: usize) -> String {
    let name = table.schema.fields.get(column).map_or("", |field| field.name.as_str());
    format!("{}.{name}", table.spec.name)
}

fn lookup_join(join: &PhysicalLookupJoin, left: &Schema, output: &Schema) -> String {
    let kind = if join.kind == JoinKind::Left { "LeftOuterJoin" } else { "InnerJoin" };
    let in_table = |column: usize| join.table.schema.fields[column].name.clone();
    let of_right = |column: usize| render::expression(&join.project[column], &in_table);
    let pairs = join.left_keys.iter().zip(&join.right_keys);
    let keys: Vec<String> =
        pairs.map(|(l, r)| format!("{}={}", of_right(*r), name(left, *l))).collect();
    let mut parts = vec![
        format!("table=[{}]", join.table.spec.name),
        format!("joinType=[{kind}]"),
        format!("lookup=[{}]", keys.join(", ")),
    ];
    let filter = join.filter.as_ref().map(|filter| render::expression(filter, &in_table));
    parts.extend(filter.map(|filter| format!("where=[{filter}]")));
    parts.extend(join.residual.as_ref().map(|residual| {
        let column =
            |c: usize| if c < left.len() { name(left, c) } else { of_right(c - left.len()) };
        format!("joinCondition=[{}]", render::expression(residual, &column))
    }));
    format!("LookupJoin({}, select=[{}])", parts.join(", "), fields(output))
}

fn sort(order: &[SortKey], input: &Schema) -> String {
    let key = |key: &SortKey| {
        let direction = if key.ascending { "ASC" } else { "DESC" };
        let nulls = match key.nulls_first == key.ascending {
            true => "",
            false if key.nulls_first => " NULLS FIRST",
            false => " NULLS LAST",
        };
        format!("{} {direction}{nulls}", name(input, key.column))
    };
    order.iter().map(key).collect::<Vec<_>>().join(", ")
}
