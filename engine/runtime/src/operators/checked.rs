//! Holds an operator to its contract: the schema of every batch, the row kinds that
//! were declared, a watermark that never goes back, nothing after the end.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{self, Keep, WindowTime};
use millrace_dataflow::{Batch, RowKind, Schema, Watermark};
use millrace_state::PageStore;

use crate::memory::{Account, StateBytes};
use crate::operator::{
    Operator, OperatorContext, OperatorError, Output, Parts, StateEntry, StateWriter,
};

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

/// The row kinds that an operator emits, given those of its inputs; what the input of
/// a calc or a union carries, they pass on.
pub fn declared_changelog(operator: &graph::Operator, inputs: &[ChangelogMode]) -> ChangelogMode {
    let updates = |update_before| ChangelogMode { update_before, ..ChangelogMode::ALL };
    match operator {
        graph::Operator::GroupAggregate(config) => updates(config.emit_update_before),
        graph::Operator::Rank(config) if is_plain_limit(config) => ChangelogMode::INSERT_ONLY,
        graph::Operator::Rank(config) => updates(config.emit_update_before),
        graph::Operator::Deduplicate(config)
            if config.keep == Keep::First && config.time == WindowTime::Proctime =>
        {
            ChangelogMode::INSERT_ONLY
        }
        graph::Operator::Deduplicate(config) => {
            ChangelogMode { delete: false, ..updates(config.emit_update_before) }
        }
        graph::Operator::Join(config) if !config.emits.forwards_kinds() => ChangelogMode::ALL,
        graph::Operator::ChangelogNormalize(config) => updates(config.emit_update_before),
        graph::Operator::SinkMaterialize(_) => updates(false),
        graph::Operator::TemporalJoin(_) => {
            inputs.first().copied().unwrap_or(ChangelogMode::INSERT_ONLY)
        }
        graph::Operator::LocalGroupAggregate(config) if !config.adaptive => {
            ChangelogMode::INSERT_ONLY
        }
        graph::Operator::Calc { .. }
        | graph::Operator::LocalGroupAggregate(_)
        | graph::Operator::Join(_)
        | graph::Operator::Union
        | graph::Operator::Correlate(_)
        | graph::Operator::LookupJoin(_)
        | graph::Operator::WindowAssign { .. } => {
            inputs.iter().fold(ChangelogMode::INSERT_ONLY, |all, input| ChangelogMode {
                update_before: all.update_before || input.update_before,
                update_after: all.update_after || input.update_after,
                delete: all.delete || input.delete,
            })
        }
        _ => ChangelogMode::INSERT_ONLY,
    }
}

/// `LIMIT n` over rows that are never taken back: the first n stay.
fn is_plain_limit(config: &graph::Rank) -> bool {
    config.order.is_empty() && config.start == 1 && !config.retracts
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
    fn watermark_delay_ms(&self) -> i64 {
        self.inner.watermark_delay_ms()
    }

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

    fn flush(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        let before = out.batches.len();
        self.inner.flush(ctx, out)?;
        self.check_output(before, out)
    }

    fn on_end(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.check_call(ctx)?;
        let before = out.batches.len();
        self.inner.on_end(ctx, out)?;
        self.ended = true;
        self.check_output(before, out)
    }

    fn keeps_pages(&self) -> bool {
        self.inner.keeps_pages()
    }

    fn use_pages(&mut self, store: Box<dyn PageStore>) {
        self.inner.use_pages(store);
    }

    fn account_for(&mut self, account: &Arc<Account>) {
        self.inner.account_for(account);
    }

    fn state_bytes(&self) -> StateBytes {
        self.inner.state_bytes()
    }

    /// A checkpoint may follow the end: it makes the last rows visible.
    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.inner.snapshot(ctx, writer)
    }

    fn restores_in_parts(&self) -> Option<Parts> {
        self.inner.restores_in_parts()
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

#[cfg(test)]
mod tests {
    use millrace_dataflow::key_group::KeyGroupRange;

    use super::*;
    use crate::operators::tests::text;

    /// Emits what it gets, whatever it was declared to.
    struct Echo;

    impl Operator for Echo {
        fn on_batch(
            &mut self,
            _: usize,
            batch: Batch,
            _: &OperatorContext,
            out: &mut Output,
        ) -> Result<(), OperatorError> {
            out.emit(batch);
            Ok(())
        }

        fn snapshot(
            &mut self,
            _: &OperatorContext,
            _: &mut dyn StateWriter,
        ) -> Result<(), OperatorError> {
            Ok(())
        }

        fn restore(
            &mut self,
            _: &OperatorContext,
            _: Vec<StateEntry>,
        ) -> Result<(), OperatorError> {
            Ok(())
        }
    }

    fn at(watermark: i64) -> OperatorContext {
        OperatorContext {
            subtask: 0,
            max_parallelism: 128,
            key_groups: KeyGroupRange::of_subtask(128, 1, 0),
            processing_time_ms: 0,
            watermark: Watermark(watermark),
        }
    }

    /// The message when an `Echo` declared as `v INT`, without deletes, gets the rows
    /// at these watermarks.
    fn check(schema: &str, rows: &str, watermarks: &[i64], end: bool) -> Option<String> {
        let changelog = ChangelogMode { delete: false, ..ChangelogMode::ALL };
        let declared = text::schema("v INT");
        let mut checked = Checked::new(Box::new(Echo), &declared, changelog, "echo");
        let mut out = Output::default();
        let batch = text::batch(&text::schema(schema), rows);
        if end {
            checked.on_end(&at(0), &mut out).expect("the first end");
        }
        let failed = watermarks.iter().find_map(|watermark| {
            checked.on_batch(0, batch.clone(), &at(*watermark), &mut out).err()
        });
        failed.map(|error| error.to_string())
    }

    #[test]
    fn every_breach_of_the_contract_is_named() {
        assert_eq!(check("v INT", "+I[1] -U[1] +U[2]", &[1, 1, 2], false), None);
        for (schema, rows, watermarks, end, breach) in [
            ("v BIGINT", "+I[1]", [1, 1], false, "emitted columns"),
            ("w INT", "+I[1]", [1, 1], false, "emitted columns"),
            ("v INT", "-D[1]", [1, 1], false, "emitted -D, which is not declared"),
            ("v INT", "+I[1]", [2, 1], false, "the watermark went back from 2 to 1"),
            ("v INT", "+I[1]", [1, 1], true, "called after its end"),
        ] {
            let message = check(schema, rows, &watermarks, end).expect(breach);
            assert!(message.contains(breach), "{message}");
        }
    }

    #[test]
    fn state_of_another_subtask_is_refused() {
        let declared = text::schema("v INT");
        let mut checked =
            Checked::new(Box::new(Echo), &declared, ChangelogMode::INSERT_ONLY, "echo");
        let ctx = OperatorContext { key_groups: KeyGroupRange { start: 0, end: 5 }, ..at(0) };
        let key_group = Some(millrace_dataflow::key_group::KeyGroup(5));
        let entry = StateEntry { key_group, table: 0, key: vec![], value: vec![] };
        let error = checked.restore(&ctx, vec![entry]).expect_err("group 5 is not its own");
        assert!(error.to_string().contains("key group 5"), "{error}");
    }
}
