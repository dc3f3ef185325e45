//! The aggregates of a window, and how many rows it has where rows may be taken back.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use millrace_dataflow::TypeRoot;
use millrace_dataflow::graph::{AggregateCall, AggregateFunction, WindowAggregate as Config};

use crate::operators::aggregate::{AggregateError, Calls};

/// As [`Calls`], whose last one counts rows when the input retracts.
pub struct WindowCalls {
    calls: Calls,
    counts_rows: bool,
}

impl WindowCalls {
    /// # Errors
    /// As [`Calls::new`].
    pub fn new(config: &Config) -> Result<WindowCalls, AggregateError> {
        let mut all = config.aggregates.clone();
        all.extend(config.retracts.then(|| AggregateCall {
            function: AggregateFunction::CountStar,
            arguments: Vec::new(),
            argument_types: Vec::new(),
            distinct: false,
            filter: None,
            output: TypeRoot::BigInt.not_null(),
        }));
        Ok(WindowCalls { calls: Calls::new(&all, config.retracts)?, counts_rows: config.retracts })
    }

    /// The slots that have rows left (Flink: `RecordCounter.recordCountIsZero`).
    pub fn shown<'a>(&self, slots: &'a [u32]) -> Cow<'a, [u32]> {
        if !self.counts_rows || slots.is_empty() {
            return Cow::Borrowed(slots);
        }
        let columns = self.calls.evaluate(slots);
        let counts = columns.last().expect("the count of rows").as_primitive::<Int64Type>();
        let counted = slots.iter().zip(counts.values());
        counted.filter(|(_, count)| **count > 0).map(|(slot, _)| *slot).collect()
    }

    /// One column a call of the query.
    pub fn evaluate(&self, slots: &[u32]) -> Vec<ArrayRef> {
        let mut columns = self.calls.evaluate(slots);
        if self.counts_rows {
            columns.pop();
        }
        columns
    }
}

impl Deref for WindowCalls {
    type Target = Calls;

    fn deref(&self) -> &Calls {
        &self.calls
    }
}

impl DerefMut for WindowCalls {
    fn deref_mut(&mut self) -> &mut Calls {
        &mut self.calls
    }
}
