//! The operators between sources and sinks, each one file: plain single-threaded
//! values that know nothing of threads, channels or checkpoints' whereabouts.

mod aggregate;
mod arena;
mod calc;
mod changelog_normalize;
pub mod checked;
mod correlate;
mod deduplicate;
mod frozen;
mod group_aggregate;
mod int_index;
mod interval_join;
mod join;
mod keys;
pub mod lookup_join;
mod mini_batch;
mod over;
mod paged;
mod progress;
mod rank;
mod residency;
mod select;
mod shape;
mod sink_materialize;
mod temporal_join;
mod temporal_sort;
#[cfg(test)]
mod tests;
mod ttl;
mod union;
mod window;

use millrace_dataflow::graph::{WindowInput, WindowKind};
use millrace_dataflow::{Schema, graph};

use crate::operator::{Operator, OperatorError};

/// Makes an operator of any kind but those that the task runs itself: sources,
/// constant tables, sinks and collectors.
///
/// # Errors
/// The operator is one of those, or the plan holds what cannot run (an unknown time
/// zone, an aggregate over a type that it does not take).
pub fn create(
    operator: &graph::Operator,
    input_schemas: &[Schema],
    output: &Schema,
    name: &str,
) -> Result<Box<dyn Operator>, OperatorError> {
    check_inputs(operator, input_schemas, name)?;
    Ok(match operator {
        graph::Operator::Calc { filter, project } => {
            Box::new(calc::Calc::new(filter.clone(), project.clone(), output, name))
        }
        graph::Operator::WindowAssign { window } => {
            Box::new(window::assign::WindowAssign::new(window, output, name)?)
        }
        graph::Operator::GroupAggregate(config) => {
            paged(group_aggregate::GroupAggregate::new(config, output, name)?, name)
        }
        graph::Operator::LocalGroupAggregate(config) => {
            let input = &input_schemas[0];
            Box::new(group_aggregate::local::LocalGroupAggregate::new(config, input, output, name)?)
        }
        graph::Operator::WindowAggregate(config) if is_session(config) => {
            let input = &input_schemas[0];
            paged(window::session::SessionAggregate::new(config, input, output, name)?, name)
        }
        graph::Operator::WindowJoin(config) => {
            Box::new(window::join::WindowJoin::new(config, input_schemas, output, name)?)
        }
        graph::Operator::WindowRank(config) => {
            Box::new(window::rank::WindowRank::new(config, &input_schemas[0], output, name)?)
        }
        graph::Operator::WindowAggregate(config) => {
            let input = &input_schemas[0];
            Box::new(window::aggregate::WindowAggregate::new(config, input, output, name)?)
        }
        graph::Operator::IntervalJoin(config) => {
            paged(interval_join::IntervalJoin::new(config, input_schemas, output, name), name)
        }
        graph::Operator::Join(config) => {
            paged(join::Join::new(config, input_schemas, output, name), name)
        }
        graph::Operator::Rank(config) => {
            paged(rank::Rank::new(config, &input_schemas[0], output, name)?, name)
        }
        graph::Operator::Deduplicate(config) => {
            paged(deduplicate::Deduplicate::new(config, output, name), name)
        }
        graph::Operator::Over(config) => {
            paged(over::Over::new(config, &input_schemas[0], output, name)?, name)
        }
        graph::Operator::Correlate(config) => {
            Box::new(correlate::Correlate::new(config, output, name))
        }
        graph::Operator::ChangelogNormalize(config) => {
            paged(changelog_normalize::ChangelogNormalize::new(config, output, name), name)
        }
        graph::Operator::SinkMaterialize(config) => {
            paged(sink_materialize::SinkMaterialize::new(config, output, name), name)
        }
        graph::Operator::TemporalJoin(config) => {
            paged(temporal_join::TemporalJoin::new(config, input_schemas, output, name), name)
        }
        graph::Operator::TemporalSort(config) => {
            Box::new(temporal_sort::TemporalSort::new(config, output, name)?)
        }
        graph::Operator::Union => Box::new(union::Union::new(output, name)),
        other => return Err(not_here(other, name)),
    })
}

/// What is made of the rows of a table that is looked up.
pub fn read_calc(table: &graph::LookupTable, name: &str) -> impl Operator + use<> {
    calc::Calc::new(table.filter.clone(), table.project.clone(), &table.columns, name)
}

/// An operator whose tables may be a cache of pages.
fn paged<O: paged::Pageable + 'static>(operator: O, name: &str) -> Box<dyn Operator> {
    Box::new(paged::Paged::new(operator, name))
}

fn is_session(config: &graph::WindowAggregate) -> bool {
    matches!(&config.window, WindowInput::Assign(window)
        if matches!(window.kind, WindowKind::Session { .. }))
}

fn check_inputs(
    operator: &graph::Operator,
    input_schemas: &[Schema],
    name: &str,
) -> Result<(), OperatorError> {
    let needed = match operator {
        graph::Operator::IntervalJoin(_)
        | graph::Operator::Join(_)
        | graph::Operator::TemporalJoin(_)
        | graph::Operator::WindowJoin(_) => 2,
        graph::Operator::Union | graph::Operator::Calc { .. } => 0,
        _ => 1,
    };
    if input_schemas.len() >= needed {
        return Ok(());
    }
    Err(OperatorError::Failed {
        operator: name.to_owned(),
        message: format!("{needed} inputs needed, {} given", input_schemas.len()),
    })
}

fn not_here(operator: &graph::Operator, name: &str) -> OperatorError {
    let kind = match operator {
        graph::Operator::Source(_) => "a source",
        graph::Operator::Values { .. } => "a constant table",
        graph::Operator::Sink(_) => "a sink",
        graph::Operator::Collect => "a collector",
        graph::Operator::LookupJoin(_) => "a lookup join, which needs its table,",
        other => unreachable!("{other:?} is made above"),
    };
    OperatorError::Failed {
        operator: name.to_owned(),
        message: format!("{kind} is run by the task itself"),
    }
}
