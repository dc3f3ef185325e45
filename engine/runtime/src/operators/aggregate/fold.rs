//! One aggregate over many slots: what a function must say ([`States`]) and the loops
//! that all functions share ([`Accumulator`]).

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType as ArrowType;
use millrace_state::cow::CowVec;

use super::AggregateError;

/// What the rows of a batch do, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    /// The slot of each row.
    pub slots: &'a [u32],
    /// The slot starts anew before this row; `None`: no slot does.
    pub fresh: Option<&'a [bool]>,
    /// Whether the row adds to its group; `None`: all do.
    pub accumulate: Option<&'a [bool]>,
}

impl Steps<'_> {
    #[inline]
    pub fn is_fresh(&self, row: usize) -> bool {
        self.fresh.is_some_and(|fresh| fresh[row])
    }

    #[inline]
    pub fn is_accumulate(&self, row: usize) -> bool {
        self.accumulate.is_none_or(|accumulate| accumulate[row])
    }
}

/// An aggregate's value of each row's slot before and after the row.
#[derive(Debug)]
pub struct Traced {
    pub before: ArrayRef,
    pub after: ArrayRef,
}

/// The states of one aggregate call. Rows outside `mask` count for nothing.
pub trait Accumulator: Send + Sync {
    fn resize(&mut self, slots: usize);
    fn clear(&mut self, slot: u32);
    fn update(&mut self, columns: &[ArrayRef], steps: &Steps<'_>, mask: Option<&BooleanBuffer>);
    fn trace(
        &mut self,
        columns: &[ArrayRef],
        steps: &Steps<'_>,
        mask: Option<&BooleanBuffer>,
    ) -> Traced;
    /// The value of the slot after each step that `emit` names; `None`: after each.
    fn running(
        &mut self,
        columns: &[ArrayRef],
        steps: &Steps<'_>,
        mask: Option<&BooleanBuffer>,
        emit: Option<&[bool]>,
    ) -> ArrayRef;
    fn evaluate(&self, slots: &[u32]) -> ArrayRef;
    fn merge(&mut self, from: &[u32], to: &[u32]);
    fn save(&self, slots: &[u32]) -> Vec<ArrayRef>;
    /// The states as they are now, whatever happens to them here; `None`: that would
    /// copy them all.
    fn freeze(&mut self) -> Option<Box<dyn Accumulator>>;
    fn saved_types(&self) -> Vec<ArrowType>;
    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError>;
    /// What collections hold beside the columns: a counter.
    fn held_bytes(&self) -> usize;
}

/// What one aggregate function is: the state of a slot and what a row does to it.
/// A row is shown only when none of its arguments is NULL.
pub trait States: Send + Sync + 'static {
    /// The argument columns, as the function reads them.
    type Arguments<'a>;
    /// Collects values for the output.
    type Output;

    fn bind<'a>(&self, columns: &'a [ArrayRef]) -> Self::Arguments<'a>;
    fn resize(&mut self, slots: usize);
    fn clear(&mut self, slot: usize);
    fn add(&mut self, slot: usize, arguments: &Self::Arguments<'_>, row: usize);
    fn retract(&mut self, slot: usize, arguments: &Self::Arguments<'_>, row: usize);
    fn output(&self, rows: usize) -> Self::Output;
    fn append(&self, slot: usize, output: &mut Self::Output);
    fn finish(&self, output: Self::Output) -> ArrayRef;
    fn merge(&mut self, from: usize, to: usize);
    fn save(&self, slots: &[u32]) -> Vec<ArrayRef>;
    fn saved_types(&self) -> Vec<ArrowType>;
    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError>;

    /// As [`Accumulator::freeze`]: for states that are columns of [`CowVec`].
    fn freeze(&mut self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

impl<S: States> Accumulator for S {
    fn resize(&mut self, slots: usize) {
        States::resize(self, slots);
    }

    fn clear(&mut self, slot: u32) {
        States::clear(self, slot as usize);
    }

    fn update(&mut self, columns: &[ArrayRef], steps: &Steps<'_>, mask: Option<&BooleanBuffer>) {
        let arguments = self.bind(columns);
        for (row, &slot) in steps.slots.iter().enumerate() {
            step(self, slot as usize, row, &arguments, steps, mask);
        }
    }

    fn trace(
        &mut self,
        columns: &[ArrayRef],
        steps: &Steps<'_>,
        mask: Option<&BooleanBuffer>,
    ) -> Traced {
        let arguments = self.bind(columns);
        let mut before = self.output(steps.slots.len());
        let mut after = self.output(steps.slots.len());
        for (row, &slot) in steps.slots.iter().enumerate() {
            let slot = slot as usize;
            self.append(slot, &mut before);
            step(self, slot, row, &arguments, steps, mask);
            self.append(slot, &mut after);
        }
        Traced { before: self.finish(before), after: self.finish(after) }
    }

    fn running(
        &mut self,
        columns: &[ArrayRef],
        steps: &Steps<'_>,
        mask: Option<&BooleanBuffer>,
        emit: Option<&[bool]>,
    ) -> ArrayRef {
        let arguments = self.bind(columns);
        let mut output = self.output(steps.slots.len());
        for (row, &slot) in steps.slots.iter().enumerate() {
            let slot = slot as usize;
            step(self, slot, row, &arguments, steps, mask);
            if emit.is_none_or(|emit| emit[row]) {
                self.append(slot, &mut output);
            }
        }
        self.finish(output)
    }

    fn evaluate(&self, slots: &[u32]) -> ArrayRef {
        let mut output = self.output(slots.len());
        for &slot in slots {
            self.append(slot as usize, &mut output);
        }
        self.finish(output)
    }

    fn merge(&mut self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            States::merge(self, from as usize, to as usize);
        }
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        States::save(self, slots)
    }

    fn freeze(&mut self) -> Option<Box<dyn Accumulator>> {
        let frozen = States::freeze(self)?;
        Some(Box::new(frozen))
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        States::saved_types(self)
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        States::load(self, slots, columns)
    }

    fn held_bytes(&self) -> usize {
        States::held_bytes(self)
    }
}

#[inline]
fn step<S: States>(
    states: &mut S,
    slot: usize,
    row: usize,
    arguments: &S::Arguments<'_>,
    steps: &Steps<'_>,
    mask: Option<&BooleanBuffer>,
) {
    if steps.is_fresh(row) {
        States::clear(states, slot);
    }
    if mask.is_some_and(|mask| !mask.value(row)) {
        return;
    }
    if steps.is_accumulate(row) {
        states.add(slot, arguments, row);
    } else {
        states.retract(slot, arguments, row);
    }
}

/// The slots' values of one column of states.
pub fn gather<T: Copy>(states: &CowVec<T>, slots: &[u32]) -> Vec<T> {
    slots.iter().map(|&slot| states[slot as usize]).collect()
}
