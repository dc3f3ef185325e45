//! Holds an operator to its contract: the schema of every batch, the row kinds that
//! were declared, a watermark that never goes back, nothing after the end.

use arrow::datatypes::SchemaRef;
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::{Batch, RowKind, Schema, Watermark};

use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

/// An operator whose every call is checked. A breach fails the job and says which
/// operator broke what.
pub struct Checked {
    name: String,
    inner: Box<dyn Operator>,
    schema: SchemaRef,
    changelog: ChangelogMode,
    watermark: Watermark,
    ended: bool,
}

impl Checked {
    /// `changelog`: the row kinds that the operator may emit.
    pub fn new(
        inner: Box<dyn Operator>,
        output: &Schema,
        changelog: ChangelogMode,
        name: &str,
    ) -> Checked {
        Checked {
            name: name.to_owned(),
            inner,
            schema: output.to_arrow(),
            changelog,
            watermark: Watermark::MIN,
            ended: false,
        }
    }

    fn broken(&self, message: impl Into<String>) -> OperatorError {
        let message = format!("contract broken: {}", message.into());
        OperatorError::Failed { operator: self.name.clone(), message }
    }

    fn check_call(&mut self, ctx: &OperatorContext) -> Result<(), OperatorError> {
        if self.ended {
            return Err(self.broken("called after its end"));
        }
        if ctx.watermark < self.watermark {
            let (from, to) = (self.watermark.0, ctx.watermark.0);
            return Err(self.broken(format!("the watermark went back from {from} to {to}")));
        }
        self.watermark = ctx.watermark;
        Ok(())
    }

    fn check_output(&self, before: usize, out: &Output) -> Result<(), OperatorError> {
        out.batches.iter().skip(before).try_for_each(|batch| self.check_batch(batch))
    }

    fn check_batch(&self, batch: &Batch) -> Result<(), OperatorError> {
        if batch.record.schema_ref() != &self.schema {
            return Err(self.broken(format!(
                "emitted columns {:?} where {:?} are declared",
                batch.record.schema_ref().fields(),
                self.schema.fields()
            )));
        }
        if batch.num_rows() == 0 {
            return Err(self.broken("emitted an empty batch"));
        }
        let kinds = batch.kinds.as_deref().unwrap_or(&[]);
        match kinds.iter().find(|kind| !self.allows(**kind)) {
            Some(kind) => Err(self.broken(format!("emitted {kind}, which is not declared"))),
            None => Ok(()),
        }
    }

    fn allows(&self, kind: RowKind) -> bool {
        match kind {
            RowKind::Insert => true,
            RowKind::UpdateBefore => self.changelog.update_before,
            RowKind::UpdateAfter => self.changelog.update_after,
            RowKind::Delete => self.changelog.delete,
        }
    }
}

impl Operator for Checked {
    fn on_batch(
        &mut self,
        input: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.check_call(ctx)?;
        let before = out.batches.len();
        self.inner.on_batch(input, batch, ctx, out)?;
        self.check_output(before, out)
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.check_call(ctx)?;
        let before = out.batches.len();
        self.inner.on_watermark(ctx, out)?;
        self.check_output(before, out)
    }

    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.check_call(ctx)?;
        let before = out.batches.len();
        self.inner.on_processing_time(ctx, out)?;
        self.check_output(before, out)
    }

    fn next_processing_timer(&self) -> Option<i64> {
        self.inner.next_processing_timer()
    }

    fn on_end(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.check_call(ctx)?;
        let before = out.batches.len();
        self.inner.on_end(ctx, out)?;
        self.ended = true;
        self.check_output(before, out)
    }

    /// A checkpoint may follow the end: it makes the last rows visible.
    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.inner.snapshot(ctx, writer)
    }

    fn restore(
        &mut self,
        ctx: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let stray = entries
            .iter()
            .find_map(|entry| entry.key_group.filter(|group| !ctx.key_groups.contains(*group)));
        if let Some(group) = stray {
            return Err(self.broken(format!("given state of key group {}", group.0)));
        }
        self.inner.restore(ctx, entries)
    }
}
