//! Windowing table functions and the legacy windows of GROUP BY (sections B.3, B.4).

use millrace_dataflow::graph::{WindowAssigner, WindowKind, WindowTime};
use millrace_dataflow::{DataType, Field, Schema, TimeAttribute, TypeRoot};
use millrace_expr::TypedExpr;

use super::aggregate::{LegacyWindow, check_key};
use super::from::CommonTables;
use super::scalar::Scalars;
use super::scope::Scope;
use super::{Binder, Bound};
use crate::ast::{Call, Expr, Ident, WindowCall};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode, WindowColumns};
use crate::since::Feature;
use crate::span::Span;

/// The parameters of each function in order; OFFSET is optional.
const PARAMETERS: [(&str, &[&str]); 4] = [
    ("TUMBLE", &["SIZE", "OFFSET"]),
    ("HOP", &["SLIDE", "SIZE", "OFFSET"]),
    ("CUMULATE", &["STEP", "SIZE", "OFFSET"]),
    ("SESSION", &["GAP"]),
];

/// A constant interval and where it is written.
type Interval = (i64, Span);

impl Binder<'_> {
    pub(super) fn window_function(
        &self,
        call: &WindowCall,
        common: &CommonTables,
        span: Span,
    ) -> Bound<Rel> {
        let function = call.function.text.to_ascii_uppercase();
        self.check_window_function(&function, &call.function)?;
        let input = self.named_relation(&call.table, &call.hints, common)?;
        let scope = Scope::of_schema(Vec::new(), &input.schema);
        let path = crate::ast::Path { parts: vec![call.time_column.clone()] };
        let time_column = scope.resolve(&path)?.index;
        let intervals = self.window_arguments(&function, call)?;
        let kind = window_kind(&function, &intervals, call.function.span)?;
        let offset_ms = match kind {
            WindowKind::Session { .. } => 0,
            _ => intervals.last().copied().flatten().map_or(0, |(ms, _)| ms),
        };
        let partition = self.session_partition(&function, call, &scope)?;
        let mut rel =
            self.windowed(input, time_column, kind, offset_ms, call.time_column.span, span)?;
        if let RelNode::Window { partition: of_window, .. } = &mut rel.node {
            *of_window = partition;
        }
        Ok(rel)
    }

    fn check_window_function(&self, function: &str, name: &Ident) -> Bound<()> {
        if function == "SESSION" {
            Feature::SessionWindow.check(self.level, name.span)?;
        }
        if PARAMETERS.iter().any(|(known, _)| *known == function) {
            return Ok(());
        }
        let message = format!(
            "there is no windowing function {function}; there are TUMBLE, HOP, CUMULATE and SESSION"
        );
        Err(Problem::new(name.span, message))
    }

    // One entry for each parameter; `None` for an offset that is not given.
    fn window_arguments(&self, function: &str, call: &WindowCall) -> Bound<Vec<Option<Interval>>> {
        let names =
            PARAMETERS.iter().find(|(known, _)| *known == function).map_or(&[][..], |p| p.1);
        let mut intervals = vec![None; names.len()];
        for (position, (name, expression)) in call.arguments.iter().enumerate() {
            let position = match name {
                None => position,
                Some(name) => names
                    .iter()
                    .position(|known| known.eq_ignore_ascii_case(&name.text))
                    .ok_or_else(|| {
                        let message = format!("{function} has no parameter {}", name.text);
                        Problem::new(name.span, message)
                            .with_hint(format!("it has {}", names.join(", ")))
                    })?,
            };
            let slot = intervals.get_mut(position).ok_or_else(|| {
                Problem::new(
                    expression.span,
                    format!("{function} takes {} and no more", names.join(", ")),
                )
            })?;
            *slot = Some((self.constant_interval(expression)?, expression.span));
        }
        let missing = (0..names.len())
            .find(|position| names[*position] != "OFFSET" && intervals[*position].is_none());
        match missing {
            Some(position) => Err(Problem::new(
                call.function.span,
                format!("{function} needs its {}", names[position]),
            )),
            None => Ok(intervals),
        }
    }

    // The columns that sessions are kept apart by (row B3.4); `None` for other windows.
    fn session_partition(
        &self,
        function: &str,
        call: &WindowCall,
        scope: &Scope,
    ) -> Bound<Option<Vec<usize>>> {
        if function != "SESSION" {
            return match call.partition.first() {
                None => Ok(None),
                Some(key) => {
                    let message = format!("{function} takes no PARTITION BY; only SESSION does");
                    Err(Problem::new(key.span, message))
                }
            };
        }
        let context = self.context();
        let column = |key: &Expr| {
            let bound = Scalars::new(scope, &context).bind(key)?;
            check_key(&bound, key.span)?;
            expressions::column_of(&bound)
                .ok_or_else(|| Problem::new(key.span, "PARTITION BY of SESSION takes columns only"))
        };
        call.partition.iter().map(column).collect::<Bound<Vec<usize>>>().map(Some)
    }

    fn constant_interval(&self, expression: &Expr) -> Bound<i64> {
        let context = self.context();
        let scope = Scope::default();
        let bound = Scalars::new(&scope, &context).bind(expression)?;
        expressions::interval_constant(&bound).ok_or_else(|| {
            let message = format!(
                "a window's size is a constant INTERVAL of days to seconds, but this is {}",
                bound.data_type
            );
            Problem::new(expression.span, message)
        })
    }

    /// The input with window_start, window_end and window_time appended (row B3.7).
    pub(super) fn windowed(
        &self,
        input: Rel,
        time_column: usize,
        kind: WindowKind,
        offset_ms: i64,
        time_span: Span,
        span: Span,
    ) -> Bound<Rel> {
        let field = &input.schema.fields[time_column];
        let proctime = match field.time {
            TimeAttribute::Proctime => true,
            TimeAttribute::Rowtime => false,
            TimeAttribute::None => {
                let message = format!(
                    "The window function requires the timecol is a time attribute type, but is {}.",
                    field.data_type
                );
                return Err(Problem::new(time_span, message).with_hint(format!(
                    "declare WATERMARK FOR {} in the table, and pass the column on unchanged",
                    field.name
                )));
            }
        };
        let local_time = matches!(field.data_type.root, TypeRoot::TimestampLtz { .. });
        let zone = self.time_zone();
        let window = WindowAssigner {
            kind,
            offset_ms,
            time: if proctime { WindowTime::Proctime } else { WindowTime::Rowtime(time_column) },
            time_zone: (local_time && zone != "UTC").then_some(zone),
        };
        let windows = window_columns(input.schema.len(), proctime, local_time);
        let mut fields = input.schema.fields.clone();
        fields.extend(window_fields(proctime, local_time));
        let node = RelNode::Window { input: Box::new(input), window, partition: None };
        Ok(Rel { node, schema: Schema::new(fields), windows: Some(windows), span })
    }

    /// `GROUP BY TUMBLE(ts, size)`: the windowed input, and what its key stands for.
    pub(super) fn legacy_window(
        &self,
        call: &Call,
        input: Rel,
        scope: &Scope,
    ) -> Bound<(Rel, LegacyWindow)> {
        let context = self.context();
        let mut scalars = Scalars::new(scope, &context);
        let arguments =
            call.arguments.iter().map(|a| scalars.bind(a)).collect::<Bound<Vec<_>>>()?;
        let function = call.name.to_ascii_uppercase();
        let time = arguments.first().and_then(expressions::column_of);
        let time_column = time.ok_or_else(|| {
            Problem::new(call.name_span, format!("{function} needs a time attribute first"))
        })?;
        let intervals = self.legacy_intervals(call, &arguments)?;
        let kind = window_kind(&function, &intervals, call.name_span)?;
        let time_span = call.arguments[0].span;
        let rel = self.windowed(input, time_column, kind, 0, time_span, call.name_span)?;
        let proctime = rel.windows.is_some_and(|windows| windows.proctime);
        Ok((rel, LegacyWindow { function, arguments, start_key: 0, proctime }))
    }

    fn legacy_intervals(
        &self,
        call: &Call,
        arguments: &[TypedExpr],
    ) -> Bound<Vec<Option<Interval>>> {
        let mut intervals = Vec::new();
        for (argument, expression) in arguments.iter().zip(&call.arguments).skip(1) {
            let ms = expressions::interval_constant(argument).ok_or_else(|| {
                Problem::new(
                    expression.span,
                    "a window's size is a constant INTERVAL of days to seconds",
                )
            })?;
            intervals.push(Some((ms, expression.span)));
        }
        let wanted = if call.name.eq_ignore_ascii_case("HOP") { 2 } else { 1 };
        if intervals.len() != wanted {
            let message = format!(
                "{} takes a time attribute and {wanted} interval(s)",
                call.name.to_uppercase()
            );
            return Err(Problem::new(call.name_span, message));
        }
        intervals.push(None);
        Ok(intervals)
    }
}

/// The windowing function that a relation's window columns come from.
pub(super) fn window_of(rel: &Rel) -> Option<&WindowAssigner> {
    match &rel.node {
        RelNode::Window { window, .. } => Some(window),
        RelNode::Filter { input, .. }
        | RelNode::Project { input, .. }
        | RelNode::WindowAggregate { input, .. }
        | RelNode::RowNumber { input, .. }
        | RelNode::WindowRank { input, .. } => window_of(input),
        RelNode::WindowJoin(join) => Some(&join.window),
        _ => None,
    }
}

pub(super) fn is_legacy_window(call: &Call) -> bool {
    !call.is_operator
        && ["TUMBLE", "HOP", "SESSION"].iter().any(|name| call.name.eq_ignore_ascii_case(name))
}

fn window_kind(function: &str, intervals: &[Option<Interval>], span: Span) -> Bound<WindowKind> {
    let interval = |at: usize| -> Bound<Interval> {
        let found = intervals.get(at).copied().flatten();
        let (ms, place) = found.ok_or_else(|| Problem::new(span, "an interval is missing"))?;
        if ms <= 0 {
            return Err(Problem::new(place, "a window's intervals must be positive"));
        }
        Ok((ms, place))
    };
    if function == "TUMBLE" {
        return Ok(WindowKind::Tumble { size_ms: interval(0)?.0 });
    }
    if function == "SESSION" {
        return Ok(WindowKind::Session { gap_ms: interval(0)?.0 });
    }
    let (step_ms, _) = interval(0)?;
    let (size_ms, size_span) = interval(1)?;
    if size_ms % step_ms != 0 {
        let what = if function == "HOP" { "slide" } else { "step" };
        let message = format!(
            "{function} table function based aggregate requires size must be an integral multiple of {what}, but got size {size_ms} ms and {what} {step_ms} ms"
        );
        return Err(Problem::new(size_span, message));
    }
    Ok(match function {
        "HOP" => WindowKind::Hop { slide_ms: step_ms, size_ms },
        _ => WindowKind::Cumulate { step_ms, size_ms },
    })
}

fn window_columns(first: usize, proctime: bool, local_time: bool) -> WindowColumns {
    WindowColumns {
        start: Some(first),
        end: Some(first + 1),
        time: Some(first + 2),
        proctime,
        local_time,
    }
}

fn window_fields(proctime: bool, local_time: bool) -> [Field; 3] {
    let bound: DataType = TypeRoot::Timestamp { precision: 3 }.not_null();
    let time = match local_time {
        true => TypeRoot::TimestampLtz { precision: 3 }.not_null(),
        false => bound.clone(),
    };
    let attribute = if proctime { TimeAttribute::Proctime } else { TimeAttribute::Rowtime };
    [
        Field::new("window_start", bound.clone()),
        Field::new("window_end", bound),
        Field::new("window_time", time).with_time(attribute),
    ]
}
