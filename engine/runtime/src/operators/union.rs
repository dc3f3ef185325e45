//! All inputs in arrival order, under the output's column names.

use millrace_dataflow::{Batch, Schema};

use super::shape::Shape;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

#[derive(Debug)]
pub struct Union {
    shape: Shape,
}

impl Union {
    pub fn new(output: &Schema, name: &str) -> Union {
        Union { shape: Shape::new(name, output) }
    }
}

impl Operator for Union {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        _: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        out.emit(self.shape.rename(batch)?);
        Ok(())
    }

    fn snapshot(
        &mut self,
        _: &OperatorContext,
        _: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(&mut self, _: &OperatorContext, _: Vec<StateEntry>) -> Result<(), OperatorError> {
        Ok(())
    }
}
