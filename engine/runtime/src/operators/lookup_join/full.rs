//! A join with a table that is held whole. It has no state: after a restore rows meet the
//! table as it is then.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_dataflow::graph::LookupJoin as Config;
use millrace_dataflow::{Batch, Schema};

use super::index::Probe;
use super::joiner::Joiner;
use crate::lookup::{FullTable, LookupMetrics};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

pub struct FullJoin {
    joiner: Joiner,
    table: Arc<FullTable>,
    metrics: Arc<LookupMetrics>,
}

impl FullJoin {
    /// `table` was read.
    pub fn new(
        config: &Config,
        input: &Schema,
        output: &Schema,
        name: &str,
        table: Arc<FullTable>,
    ) -> FullJoin {
        let metrics = Arc::new(LookupMetrics::of(&table.metrics));
        FullJoin { joiner: Joiner::new(config, input, output, name), table, metrics }
    }
}

impl Operator for FullJoin {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let table = self.table.current();
        let probe = Probe::of(&batch.record, &self.joiner.config.left_keys);
        let hits = Cell::new(0);
        let each = |row: usize, found: &mut Vec<u32>| {
            found.extend(table.rows(&probe, row));
            hits.set(hits.get() + u64::from(!found.is_empty()));
        };
        self.joiner.emit(&batch, table.record.columns(), each, ctx, out)?;
        self.metrics.hits.fetch_add(hits.get(), Ordering::Relaxed);
        let misses = batch.num_rows() as u64 - hits.get();
        self.metrics.misses.fetch_add(misses, Ordering::Relaxed);
        Ok(())
    }

    /// One subtask has the table read again for all of them.
    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        _: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.table.take_due(ctx.processing_time_ms) {
            self.table.reload();
        }
        Ok(())
    }

    fn next_processing_timer(&self) -> Option<i64> {
        self.table.next_reload_ms()
    }

    fn lookup_metrics(&self) -> Option<Arc<LookupMetrics>> {
        Some(Arc::clone(&self.metrics))
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
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        match entries.first() {
            None => Ok(()),
            Some(entry) => Err(self.joiner.shape.damaged(format!("unknown table {}", entry.table))),
        }
    }
}
