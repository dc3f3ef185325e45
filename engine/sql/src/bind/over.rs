//! `f(..) OVER (..)`: the window functions of a SELECT list (section B.5). All stand
//! over one window. `ROW_NUMBER()` alone may become a Top-N (section B.9), so it keeps
//! a node of its own.

use millrace_dataflow::graph::{AggregateCall, AggregateFunction, OverFrame, WindowTime};
use millrace_dataflow::{Field, Schema, TimeAttribute, TypeRoot};
use millrace_expr::TypedExpr;

use super::Bound;
use super::aggregate::{PendingCall, check_key, is_aggregate, pending_call};
use super::interval_join::appended;
use super::rank::{self, RowNumber, sort_items};
use super::scalar::Scalars;
use crate::ast::{Call, Expr, Frame, FrameBound, Ident, Over};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode};
use crate::span::Span;

/// The `OVER` calls of one SELECT list.
pub(super) struct OverCalls {
    /// The WINDOW clause.
    named: Vec<(Ident, Over)>,
    window: Option<Window>,
    calls: Vec<PendingCall>,
}

#[derive(Clone, PartialEq)]
struct Window {
    partition: Vec<TypedExpr>,
    /// Expression, ascending, NULLs first.
    order: Vec<(TypedExpr, bool, bool)>,
    frame: OverFrame,
}

impl OverCalls {
    pub(super) fn new(named: &[(Ident, Over)]) -> OverCalls {
        OverCalls { named: named.to_vec(), window: None, calls: Vec::new() }
    }

    /// The call as a column that [`OverCalls::apply`] gives its place.
    pub(super) fn add(
        &mut self,
        call: &Call,
        over: &Over,
        whole: &Expr,
        scalars: &mut Scalars<'_>,
    ) -> Bound<TypedExpr> {
        let written = resolved(over, &self.named)?;
        let pending = over_call(call, &written, whole, scalars)?;
        let window = Window {
            partition: partition(&written.partition, scalars)?,
            order: sort_items(&written.order, |expression| scalars.bind(expression))?,
            frame: frame(&pending.function, written.frame.as_ref(), scalars)?,
        };
        match &self.window {
            Some(known) if *known != window => return Err(another_window(over.span)),
            Some(_) => {}
            None => self.window = Some(window),
        }
        let output = pending.output.clone();
        let known = self.calls.iter().position(|known| *known == pending);
        let at = known.unwrap_or_else(|| {
            self.calls.push(pending);
            self.calls.len() - 1
        });
        Ok(TypedExpr::column(placeholder(at), output))
    }

    /// The input with the results appended when the SELECT list asked for any, and the
    /// list's expressions over that.
    pub(super) fn apply(self, input: Rel, items: &mut [TypedExpr], span: Span) -> Bound<Rel> {
        let Some(window) = self.window else { return Ok(input) };
        let count = self.calls.len();
        let rel = match self.calls.as_slice() {
            [call] if call.function == AggregateFunction::RowNumber => {
                let Window { partition, order, .. } = window;
                rank::row_number(input, RowNumber { partition, order, span })
            }
            _ => over_aggregate(input, window, self.calls, span)?,
        };
        let first = rel.schema.len() - count;
        for item in items {
            *item = expressions::renumber(item, &|index| match placed(index) {
                Some(at) => first + at,
                None => index,
            });
        }
        Ok(rel)
    }
}

// Stands for a call in bound expressions until its column is known.
fn placeholder(at: usize) -> usize {
    usize::MAX - at
}

fn placed(index: usize) -> Option<usize> {
    (index > usize::MAX / 2).then(|| usize::MAX - index)
}

fn another_window(span: Span) -> Problem {
    let message = "All aggregates of one SELECT must be computed on the same OVER window";
    Problem::new(span, message).with_hint(
        "compute one in a subquery; ROW_NUMBER() counts by ROWS, LAG and an ORDER BY without a frame go by RANGE",
    )
}

// The window with what it takes from a named one.
fn resolved(over: &Over, named: &[(Ident, Over)]) -> Bound<Over> {
    let Some(base) = &over.base else { return Ok(over.clone()) };
    let at = named.iter().position(|(name, _)| name.text == base.text).ok_or_else(|| {
        Problem::new(base.span, format!("Window '{}' not found", base.text))
            .with_hint("name it in a WINDOW clause: WINDOW w AS (PARTITION BY .. ORDER BY ..)")
    })?;
    // A named window may build upon those before it.
    let mut known = resolved(&named[at].1, &named[..at])?;
    if !over.partition.is_empty() {
        let message = "PARTITION BY cannot be added to a named window";
        return Err(Problem::new(over.partition[0].span, message));
    }
    if !over.order.is_empty() {
        if !known.order.is_empty() {
            let message = format!("window '{}' has an ORDER BY already", base.text);
            return Err(Problem::new(over.order[0].expression.span, message));
        }
        known.order = over.order.clone();
    }
    if let Some(frame) = &over.frame {
        if known.frame.is_some() {
            let message = format!("window '{}' has a frame already", base.text);
            return Err(Problem::new(frame.span, message));
        }
        known.frame = Some(frame.clone());
    }
    Ok(Over { base: None, span: over.span, ..known })
}

fn partition(items: &[Expr], scalars: &mut Scalars<'_>) -> Bound<Vec<TypedExpr>> {
    items
        .iter()
        .map(|item| {
            let bound = scalars.bind(item)?;
            check_key(&bound, item.span)?;
            Ok(bound)
        })
        .collect()
}

fn over_call(
    call: &Call,
    over: &Over,
    whole: &Expr,
    scalars: &mut Scalars<'_>,
) -> Bound<PendingCall> {
    let name = call.name.to_ascii_uppercase();
    if let Some(filter) = &call.filter {
        return Err(Problem::new(filter.span, "FILTER is not supported with OVER")
            .with_hint("aggregate CASE WHEN .. THEN .. END"));
    }
    match name.as_str() {
        "ROW_NUMBER" => row_number(call, over),
        "LAG" => lag(call, over, scalars),
        "RANK" | "DENSE_RANK" => {
            Err(Problem::new(whole.span, format!("{name}() is not supported on streaming tables"))
                .with_hint("use ROW_NUMBER()"))
        }
        "LEAD" | "NTILE" | "CUME_DIST" | "PERCENT_RANK" => {
            Err(Problem::new(whole.span, format!("{name} is not supported on streaming tables")))
        }
        _ if is_aggregate(&name) => pending_call(call, whole, scalars),
        _ => Err(Problem::new(call.name_span, "OVER must be applied to aggregate function")),
    }
}

// Row B5.6.
fn row_number(call: &Call, over: &Over) -> Bound<PendingCall> {
    if let Some(argument) = call.arguments.first() {
        return Err(Problem::new(argument.span, "ROW_NUMBER() takes no argument"));
    }
    if over.order.is_empty() {
        return Err(Problem::new(over.span, "ROW_NUMBER() needs ORDER BY in its OVER clause"));
    }
    if let Some(frame) = &over.frame {
        return Err(Problem::new(frame.span, "ROW_NUMBER() takes no ROWS or RANGE frame"));
    }
    Ok(PendingCall {
        function: AggregateFunction::RowNumber,
        arguments: Vec::new(),
        distinct: false,
        filter: None,
        output: TypeRoot::BigInt.not_null(),
    })
}

// `LAG(x[, offset[, default]])` (row B5.7).
fn lag(call: &Call, over: &Over, scalars: &mut Scalars<'_>) -> Bound<PendingCall> {
    if let Some(frame) = &over.frame {
        return Err(Problem::new(frame.span, "LAG takes no ROWS or RANGE frame"));
    }
    if call.distinct || call.star || !(1..=3).contains(&call.arguments.len()) {
        return Err(Problem::new(call.name_span, "LAG takes a value, an offset and a default"));
    }
    let value = scalars.bind(&call.arguments[0])?;
    let offset = match call.arguments.get(1) {
        None => 1,
        Some(argument) => expressions::whole_constant(&scalars.bind(argument)?)
            .and_then(|offset| u32::try_from(offset).ok())
            .ok_or_else(|| {
                Problem::new(
                    argument.span,
                    "the offset of LAG must be a whole number, not negative",
                )
            })?,
    };
    let mut nullable = true;
    let mut arguments = vec![value];
    if let Some(argument) = call.arguments.get(2) {
        let default = scalars.bind(argument)?;
        let target = arguments[0].data_type.clone().with_nullable(default.data_type.nullable);
        let default = millrace_expr::cast(default, target, false, scalars.context)
            .map_err(|error| Problem::new(argument.span, error.message))?;
        nullable = arguments[0].data_type.nullable || default.data_type.nullable;
        arguments.push(default);
    }
    let output = arguments[0].data_type.clone().with_nullable(nullable);
    let function = AggregateFunction::Lag { offset };
    Ok(PendingCall { function, arguments, distinct: false, filter: None, output })
}

// Row B5.2: by range without a frame. ROW_NUMBER() counts rows.
fn frame(
    function: &AggregateFunction,
    frame: Option<&Frame>,
    scalars: &mut Scalars<'_>,
) -> Bound<OverFrame> {
    let Some(frame) = frame else {
        return Ok(match function {
            AggregateFunction::RowNumber => OverFrame::UnboundedRows,
            _ => OverFrame::UnboundedRange,
        });
    };
    if frame.upper != FrameBound::CurrentRow {
        let message = "OVER windows on streaming tables must end with CURRENT ROW";
        return Err(Problem::new(frame.span, message));
    }
    match (&frame.lower, frame.is_rows) {
        (FrameBound::UnboundedPreceding, true) => Ok(OverFrame::UnboundedRows),
        (FrameBound::UnboundedPreceding, false) => Ok(OverFrame::UnboundedRange),
        (FrameBound::CurrentRow, true) => Ok(OverFrame::Rows(0)),
        (FrameBound::CurrentRow, false) => Ok(OverFrame::Range(0)),
        (FrameBound::Preceding(distance), true) => rows(distance, scalars).map(OverFrame::Rows),
        (FrameBound::Preceding(distance), false) => range(distance, scalars).map(OverFrame::Range),
        _ => Err(Problem::new(frame.span, "an OVER window must not begin after the current row")),
    }
}

fn rows(distance: &Expr, scalars: &mut Scalars<'_>) -> Bound<u64> {
    let bound = scalars.bind(distance)?;
    let rows = expressions::whole_constant(&bound).and_then(|rows| u64::try_from(rows).ok());
    rows.ok_or_else(|| {
        Problem::new(distance.span, "ROWS takes a whole number, not negative, before PRECEDING")
    })
}

fn range(distance: &Expr, scalars: &mut Scalars<'_>) -> Bound<i64> {
    let bound = scalars.bind(distance)?;
    expressions::interval_constant(&bound).filter(|ms| *ms >= 0).ok_or_else(|| {
        let message = "RANGE takes an interval of days to seconds, not negative, before PRECEDING";
        Problem::new(distance.span, message)
    })
}

// Row B5.1.
fn time(order: &[(TypedExpr, bool, bool)], input: &Rel, span: Span) -> Bound<TimeAttribute> {
    let needs_time = "OVER windows' ordering in stream mode must be defined on a time attribute.";
    let (time, ascending) = match order {
        [] => return Err(Problem::new(span, needs_time)),
        [(time, ascending, _)] => (time, *ascending),
        _ => {
            let message = "The window can only be ordered by a single time column.";
            return Err(Problem::new(span, message));
        }
    };
    match expressions::time_attribute(time, &input.schema) {
        TimeAttribute::None => Err(Problem::new(span, needs_time)),
        _ if !ascending => {
            Err(Problem::new(span, "The window can only be ordered in ASCENDING mode."))
        }
        attribute => Ok(attribute),
    }
}

fn over_aggregate(input: Rel, window: Window, calls: Vec<PendingCall>, span: Span) -> Bound<Rel> {
    let attribute = time(&window.order, &input, span)?;
    let order = window.order.into_iter().map(|item| item.0);
    let mut wanted: Vec<TypedExpr> = window.partition.clone();
    wanted.extend(order);
    wanted.extend(calls.iter().flat_map(|call| call.arguments.iter().cloned()));
    let (input, columns) = appended(input, wanted, span);
    let (partition, rest) = columns.split_at(window.partition.len());
    let mut rest = rest.iter().copied();
    let time_column = rest.next().unwrap_or_default();
    let calls: Vec<AggregateCall> = calls
        .into_iter()
        .map(|call| AggregateCall {
            argument_types: call.arguments.iter().map(|a| a.data_type.clone()).collect(),
            arguments: rest.by_ref().take(call.arguments.len()).collect(),
            function: call.function,
            distinct: call.distinct,
            filter: None,
            output: call.output,
        })
        .collect();
    let mut fields = input.schema.fields.clone();
    fields.extend(
        calls.iter().enumerate().map(|(at, c)| Field::new(format!("w0$o{at}"), c.output.clone())),
    );
    let windows = input.windows;
    let node = RelNode::Over {
        partition: partition.to_vec(),
        time: match attribute {
            TimeAttribute::Proctime => WindowTime::Proctime,
            _ => WindowTime::Rowtime(time_column),
        },
        frame: window.frame,
        calls,
        input: Box::new(input),
    };
    Ok(Rel { node, schema: Schema::new(fields), windows, span })
}
