//! The states of all calls as a barrier found them, turned into columns later.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;

use super::Calls;
use super::fold::Accumulator;

/// Does not change; what [`Calls::save`] gave is had from it slot by slot.
pub struct FrozenCalls {
    calls: Vec<FrozenCall>,
    /// Those that were copied, ascending.
    slots: Vec<u32>,
}

struct FrozenCall {
    states: States,
    /// The distinct values of the copied slots.
    distinct: Option<ArrayRef>,
}

enum States {
    Shared(Box<dyn Accumulator>),
    /// One row a copied slot.
    Copied(Vec<ArrayRef>),
}

impl std::fmt::Debug for FrozenCalls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FrozenCalls({})", self.calls.len())
    }
}

impl Calls {
    /// Columns are shared until they are written to. What is no columns (collections,
    /// distinct values) is copied now, of the slots that `live` names, ascending.
    pub fn freeze(&mut self, live: impl FnOnce() -> Vec<u32>) -> FrozenCalls {
        let shared: Vec<_> = self.0.iter_mut().map(|call| call.accumulator.freeze()).collect();
        let is_copied =
            shared.iter().any(Option::is_none) || self.0.iter().any(|c| c.is_distinct());
        let slots = if is_copied { live() } else { Vec::new() };
        let frozen = self.0.iter().zip(shared).map(|(call, shared)| {
            let copied = || States::Copied(call.accumulator.save(&slots));
            let own = call.distinct.as_ref().map(|distinct| distinct.save(&slots));
            let of_set = |(set, number): (usize, usize)| self.1[set].save(&slots, number);
            FrozenCall {
                states: shared.map_or_else(copied, States::Shared),
                distinct: own.or_else(|| call.shared.map(of_set)),
            }
        });
        let calls = frozen.collect();
        FrozenCalls { calls, slots }
    }
}

impl FrozenCalls {
    /// As [`Calls::save`]: of slots that lived, ascending.
    pub fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        let rows = self.rows_of(slots);
        let of_slots = |column: &ArrayRef| {
            take(column, &rows, None).expect("the rows of slots that were copied are there")
        };
        let mut columns = Vec::new();
        for FrozenCall { states, distinct } in &self.calls {
            match states {
                States::Shared(states) => columns.extend(states.save(slots)),
                States::Copied(states) => columns.extend(states.iter().map(of_slots)),
            }
            columns.extend(distinct.as_ref().map(of_slots));
        }
        columns
    }

    /// Where the slots are among those that were copied.
    fn rows_of(&self, slots: &[u32]) -> UInt32Array {
        if self.slots.is_empty() {
            return UInt32Array::from(Vec::<u32>::new());
        }
        let first = slots.first().map_or(0, |first| self.slots.partition_point(|s| s < first));
        let mut copied = (first as u32..).zip(&self.slots[first..]);
        let row = |slot: &u32| copied.find(|(_, other)| *other == slot).map(|(row, _)| row);
        slots.iter().map(row).collect()
    }
}
