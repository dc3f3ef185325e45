//! Aggregate functions over slots: each keeps its states in columns indexed by slot,
//! takes a batch at a time, and can retract.
//!
//! Flow: an operator finds the slot of every row once and hands rows and slots to
//! all [`Calls`]; a changelog operator asks for the values before and after each row
//! in the same pass ([`Calls::trace`]), a window operator for the values at the end
//! ([`Calls::evaluate`]).

mod average;
mod blob;
mod collect;
mod count;
mod deltas;
mod distinct;
mod distinct_ints;
mod encoded;
mod extreme;
mod fold;
mod frozen;
mod lag;
mod list_agg;
mod partial;
mod sum;
mod value;
mod variance;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType as ArrowType;
use millrace_dataflow::DataType;
use millrace_dataflow::graph::{AggregateCall, AggregateFunction};

use distinct::DistinctValues;
use distinct_ints::DistinctInts;
pub use distinct_ints::spread;
pub use fold::{Accumulator, Steps, Traced};
pub use frozen::FrozenCalls;
pub use partial::{Partials, Received};

/// Why an aggregate cannot be made or its state not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct AggregateError(pub String);

/// The aggregate calls of one operator, and the sets of distinct values that some of
/// them share.
pub struct Calls(Vec<Call>, Vec<DistinctInts>);

struct Call {
    arguments: Vec<usize>,
    filter: Option<usize>,
    /// Rows with a NULL argument count too.
    counts_nulls: bool,
    distinct: Option<DistinctValues>,
    /// Which of the shared sets, and its number there.
    shared: Option<(usize, usize)>,
    accumulator: Box<dyn Accumulator>,
    /// About what one slot takes in the columns.
    slot_bytes: usize,
}

/// A column of collections: an empty one a slot.
const COLLECTION_BYTES: usize = 56;

/// A call's argument columns, and which rows count.
type Prepared = (Vec<ArrayRef>, Option<BooleanBuffer>);

impl Calls {
    /// # Errors
    /// A function does not take these argument types; the front end lets none through.
    pub fn new(calls: &[AggregateCall], retracts: bool) -> Result<Calls, AggregateError> {
        let mut all = Calls(Vec::new(), Vec::new());
        for call in calls {
            let mut made = Call::new(call, retracts)?;
            if distinct_ints::takes(call, retracts) {
                made.shared = all.share(call);
            }
            if made.shared.is_some() {
                made.distinct = None;
            }
            all.0.push(made);
        }
        Ok(all)
    }

    /// A set of the values of the call's argument, with all that look at that column.
    fn share(&mut self, call: &AggregateCall) -> Option<(usize, usize)> {
        let (column, argument) = (*call.arguments.first()?, call.argument_types.first()?);
        let known = self.1.iter().position(|set| set.column == column);
        let at = known.unwrap_or_else(|| {
            self.1.push(DistinctInts::new(column, argument.to_arrow()));
            self.1.len() - 1
        });
        Some((at, self.1[at].join()?))
    }

    fn prepare(&mut self, batch: &RecordBatch, steps: &Steps<'_>) -> Vec<Prepared> {
        let mut prepared: Vec<Prepared> =
            self.0.iter_mut().map(|call| call.prepare(batch, steps)).collect();
        for (at, set) in self.1.iter_mut().enumerate() {
            let sharing = |call: &Call| call.shared.is_some_and(|(of, _)| of == at);
            let members: Vec<usize> =
                (0..self.0.len()).filter(|&call| sharing(&self.0[call])).collect();
            let masks: Vec<_> = members.iter().map(|&call| prepared[call].1.as_ref()).collect();
            let changes = set.changes(batch.column(set.column), steps, &masks);
            for (call, changes) in members.into_iter().zip(changes) {
                prepared[call].1 = Some(changes);
            }
        }
        prepared
    }

    /// Makes room for slots below `slots`.
    pub fn resize(&mut self, slots: usize) {
        self.1.iter_mut().for_each(|set| set.resize(slots));
        for call in &mut self.0 {
            call.accumulator.resize(slots);
            if let Some(distinct) = &mut call.distinct {
                distinct.resize(slots);
            }
        }
    }

    /// The slot is as if no row had come.
    pub fn clear(&mut self, slot: u32) {
        self.1.iter_mut().for_each(|set| set.clear(slot));
        for call in &mut self.0 {
            call.accumulator.clear(slot);
            if let Some(distinct) = &mut call.distinct {
                distinct.clear(slot);
            }
        }
    }

    /// Applies the rows of the batch in order.
    pub fn update(&mut self, batch: &RecordBatch, steps: &Steps<'_>) {
        let prepared = self.prepare(batch, steps);
        for (call, (columns, mask)) in self.0.iter_mut().zip(prepared) {
            call.accumulator.update(&columns, steps, mask.as_ref());
        }
    }

    /// As [`Calls::update`], with the values before and after each row.
    pub fn trace(&mut self, batch: &RecordBatch, steps: &Steps<'_>) -> Vec<Traced> {
        let prepared = self.prepare(batch, steps);
        let traced =
            self.0.iter_mut().zip(prepared).map(|(call, (columns, mask))| {
                call.accumulator.trace(&columns, steps, mask.as_ref())
            });
        traced.collect()
    }

    /// As [`Calls::update`], with the values after the steps that `emit` names, one
    /// column a call; `None`: after every step.
    pub fn running(
        &mut self,
        batch: &RecordBatch,
        steps: &Steps<'_>,
        emit: Option<&[bool]>,
    ) -> Vec<ArrayRef> {
        let prepared = self.prepare(batch, steps);
        let running = self.0.iter_mut().zip(prepared).map(|(call, (columns, mask))| {
            call.accumulator.running(&columns, steps, mask.as_ref(), emit)
        });
        running.collect()
    }

    /// One column a call: the slots' values.
    pub fn evaluate(&self, slots: &[u32]) -> Vec<ArrayRef> {
        self.0.iter().map(|call| call.accumulator.evaluate(slots)).collect()
    }

    /// Adds the state of slot `from[i]` to that of slot `to[i]`.
    pub fn merge(&mut self, from: &[u32], to: &[u32]) {
        self.merge_some(from, to, |_| true);
    }

    /// The same for some of the calls.
    fn merge_some(&mut self, from: &[u32], to: &[u32], which: impl Fn(usize) -> bool) {
        let news: Vec<Vec<_>> = self.1.iter_mut().map(|set| set.merge(from, to)).collect();
        for (_, call) in self.0.iter_mut().enumerate().filter(|(at, _)| which(*at)) {
            match (&mut call.distinct, call.shared) {
                (Some(distinct), _) => distinct.merge(from, to, call.accumulator.as_mut()),
                (None, Some((set, number))) => {
                    let (slots, values) = &news[set][number];
                    let steps = Steps { slots, fresh: None, accumulate: None };
                    call.accumulator.update(std::slice::from_ref(values), &steps, None);
                }
                (None, None) => call.accumulator.merge(from, to),
            }
        }
    }

    /// State as columns, one row a slot.
    pub fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        let mut columns = Vec::new();
        for call in &self.0 {
            columns.extend(call.accumulator.save(slots));
            columns.extend(call.distinct.as_ref().map(|distinct| distinct.save(slots)));
            columns.extend(call.shared.map(|(set, number)| self.1[set].save(slots, number)));
        }
        columns
    }

    /// The types of [`Calls::save`].
    pub fn saved_types(&self) -> Vec<ArrowType> {
        let mut types = Vec::new();
        for call in &self.0 {
            types.extend(call.accumulator.saved_types());
            types.extend(call.is_distinct().then_some(ArrowType::Binary));
        }
        types
    }

    /// About what the states of so many slots take.
    pub fn memory_bytes(&self, slots: usize) -> usize {
        let of_call = |call: &Call| {
            let distinct = call.distinct.as_ref().map_or(0, DistinctValues::held_bytes);
            slots * call.slot_bytes + distinct + call.accumulator.held_bytes()
        };
        let shared: usize = self.1.iter().map(DistinctInts::held_bytes).sum();
        self.0.iter().map(of_call).sum::<usize>() + shared
    }

    /// # Errors
    /// The columns are not what [`Calls::save`] gives.
    pub fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let mut rest = columns;
        for at in 0..self.0.len() {
            let own = self.0[at].accumulator.saved_types().len();
            let (own, after) = rest.split_at(own + usize::from(self.0[at].is_distinct()));
            self.load_call(at, slots, own)?;
            rest = after;
        }
        Ok(())
    }

    /// The columns of one call.
    fn load_call(
        &mut self,
        at: usize,
        slots: &[u32],
        columns: &[ArrayRef],
    ) -> Result<(), AggregateError> {
        let call = &mut self.0[at];
        let (own, rest) = columns.split_at(call.accumulator.saved_types().len());
        call.accumulator.load(slots, own)?;
        if let Some(distinct) = &mut call.distinct {
            distinct.load(slots, &rest[0])?;
        }
        if let Some((set, number)) = call.shared {
            self.1[set].load(slots, number, &rest[0])?;
        }
        Ok(())
    }
}

impl Call {
    fn new(call: &AggregateCall, retracts: bool) -> Result<Call, AggregateError> {
        let distinct = match call.argument_types.first() {
            Some(argument) if call.distinct => Some(DistinctValues::new(argument.to_arrow())),
            _ => None,
        };
        let accumulator = accumulator(call, retracts)?;
        Ok(Call {
            arguments: call.arguments.clone(),
            filter: call.filter,
            counts_nulls: matches!(call.function, AggregateFunction::Lag { .. }),
            slot_bytes: slot_bytes(accumulator.as_ref(), distinct.is_some()),
            distinct,
            shared: None,
            accumulator,
        })
    }

    fn is_distinct(&self) -> bool {
        self.distinct.is_some() || self.shared.is_some()
    }

    /// The argument columns, and which rows count: no argument NULL, the filter TRUE,
    /// the value new to (or gone from) the group when distinct, but for sets that are
    /// shared.
    fn prepare(&mut self, batch: &RecordBatch, steps: &Steps<'_>) -> Prepared {
        let columns: Vec<ArrayRef> =
            self.arguments.iter().map(|&index| batch.column(index).clone()).collect();
        let mut mask = None;
        for column in columns.iter().filter(|_| !self.counts_nulls) {
            if let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
                and(&mut mask, nulls.inner().clone());
            }
        }
        if let Some(filter) = self.filter {
            let filter = batch.column(filter).as_boolean();
            let (values, nulls) = (filter.values().clone(), filter.nulls());
            and(&mut mask, nulls.map_or(values.clone(), |nulls| nulls.inner() & &values));
        }
        if let Some(distinct) = &mut self.distinct {
            mask = Some(distinct.changes(&columns[0], steps, mask.as_ref()));
        }
        (columns, mask)
    }
}

fn slot_bytes(accumulator: &dyn Accumulator, is_distinct: bool) -> usize {
    let width = |saved: &ArrowType| saved.primitive_width().unwrap_or(COLLECTION_BYTES);
    let columns: usize = accumulator.saved_types().iter().map(width).sum();
    columns + if is_distinct { COLLECTION_BYTES } else { 0 }
}

fn and(mask: &mut Option<BooleanBuffer>, with: BooleanBuffer) {
    *mask = Some(match mask.take() {
        Some(mask) => &mask & &with,
        None => with,
    });
}

fn accumulator(
    call: &AggregateCall,
    retracts: bool,
) -> Result<Box<dyn Accumulator>, AggregateError> {
    if matches!(call.function, AggregateFunction::CountStar | AggregateFunction::RowNumber) {
        return Ok(count::new());
    }
    let argument = call
        .argument_types
        .first()
        .ok_or_else(|| AggregateError(format!("{:?} without an argument", call.function)))?;
    match &call.function {
        AggregateFunction::CountStar | AggregateFunction::RowNumber | AggregateFunction::Count => {
            Ok(count::new())
        }
        AggregateFunction::Sum => sum::new(argument, &call.output),
        AggregateFunction::Avg => average::new(argument, &call.output),
        AggregateFunction::Min => Ok(extreme::new(argument, false, retracts)),
        AggregateFunction::Max => Ok(extreme::new(argument, true, retracts)),
        AggregateFunction::FirstValue => Ok(value::new(argument, value::Which::First, retracts)),
        AggregateFunction::LastValue => Ok(value::new(argument, value::Which::Last, retracts)),
        AggregateFunction::StddevPop
        | AggregateFunction::StddevSamp
        | AggregateFunction::VarPop
        | AggregateFunction::VarSamp => variance::new(&call.function, argument, &call.output),
        AggregateFunction::ListAgg { separator } => Ok(list_agg::new(separator, retracts)),
        AggregateFunction::Collect => collect::new(argument, &call.output),
        AggregateFunction::Lag { .. } if retracts => {
            Err(AggregateError("LAG over rows that are taken back".to_owned()))
        }
        AggregateFunction::Lag { offset } => Ok(lag::new(argument, *offset)),
    }
}

fn unsupported(function: &str, argument: &DataType) -> AggregateError {
    AggregateError(format!("{function} does not take {argument}"))
}
